package console

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/api"
)

// policy lets a page load its own style and script, ask for itself again, and send its own forms; no more.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'"

// shown is a page, ready to be rendered.
type shown struct {
	Template string // the file of its template
	Title    string
	Crumbs   []crumb // the way to it, from the overview; the page itself is not among them
	Body     any     // what its template shows

	to      string       // in place of a page: where to go
	refusal *api.Refusal // in place of a page: why there is none
	status  int          // 200 where 0
	still   bool         // it does not keep itself up to date: somebody fills in a form
}

// crumb is a link to a page above.
type crumb struct{ Name, URL string }

// goTo sends the visitor on.
func goTo(url string) (shown, error) { return shown{to: url}, nil }

// look is what every page is rendered with.
type look struct {
	shown
	Now     time.Time
	Visitor *api.Visitor // nil where nobody has signed in
	Live    bool         // it keeps itself up to date
	Query   string       // what was searched for
}

// HasTenant says whether the page is about one tenant.
func (l look) HasTenant() bool { return l.Visitor != nil && l.Visitor.Tenant.ID != uuid.Nil }

// page answers for one kind of page: to visitors who may see it.
func (c *Console) page(show func(context.Context, api.Visitor, *http.Request) (shown, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c.answer(w, r, func(ctx context.Context, who api.Visitor) (shown, error) { return show(ctx, who, r) })
	}
}

// answer answers a visitor, once they are let in.
func (c *Console) answer(w http.ResponseWriter, r *http.Request, show func(context.Context, api.Visitor) (shown, error)) {
	token := tokenOf(r)
	if token == "" {
		c.turnAway(w, r, "")
		return
	}
	var page shown
	var visitor api.Visitor
	refusal := c.door.Enter(r.Context(), token, r.PathValue("tenant"), func(ctx context.Context, v api.Visitor) (err error) {
		visitor = v
		page, err = show(ctx, v)
		return err
	})
	switch {
	case refusal != nil && refusal.Status == http.StatusUnauthorized:
		forget(w, r)
		c.turnAway(w, r, refusal.Detail)
	case refusal != nil:
		c.refuse(w, r, refusal)
	case page.refusal != nil:
		c.refuse(w, r, page.refusal)
	case page.to != "":
		http.Redirect(w, r, page.to, http.StatusSeeOther)
	default:
		c.render(w, r, cmp.Or(page.status, http.StatusOK), look{shown: page, Visitor: &visitor, Live: !page.still, Query: r.URL.Query().Get("q")})
	}
}

// passing is what a page says of the present moment only. It is no change of the page.
var passing = regexp.MustCompile(`<time [^>]*data-now[^>]*>[^<]*</time>|(<time [^>]*>)[^<]*(</time>)`)

// render answers with a page, or, where the browser has it as it is, with the word that nothing has changed.
func (c *Console) render(w http.ResponseWriter, r *http.Request, status int, page look) {
	page.Now = time.Now().UTC()
	var text bytes.Buffer
	if err := c.templates[page.Template].ExecuteTemplate(&text, "layout", page); err != nil {
		c.Log.Error().Err(err).Str("page", page.Template).Msg("page not rendered")
		http.Error(w, "The page cannot be shown; the log of the service says why.", http.StatusInternalServerError)
		return
	}
	digest := sha256.Sum256(passing.ReplaceAll(text.Bytes(), []byte("$1$2")))
	tag := `"` + base64.RawURLEncoding.EncodeToString(digest[:12]) + `"`
	header := w.Header()
	header.Set("Content-Security-Policy", policy)
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("ETag", tag)
	if status == http.StatusOK && r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.WriteHeader(status)
	_, _ = w.Write(text.Bytes()) // the visitor has gone: nobody is left to tell
}

// trouble is what an error page shows.
type trouble struct{ What, Advice string }

var troubles = map[api.Problem]trouble{
	api.ProblemNotFound: {
		"There is no such page",
		"It may never have been there, or have been removed, or your token may not be for it.",
	},
	api.ProblemForbidden: {
		"Your token does not open this page",
		"Pages need the role reader or operator. Sign out, and in again with a token that has one of them.",
	},
	api.ProblemTooMany:     {"Too many requests", "The tenant sends more requests than it may. Wait a moment, and reload the page."},
	api.ProblemUnavailable: {"A service behind this page does not answer", "The pipeline may well go on. Wait a moment, and reload the page; `reos health` says what is down."},
	mayNotAct:              {"Your token may look, but not act", "To plan, begin or stop a replay needs the role operator. Nothing was done."},
	secondNeeded:           {"These are more letters than one person may discard", "Nothing was done. With a second person's token, `reos dlq discard --second-token` does it."},
	whyMissing:             {"Say why", "The reason, of at most 1000 characters, goes into the audit log. Nothing was done: go back, and fill in the field."},
	crossOrigin:            {"The form was sent by another site", "Nothing was done. Go to the overview and try again from there."},
	api.ProblemInvalid:     {"The page's address is wrong", "Check it, or go back to the overview."},
}

// refuse answers with an error page.
func (c *Console) refuse(w http.ResponseWriter, r *http.Request, refusal *api.Refusal) {
	for name, values := range refusal.Header {
		w.Header()[name] = values
	}
	said, known := troubles[refusal.Problem]
	if !known {
		said = trouble{"The page cannot be shown", "That is a mistake of ours; the log of the service says more."}
	}
	page := look{shown: shown{Template: "error.html", Title: said.What, Body: said}}
	if tokenOf(r) != "" {
		page.Visitor = &api.Visitor{}
	}
	c.render(w, r, refusal.Status, page)
}

// NotFound implements api.Pages.
func (c *Console) NotFound(w http.ResponseWriter, r *http.Request) {
	c.refuse(w, r, &api.Refusal{Status: http.StatusNotFound, Problem: api.ProblemNotFound})
}

// asset is a file that pages load.
type asset struct {
	content     []byte
	tag         string
	contentType string
}

var assetTypes = map[string]string{
	"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml",
}

func readAssets() map[string]asset {
	read := map[string]asset{}
	entries, err := files.ReadDir("assets")
	if err != nil {
		panic(err) // they are embedded
	}
	for _, entry := range entries {
		content, err := files.ReadFile("assets/" + entry.Name())
		if err != nil {
			panic(err)
		}
		digest := sha256.Sum256(content)
		_, kind, _ := strings.Cut(entry.Name(), ".")
		read[entry.Name()] = asset{content, `"` + base64.RawURLEncoding.EncodeToString(digest[:12]) + `"`, assetTypes[kind]}
	}
	return read
}

func (c *Console) asset(w http.ResponseWriter, r *http.Request) {
	file, ok := c.assets[r.PathValue("name")]
	if !ok {
		c.NotFound(w, r)
		return
	}
	header := w.Header()
	header.Set("Cache-Control", "no-cache") // ask whether there is a new one
	header.Set("Content-Type", file.contentType)
	header.Set("ETag", file.tag)
	if r.Header.Get("If-None-Match") == file.tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(file.content) // as in render
}
