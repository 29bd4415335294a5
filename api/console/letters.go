package console

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/store"
)

// Letters is Postgres, as the pages of dead letters need it: a tenant's part of it, or everybody's.
type Letters = api.DeadLetters

// How much of each the pages of dead letters show.
const (
	groupsRows  = 50
	lettersRows = 25
)

// groupsPage lists groups of dead letters, the largest first.
type groupsPage struct {
	Tenant uuid.UUID // uuid.Nil: of all tenants
	Groups []store.LetterGroup
	First  bool   // it begins with the largest
	Next   string // the page behind; empty where there is none
	Plan   string // where a replay of them is planned
}

// groupPage is one group, and a page of its letters.
type groupPage struct {
	Tenant uuid.UUID
	store.LetterGroupDetail
	Hours   hours
	Letters []store.DeadLetter
	Names   map[uuid.UUID]string // of tenants
	Newest  bool                 // the letters begin with the newest
	Next    string
}

// letterPage is one dead letter.
type letterPage struct {
	Whose uuid.UUID // whose pages it is among; uuid.Nil: those about all tenants
	store.DeadLetter
	Open   bool // the visitor may see what is in it
	Fields []headerField
	Body   payload
}

// headerField is a header as it was received.
type headerField struct{ Name, Value string }

// payload is a message's body, made legible.
type payload struct {
	Text  string
	Bytes int    // of the whole
	Cut   bool   // Text is only its beginning
	Kind  string // what it is, in words
}

// lettersOf is what a visitor may see: their tenant's letters, or everybody's.
//
// Invariant 4: only a visitor without a tenant, whose token is for all, gets to everybody's.
func (c *Console) lettersOf(who api.Visitor) Letters {
	if who.Tenant.ID == uuid.Nil {
		return c.Platform
	}
	return c.Rows(who.Tenant.ID)
}

// ofAll says whether a request is for a page about all tenants.
func ofAll(r *http.Request) bool { return r.PathValue("tenant") == "" }

// groups shows groups of dead letters.
func (c *Console) groups(ctx context.Context, who api.Visitor, r *http.Request) (shown, error) {
	if ofAll(r) && who.Tenant.ID != uuid.Nil {
		return goTo(lettersURL(who.Tenant.ID))
	}
	query := r.URL.Query()
	filter := store.LetterGroupFilter{DeadLetterFilter: store.DeadLetterFilter{Limit: groupsRows + 1}}
	if open, err := strconv.ParseInt(query.Get("open"), 10, 64); err == nil {
		filter.After = store.LetterGroupCursor{Open: open, Fingerprint: query.Get("after")}
	}
	list, err := c.lettersOf(who).LetterGroups(ctx, filter)
	if err != nil {
		return shown{}, err
	}
	body := groupsPage{Tenant: who.Tenant.ID, Groups: list[:min(len(list), groupsRows)], First: filter.After.Fingerprint == ""}
	body.Plan = planURL(who.Tenant.ID, query)
	if len(list) > groupsRows {
		last := list[groupsRows-1].Cursor()
		body.Next = lettersURL(who.Tenant.ID) + "?" + url.Values{"open": {strconv.FormatInt(last.Open, 10)}, "after": {last.Fingerprint}}.Encode()
	}
	return shown{Template: "groups.html", Title: "Dead letters", Crumbs: inside(who), Body: body}, nil
}

// group shows one group of dead letters.
func (c *Console) group(ctx context.Context, who api.Visitor, r *http.Request) (shown, error) {
	fingerprint := r.PathValue("fingerprint")
	if ofAll(r) && who.Tenant.ID != uuid.Nil {
		return goTo(groupURL(who.Tenant.ID, fingerprint))
	}
	letters := c.lettersOf(who)
	detail, err := letters.LetterGroup(ctx, fingerprint)
	if err != nil {
		return shown{}, err
	}
	filter := store.DeadLetterFilter{Fingerprint: fingerprint, Limit: lettersRows}
	at, last := placeOf(r.URL.Query())
	if id, err := uuid.Parse(last); err == nil {
		filter.After = store.DeadLetterCursor{FailedAt: at, ID: id}
	}
	page, err := store.FindLetters(ctx, letters, filter, nil, 0)
	if err != nil {
		return shown{}, err
	}
	body := groupPage{
		Tenant: who.Tenant.ID, LetterGroupDetail: detail, Hours: newHours(detail.ByHour, time.Now()), Letters: page.Letters,
		Newest: filter.After.FailedAt.IsZero(),
	}
	if page.Next != nil {
		body.Next = groupURL(who.Tenant.ID, fingerprint) + "?" + place(page.Next.FailedAt, page.Next.ID.String())
	}
	if who.Tenant.ID == uuid.Nil {
		if body.Names, err = c.names(ctx); err != nil {
			return shown{}, err
		}
	}
	return shown{Template: "group.html", Title: "Dead letters: " + spoken(detail.Reason), Crumbs: inside(who, crumb{"Dead letters", lettersURL(who.Tenant.ID)}), Body: body}, nil
}

// names are those of the tenants that freshness is known of.
func (c *Console) names(ctx context.Context) (map[uuid.UUID]string, error) {
	all, err := c.lookout.look(ctx)
	if err != nil {
		return nil, err
	}
	return all.Names(), nil
}

// inside is the way to a page below a tenant's, or below the overview where it is about all tenants.
func inside(who api.Visitor, more ...crumb) []crumb {
	if who.Tenant.ID == uuid.Nil {
		return append(above(who), more...)
	}
	return within(who, more...)
}

// letter shows one dead letter; what is in it, to operators only.
func (c *Console) letter(ctx context.Context, who api.Visitor, r *http.Request) (shown, error) {
	id, err := uuid.Parse(r.PathValue("letter"))
	switch {
	case err != nil:
		return shown{}, store.ErrNotFound
	case ofAll(r) && who.Tenant.ID != uuid.Nil:
		return goTo(letterURL(who.Tenant.ID, id))
	}
	found, err := c.lettersOf(who).DeadLetter(ctx, id)
	if err != nil {
		return shown{}, err
	}
	body := letterPage{Whose: who.Tenant.ID, DeadLetter: found, Open: who.Has(auth.Operator)}
	if body.Open {
		body.Fields, body.Body = legibleHeaders(found.Headers), legible(found.Payload)
	}
	return shown{
		Template: "letter.html", Title: "Dead letter " + found.EventID,
		Crumbs: inside(who, crumb{"Dead letters", lettersURL(who.Tenant.ID)}, crumb{"Group", groupURL(who.Tenant.ID, found.Fingerprint)}), Body: body,
	}, nil
}

const (
	maxPayloadShown = 64 << 10
	maxHeaderShown  = 1 << 10
)

func legibleHeaders(headers map[string]string) []headerField {
	fields := make([]headerField, 0, len(headers))
	for name, value := range headers {
		if secretive(name) {
			value = masked
		}
		fields = append(fields, headerField{printed(name, maxHeaderShown), printed(value, maxHeaderShown)})
	}
	slices.SortFunc(fields, func(a, b headerField) int { return strings.Compare(a.Name, b.Name) })
	return fields
}

// legible makes a body legible: JSON indented, with what looks like a secret masked; other text as it is; bytes as what
// they are in number.
func legible(body []byte) payload {
	p := payload{Bytes: len(body), Kind: "JSON"}
	if len(body) == 0 {
		p.Kind = "empty"
		return p
	}
	var isJSON bool
	if p.Text, isJSON = legibleJSON(body); !isJSON {
		p.Kind, p.Text = "text, not JSON", maskText(string(body))
		if !utf8.Valid(body) {
			p.Kind = "bytes, not text"
		}
	}
	p.Cut = len(p.Text) > maxPayloadShown
	p.Text = printed(p.Text, maxPayloadShown)
	return p
}

// printed is the beginning of a text without what cannot be shown.
func printed(text string, limit int) string {
	if len(text) > limit {
		text = text[:limit]
	}
	return strings.Map(func(c rune) rune {
		if c == utf8.RuneError || unicode.IsControl(c) && c != '\n' && c != '\t' {
			return '·'
		}
		return c
	}, text)
}
