package console

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/codybias9/real-estate-os/api"
)

// A session is the visitor's token, in a cookie: it is judged anew with every request, by the rules of the API, and ends
// with the token. No operation of the API takes the cookie, so that no other site's form can make a browser use it there.

// CookieName is the session's cookie.
const CookieName = "reos_console"

const (
	maxFormBytes = 16 << 10
	// maxTokenBytes is what browsers keep in one cookie, its name and attributes counted in.
	maxTokenBytes = 3_800
)

// tokenOf is the token of a request's session; empty where there is none.
func tokenOf(r *http.Request) string {
	cookie, err := r.Cookie(CookieName)
	if err != nil {
		return ""
	}
	return cookie.Value
}

func sessionCookie(r *http.Request, token string) *http.Cookie {
	return &http.Cookie{
		Name: CookieName, Value: token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: overTLS(r),
	}
}

// overTLS says whether the browser speaks TLS: with us, or with a proxy before us. Whoever lies about that harms their own
// session only.
func overTLS(r *http.Request) bool {
	return r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

// forget ends the session.
func forget(w http.ResponseWriter, r *http.Request) {
	cookie := sessionCookie(r, "")
	cookie.MaxAge = -1
	http.SetCookie(w, cookie)
}

// question is what the sign-in page shows.
type question struct {
	Why  string // it was not let in
	Next string // where to go then
}

// turnAway sends a visitor without a believable token to the sign-in page.
//
// Where a link of another site leads here, the browser keeps a strict cookie back: then the visitor may well be signed in,
// and a page of ours that leads on finds out.
func (c *Console) turnAway(w http.ResponseWriter, r *http.Request, why string) {
	if why == "" && r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		c.render(w, r, http.StatusOK, look{shown: shown{Template: "onward.html", Title: "One moment", Body: r.URL.RequestURI()}})
		return
	}
	query := url.Values{}
	if why != "" {
		query.Set("why", "ended")
	}
	if next := pageOf(r); next != "/" {
		query.Set("next", next)
	}
	to := url.URL{Path: "/sign-in", RawQuery: query.Encode()}
	http.Redirect(w, r, to.String(), http.StatusSeeOther)
}

func (c *Console) askForToken(w http.ResponseWriter, r *http.Request) {
	asked := question{Next: local(r.URL.Query().Get("next"))}
	if r.URL.Query().Get("why") != "" {
		asked.Why = "Your session has ended: its token has expired, or is not believed any more."
	}
	c.ask(w, r, http.StatusOK, asked)
}

func (c *Console) ask(w http.ResponseWriter, r *http.Request, status int, asked question) {
	c.render(w, r, status, look{shown: shown{Template: "sign-in.html", Title: "Sign in", Body: asked}})
}

// signIn begins a session with a token that is believed.
func (c *Console) signIn(w http.ResponseWriter, r *http.Request) {
	if !c.fromHere(w, r) {
		return
	}
	sent := *r // whoever waits for the answer looks at the request itself
	sent.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
	if err := sent.ParseForm(); err != nil {
		c.ask(w, r, http.StatusBadRequest, question{Why: "The form could not be read. Try again."})
		return
	}
	token := strings.TrimSpace(sent.PostForm.Get("token"))
	if scheme, rest, ok := strings.Cut(token, " "); ok && strings.EqualFold(scheme, "Bearer") {
		token = strings.TrimSpace(rest)
	}
	next := local(sent.PostForm.Get("next"))
	if status, why := c.judge(r.Context(), token); why != "" {
		c.ask(w, r, status, question{Why: why, Next: next})
		return
	}
	http.SetCookie(w, sessionCookie(r, token))
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// judge says why a token begins no session; nothing where it does.
func (c *Console) judge(ctx context.Context, token string) (status int, why string) {
	switch {
	case token == "":
		return http.StatusUnprocessableEntity, "Paste a token into the field."
	case len(token) > maxTokenBytes:
		return http.StatusUnprocessableEntity, "The token is too long for a browser to keep. Ask for one with fewer claims."
	}
	refusal := c.door.Enter(ctx, token, "", func(context.Context, api.Visitor) error { return nil })
	switch {
	case refusal == nil:
		return http.StatusOK, ""
	case refusal.Status == http.StatusUnauthorized:
		return refusal.Status, "That did not work: " + refusal.Detail + "."
	case refusal.Status == http.StatusForbidden:
		return refusal.Status, "The token is good, but not for this: pages need the role reader or operator."
	case refusal.Status == http.StatusNotFound:
		return http.StatusForbidden, "The token is for a tenant that there is not."
	}
	return refusal.Status, "Tokens cannot be judged just now. Try again in a moment."
}

func (c *Console) signOut(w http.ResponseWriter, r *http.Request) {
	if !c.fromHere(w, r) {
		return
	}
	forget(w, r)
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
}

// fromHere lets forms pass that come from our own pages, and answers the others.
func (c *Console) fromHere(w http.ResponseWriter, r *http.Request) bool {
	if err := c.origin.Check(r); err != nil {
		c.refuse(w, r, &api.Refusal{Status: http.StatusForbidden, Problem: crossOrigin})
		return false
	}
	return true
}

// crossOrigin is the refusal of a form that another site has sent.
const crossOrigin api.Problem = "cross-origin"

// local is where to go after signing in: a page of ours, whatever the address says.
func local(next string) string {
	parsed, err := url.Parse(next)
	if err != nil || parsed.Scheme != "" || parsed.Host != "" || parsed.Opaque != "" || !strings.HasPrefix(parsed.Path, "/") ||
		strings.HasPrefix(parsed.Path, "//") || strings.ContainsAny(next, "\\\r\n\t") || strings.HasPrefix(parsed.Path, "/sign-") {
		return "/"
	}
	return parsed.RequestURI()
}
