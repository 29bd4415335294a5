package postgres

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/store"
)

const (
	sqlPlanRun = `
INSERT INTO runs (tenant_id, id, kind, state, started_by, source, lane, stage, why, ticket, rate, canary, stop_above, selection, digest)
VALUES ($1, $2, $3, 'planned', $4, $5, 'bulk', $6, $7, $8, $9, $10, $11, $12::text::jsonb, sha256(''))`

	sqlPlanItems = `
INSERT INTO run_items (tenant_id, run_id, ordinal, event_uid, letter_id, cause_uid, record_type, record_key, version_at, version_seq,
	stage, state, reason)
SELECT $1, $2, i.* FROM unnest($3::bigint[], $4::uuid[], $5::uuid[], $6::uuid[], $7::text[], $8::text[], $9::timestamptz[], $10::bigint[],
	$11::text[], $12::text[], $13::text[]) AS i`

	sqlPlanned = `UPDATE runs SET selected = $3, skipped = $4, digest = $5 WHERE tenant_id = $1 AND id = $2`

	sqlAuditPlan = sqlAuditInto + `
SELECT tenant_id, $3, $4, id, why, jsonb_build_object('kind', kind, 'stage', stage, 'selected', selected, 'digest', encode(digest, 'hex'),
	'ticket', ticket, 'rate', rate, 'canary', canary, 'stop_above', stop_above)
FROM runs WHERE tenant_id = $1 AND id = $2`
)

// planPage bounds the items of one statement.
const planPage = 2000

// errNoItems says that a plan has nothing that could be released.
var errNoItems = fmt.Errorf("plan run: nothing is selected: %w", store.ErrNotFound)

// PlanRun freezes a run's items, in the order in which they come, and returns the run: planned, with its digest. Each page
// is written as it comes, so that they may be many; pages may be asked for again. ID, Kind, Why and what says how the run
// shall go are taken from run; an item's Ordinal and, where it has none, its Event are given here. Items that come as
// skipped are kept with their reason.
//
// store.ErrExists: the tenant has a run of this id. store.ErrNotFound: nothing was selected, and nothing is kept.
func (t *Tenant) PlanRun(ctx context.Context, run store.Run, pages iter.Seq2[[]store.RunItem, error], act store.Act) (store.Run, error) {
	var planned []store.Run
	err := t.db.transact(ctx, "plan run", func(tx *transaction) error {
		batch := tx.begin(tenantView(t.id))
		batch.Queue(sqlPlanRun, t.key(), run.ID, string(run.Kind), printable(act.By), printable(run.Source), string(run.Stage),
			printable(act.Why), printable(run.Ticket), run.Rate, run.Canary, run.StopAbove, jsonText(run.Selection))
		if err := tx.send(ctx, batch); err != nil {
			return err
		}
		freeze := freezer{tenant: t, tx: tx, run: run.ID}
		for page, err := range pages {
			if err != nil {
				return err
			}
			for part := range slices.Chunk(page, planPage) {
				if err := freeze.write(ctx, part); err != nil {
					return err
				}
			}
		}
		if freeze.skipped == int64(len(freeze.events)) {
			return errNoItems
		}
		last := &pgx.Batch{}
		last.Queue(sqlPlanned, t.key(), run.ID, len(freeze.events), freeze.skipped, freeze.digest())
		last.Queue(sqlRun, t.key(), run.ID).Query(collect(&planned, scanRun))
		last.Queue(sqlAuditPlan, t.key(), run.ID, printable(act.By), string(store.RunPlannedAct))
		return tx.commit(ctx, last)
	})
	switch {
	case errors.Is(err, errNoItems):
		return store.Run{}, errNoItems
	case codeOf(err) == codeUnique:
		return store.Run{}, fmt.Errorf("plan run %q: %w", run.ID, store.ErrExists)
	}
	return only(planned, err, "plan run")
}

// codeUnique is the SQLSTATE of a row that is there already.
const codeUnique = "23505"

// jsonText is a text parameter that is NULL where there is nothing.
func jsonText(encoded []byte) *string {
	if encoded == nil {
		return nil
	}
	text := printable(string(encoded))
	return &text
}

// freezer writes the items of one run.
type freezer struct {
	tenant  *Tenant
	tx      *transaction
	run     string
	events  []uuid.UUID
	skipped int64
}

func (f *freezer) write(ctx context.Context, page []store.RunItem) error {
	items := slices.Clone(page)
	for i := range items {
		item := &items[i]
		item.Ordinal = int64(len(f.events)) + 1
		if item.Event == uuid.Nil {
			item.Event = store.RunEvent(f.run, f.tenant.id, *item)
		}
		if item.State == store.ItemSkipped {
			f.skipped++
		} else {
			item.State = store.ItemSelected
		}
		f.events = append(f.events, item.Event)
	}
	batch := &pgx.Batch{}
	batch.Queue(sqlPlanItems, f.tenant.key(), f.run,
		column(items, func(i store.RunItem) int64 { return i.Ordinal }),
		column(items, func(i store.RunItem) [16]byte { return i.Event }),
		column(items, func(i store.RunItem) *[16]byte { return nullableUUID(i.Letter) }),
		column(items, func(i store.RunItem) *[16]byte { return nullableUUID(i.Cause) }),
		column(items, func(i store.RunItem) *string { return nullable(printable(string(i.Ref.Type))) }),
		column(items, func(i store.RunItem) *string { return nullable(printable(i.Ref.Key)) }),
		column(items, func(i store.RunItem) *time.Time { return nullableTime(i.Version.At) }),
		column(items, func(i store.RunItem) *int64 {
			if i.Version.At.IsZero() {
				return nil
			}
			return &i.Version.Sequence
		}),
		column(items, func(i store.RunItem) string { return string(i.Stage) }),
		column(items, func(i store.RunItem) string { return string(i.State) }),
		column(items, func(i store.RunItem) string { return printable(i.Reason) }))
	return f.tx.send(ctx, batch)
}

// digest is the SHA-256 over the frozen ids, sorted: whoever has the list can prove that it is this one.
func (f *freezer) digest() []byte {
	slices.SortFunc(f.events, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	digest := sha256.New()
	for _, id := range f.events {
		digest.Write(id[:])
	}
	return digest.Sum(nil)
}
