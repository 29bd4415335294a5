package replay

import (
	"context"
	"encoding/json"
	"iter"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/store"
)

// Letters is a tenant's part of Postgres, as the desk needs it.
type Letters interface {
	store.LetterReader
	DeadLetter(ctx context.Context, id uuid.UUID) (store.DeadLetter, error)
	// PlanRun freezes the items that pages hold. store.ErrNotFound: nothing was selected, and nothing is kept.
	PlanRun(ctx context.Context, run store.Run, pages iter.Seq2[[]store.RunItem, error], act store.Act) (store.Run, error)
	// SaveRunReport keeps with a planned run what it would do: a JSON object.
	SaveRunReport(ctx context.Context, id string, report []byte) error
	// BeginRun lets a plan go, and CancelRun takes it back. store.ErrNotFound: there is none; store.ErrConflict: it is not planned.
	BeginRun(ctx context.Context, id string, act store.Act) (store.Run, bool, error)
	CancelRun(ctx context.Context, id string, act store.Act) (store.Run, bool, error)
	// SaveEdits keeps what a plan changes. LettersToReplay reads whole letters for a run, and what it changes in them; what is
	// not there is left out.
	SaveEdits(ctx context.Context, edits []store.Edit) error
	LettersToReplay(ctx context.Context, run string, ids []uuid.UUID) ([]store.DeadLetter, map[uuid.UUID]store.Edit, error)
	// DiscardLetters gives letters up, with an entry in the audit log for each, and one for the operation where it is given.
	DiscardLetters(ctx context.Context, ids []uuid.UUID, act store.Act, operation json.RawMessage) (int64, error)
}

// Platform is what the desk needs of Postgres across tenants.
type Platform interface {
	store.LetterReader
	// AllTenants lists every tenant, those that were deleted among them.
	AllTenants(ctx context.Context) ([]store.Tenant, error)
	// LetterOwners lists the tenants that ever had a letter.
	LetterOwners(ctx context.Context) ([]uuid.UUID, error)
	// Runs lists runs of all tenants; of one id, an entry for each tenant of it.
	Runs(ctx context.Context, id string, filter store.RunFilter, limit int, after store.RunCursor) ([]store.TenantRun, error)
}

// Judge says what a tenant's suite of expectations makes of a record.
type Judge func(store.StoredRecord) store.Verdict

// Desk plans replays and discards. It is safe for concurrent use.
type Desk struct {
	Platform Platform
	Of       func(tenant uuid.UUID) Letters // hands out tenant-bound handles
	Judge    Judge
	Model    string // of the vectors that indexing takes
	// DiscardLimit is how many letters one person may discard at once.
	DiscardLimit int64
}

// reader is whose letters are looked at.
func (d *Desk) reader(meant store.LetterSelection) store.LetterReader {
	if meant.Tenant == nil {
		return d.Platform
	}
	return d.Of(*meant.Tenant)
}
