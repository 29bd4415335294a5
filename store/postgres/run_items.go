package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/store"
)

// itemColumns are what a RunItem is read from, of a table named i.
const itemColumns = `i.ordinal, i.event_uid, i.letter_id, i.cause_uid, coalesce(i.record_type, ''), coalesce(i.record_key, ''),
	i.version_at, i.version_seq, i.stage, i.state, coalesce(i.outcome, ''), i.reason`

// frozenColumns are those of an item that never change.
//
// Items are marked by an insert of rows that are known to exist, so that each is found in the primary key, whatever the
// planner believes of the table: see byKey.
const frozenColumns = `tenant_id, run_id, ordinal, event_uid, letter_id, cause_uid, record_type, record_key, version_at, version_seq, stage`

const sqlRunItems = `
SELECT ` + itemColumns + ` FROM run_items i
WHERE tenant_id = $1 AND run_id = $2 AND ordinal > $4 AND ($3 = '' OR state = $3) ORDER BY ordinal LIMIT $5`

// RunItems lists a run's items in their order, at most limit of them, behind an ordinal; those in a state, or all where it
// is empty.
func (t *Tenant) RunItems(ctx context.Context, id string, state store.ItemState, after int64, limit int) ([]store.RunItem, error) {
	var items []store.RunItem
	err := t.roundTrip(ctx, "list items of run", func(b *pgx.Batch) {
		b.Queue(sqlRunItems, t.key(), printable(id), string(state), after, limit).Query(collect(&items, func(row pgx.CollectableRow) (store.RunItem, error) {
			var i itemRow
			err := row.Scan(i.targets()...)
			return i.read(), err
		}))
	})
	return items, err
}

// itemRow reads itemColumns.
type itemRow struct {
	item          store.RunItem
	letter, cause *[16]byte
	version       versionRow
}

func (r *itemRow) targets() []any {
	i := &r.item
	return []any{
		&i.Ordinal, (*[16]byte)(&i.Event), &r.letter, &r.cause, &i.Ref.Type, &i.Ref.Key, &r.version.at, &r.version.sequence,
		&i.Stage, &i.State, &i.Outcome, &i.Reason,
	}
}

func (r *itemRow) read() store.RunItem {
	r.item.Letter, r.item.Cause, r.item.Version = orZero(r.letter), orZero(r.cause), r.version.version()
	return r.item
}
