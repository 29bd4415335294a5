package console

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// eventPage is the way of one event.
type eventPage struct {
	Tenant uuid.UUID
	story
}

type story = api.Timeline

// choices are the events, or the records, that a text may mean.
type choices struct {
	Query   string
	Events  []choice
	Records []choice
}

type choice struct{ Name, Note, URL string }

// event shows one event by its id, or the choice where several sources use the same id.
func (c *Console) event(ctx context.Context, who api.Visitor, r *http.Request) (shown, error) {
	id := r.PathValue("event")
	rows := c.Rows(who.Tenant.ID)
	refs, err := rows.FindEvents(ctx, id, r.URL.Query().Get("source"))
	switch {
	case err != nil:
		return shown{}, err
	case len(refs) == 0:
		return shown{}, store.ErrNotFound
	case len(refs) > 1:
		return choose(who, choices{Query: id, Events: eventChoices(who, refs)}), nil
	}
	trail, err := rows.Trail(ctx, refs[0])
	if err != nil {
		return shown{}, err
	}
	return shown{
		Template: "event.html", Title: "Event " + refs[0].ID, Crumbs: within(who),
		Body: eventPage{who.Tenant.ID, api.NewTimeline(trail)},
	}, nil
}

func choose(who api.Visitor, among choices) shown {
	return shown{Template: "choices.html", Title: "Found: " + among.Query, Crumbs: within(who), Body: among}
}

func eventChoices(who api.Visitor, refs []store.EventRef) []choice {
	found := make([]choice, len(refs))
	for i, ref := range refs {
		found[i] = choice{Name: ref.ID, Note: "of source " + ref.Source, URL: eventURL(who.Tenant.ID, ref.Event.String())}
		if ref.Event == uuid.Nil { // of a dead letter that could not be read
			found[i].URL, found[i].Note = eventURL(who.Tenant.ID, ref.ID), "never read"
		}
	}
	return found
}

// find looks for an event id, or a record key, and leads to the only one that there is.
func (c *Console) find(ctx context.Context, who api.Visitor, r *http.Request) (shown, error) {
	query := strings.TrimSpace(r.URL.Query().Get("q"))
	if query == "" {
		return goTo(tenantURL(who.Tenant.ID))
	}
	rows := c.Rows(who.Tenant.ID)
	refs, err := rows.FindEvents(ctx, query, "")
	if err != nil {
		return shown{}, err
	}
	found := choices{Query: query, Events: eventChoices(who, refs)}
	if found.Records, err = c.findRecords(ctx, who, query); err != nil {
		return shown{}, err
	}
	if all := slices.Concat(found.Events, found.Records); len(all) == 1 {
		return goTo(all[0].URL)
	}
	return choose(who, found), nil
}

// findRecords finds the records that have a key: of each type there may be one.
func (c *Console) findRecords(ctx context.Context, who api.Visitor, key string) ([]choice, error) {
	if !addressable(key) || len(key) > events.MaxKeyBytes {
		return nil, nil
	}
	types, err := c.Rows(who.Tenant.ID).RecordTypesOf(ctx, key)
	if err != nil {
		return nil, err
	}
	found := make([]choice, len(types))
	for i, record := range types {
		found[i] = choice{Name: key, Note: string(record), URL: recordURL(who.Tenant.ID, record, key)}
	}
	return found, nil
}
