package postgres

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/store"
)

// retirePage bounds the rows that one transaction looks at and removes. An event that comes again just then waits for its
// commit: a few tens of milliseconds.
const retirePage = 1000

// idleShare is how many times longer than a page takes the database is left to others.
const idleShare = 3

// sqlRetireEvents removes a page of what has ended and was kept long enough, but for what is still needed: each look-up is
// one in an index, see byKey. These stay, however old:
//
//   - the event that brought its record's newest version: what comes again is known by it, a rerun takes the envelope
//     from it, and there are never more of them than records;
//   - the last of a source, with those that were accepted together with it: its silence is counted from them;
//   - what died with a letter that is open, and what a letter's replay became;
//   - the events of a rerun or replay that goes on, which has yet to see how they ended.
//
// Invariant 6: what is unfinished is not in this index, and the policy unfinished_stays would not let it go.
var sqlRetireEvents = `
WITH page AS MATERIALIZED (
	SELECT ctid, event_uid, source, lane, accepted_at, finished_at, record_type, record_key, run_id, outcome FROM progress
	WHERE tenant_id = $1 AND finished_at IS NOT NULL AND finished_at < now() - $2::interval AND (finished_at, event_uid) > ($3, $4)
	ORDER BY finished_at, event_uid LIMIT $5
), gone AS (
	DELETE FROM progress WHERE tenant_id = $1 AND finished_at IS NOT NULL AND ctid = ANY (ARRAY(
		SELECT n.ctid FROM page n
		LEFT JOIN LATERAL (` + anyRecord + ` OFFSET 0) r ON true
		LEFT JOIN LATERAL (SELECT true AS later FROM progress WHERE tenant_id = $1 AND source IS NOT NULL AND source = n.source
			AND lane = n.lane AND accepted_at > n.accepted_at ORDER BY accepted_at LIMIT 1) s ON true
		LEFT JOIN LATERAL (SELECT true AS open FROM dead_letters WHERE n.outcome = 'dead' AND tenant_id = $1
			AND event_uid IS NOT NULL AND event_uid = n.event_uid AND state = 'open' LIMIT 1) l ON true
		LEFT JOIN LATERAL (SELECT true AS shown FROM dead_letters WHERE n.run_id <> '' AND tenant_id = $1
			AND replayed_event IS NOT NULL AND replayed_event = n.event_uid LIMIT 1) a ON true
		LEFT JOIN LATERAL (SELECT true AS unsettled FROM runs WHERE n.run_id <> '' AND tenant_id = $1 AND id = n.run_id
			AND kind IN ('rerun', 'replay') AND settled_at IS NULL OFFSET 0) u ON true
		WHERE r.event_uid IS DISTINCT FROM n.event_uid AND (n.source IS NULL OR s.later)
			AND num_nonnulls(l.open, a.shown, u.unsettled) = 0))
	RETURNING run_id, ended_in, outcome, reason
), counted AS (
	INSERT INTO run_removed AS c (tenant_id, run_id, stage, outcome, reason, events)
	SELECT $1, g.run_id, g.ended_in, g.outcome, coalesce(g.reason, ''), count(*) FROM gone g
	WHERE g.run_id <> '' AND (SELECT true FROM runs WHERE tenant_id = $1 AND id = g.run_id)
	GROUP BY 2, 3, 4, 5 ORDER BY 2, 3, 4, 5
	ON CONFLICT (tenant_id, run_id, stage, outcome, reason) DO UPDATE SET events = c.events + excluded.events
)
SELECT finished_at, event_uid, (SELECT count(*) FROM page), (SELECT count(*) FROM gone)
FROM page ORDER BY finished_at DESC, event_uid DESC LIMIT 1`

const (
	sqlRunsToRetire = `
SELECT r.id FROM runs r WHERE r.tenant_id = $1 AND r.settled_at IS NOT NULL AND r.settled_at < now() - $2::interval
	AND (SELECT true FROM run_items WHERE tenant_id = $1 AND run_id = r.id LIMIT 1)
ORDER BY r.settled_at, r.id LIMIT $3`

	sqlRetireItems = `
DELETE FROM run_items WHERE tenant_id = $1 AND run_id = $2 AND ordinal IN (
	SELECT ordinal FROM run_items WHERE tenant_id = $1 AND run_id = $2 ORDER BY ordinal LIMIT $3)`
)

// RetireEvents removes the rows in progress of all tenants' events that ended longer ago than keep and that nothing needs
// any more, and the items of runs that were settled as long ago; it says how many rows it removed. An event whose row is
// gone is unknown: if it comes again, its record's version tells that it is late.
//
// It works in transactions of at most 1,000 rows, and rests after each for three times as long as it took. Each tenant's rows are
// removed by its own handle: the platform may not.
func (p *Platform) RetireEvents(ctx context.Context, keep time.Duration) (removed int64, err error) {
	owners, err := p.eventOwners(ctx)
	if err != nil {
		return 0, err
	}
	for _, owner := range owners {
		t := p.db.Tenant(owner)
		events, err := t.retireEvents(ctx, keep)
		removed += events
		if err == nil {
			var items int64
			items, err = t.retireItems(ctx, keep)
			removed += items
		}
		if err != nil && !errors.Is(err, store.ErrTenantDeleted) {
			return removed, err
		}
	}
	return removed, nil
}

// eventOwners lists all tenants that may have events: those that are served, and those that only letters name.
func (p *Platform) eventOwners(ctx context.Context) ([]uuid.UUID, error) {
	owners, err := p.LetterOwners(ctx)
	if err != nil {
		return nil, err
	}
	tenants, err := p.Tenants(ctx)
	owners = append(owners, column(tenants, func(t store.Tenant) uuid.UUID { return t.ID })...)
	slices.SortFunc(owners, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(owners), err
}

// retireEvents goes through what has ended, page by page: what stays is looked at once.
func (t *Tenant) retireEvents(ctx context.Context, keep time.Duration) (removed int64, err error) {
	var last struct {
		finished time.Time
		event    [16]byte
	}
	for {
		var looked, gone int64
		began := time.Now()
		err := t.roundTrip(ctx, "remove old events", func(b *pgx.Batch) {
			looked, gone = 0, 0
			b.Queue(sqlInOrder)
			b.Queue(sqlRetireEvents, t.key(), keep, last.finished, last.event, retirePage).Query(func(rows pgx.Rows) error {
				_, err := pgx.ForEachRow(rows, []any{&last.finished, &last.event, &looked, &gone}, func() error { return nil })
				return err
			})
		})
		if removed += gone; err != nil || looked < retirePage {
			return removed, err
		}
		if err := pause(ctx, idleShare*time.Since(began)); err != nil {
			return removed, err
		}
	}
}

// retireItems removes the items of runs that were settled longer ago than keep. What the run came to stays with the run.
func (t *Tenant) retireItems(ctx context.Context, keep time.Duration) (removed int64, err error) {
	for {
		var runs []string
		err := t.roundTrip(ctx, "find settled runs", func(b *pgx.Batch) {
			b.Queue(sqlRunsToRetire, t.key(), keep, retirePage).Query(collect(&runs, pgx.RowTo[string]))
		})
		if err != nil || len(runs) == 0 {
			return removed, err
		}
		for _, run := range runs {
			n, err := t.retireItemsOf(ctx, run)
			removed += n
			if err != nil {
				return removed, err
			}
		}
	}
}

func (t *Tenant) retireItemsOf(ctx context.Context, run string) (removed int64, err error) {
	for {
		began := time.Now()
		n, err := t.execute(ctx, "remove items of a settled run", sqlRetireItems, t.key(), run, retirePage)
		if removed += n; err != nil || n < retirePage {
			return removed, err
		}
		if err := pause(ctx, idleShare*time.Since(began)); err != nil {
			return removed, err
		}
	}
}

// pause leaves the database to others for a while. Its error is that of ctx.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
