package console

import (
	"context"
	"net/http"
	"slices"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// recordHistory is how many of a record's events its page shows.
const recordHistory = 50

// recordPage is what is known of one record, and of its events.
type recordPage struct {
	Tenant uuid.UUID
	store.RecordView
	Judged  bool // the newest version
	Indexes bool // the newest version
}

// record shows one record.
func (c *Console) record(ctx context.Context, who api.Visitor, r *http.Request) (shown, error) {
	ref := store.Ref{Type: events.RecordType(r.PathValue("type")), Key: r.PathValue("key")}
	if !slices.Contains(events.RecordTypes, ref.Type) {
		return shown{}, store.ErrNotFound
	}
	view, err := c.Rows(who.Tenant.ID).RecordView(ctx, ref, recordHistory)
	if err != nil {
		return shown{}, err
	}
	body := recordPage{Tenant: who.Tenant.ID, RecordView: view}
	body.Judged = view.Verdict != nil && view.Verdict.Version.Compare(view.Record.Version) == 0
	body.Indexes = view.Indexed != nil && view.Indexed.Version.Compare(view.Record.Version) == 0
	return shown{Template: "record.html", Title: title(string(ref.Type)) + " " + ref.Key, Crumbs: within(who), Body: body}, nil
}
