package postgres

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// workQueries read what is unfinished and what is said about it: of all tenants in one go, or of one, which is $1. What
// they read grows with the tenants and with unfinished work, which has a partial index.
type workQueries struct{ tenants, work, thresholds, pauses string }

var (
	allWork = newWorkQueries("true")
	ownWork = newWorkQueries("tenant_id = $1")
)

const (
	sqlFactsNow   = `SELECT now(), (SELECT evaluated_at FROM freshness_tracker)`
	sqlFactBlocks = `SELECT lane, since, messages FROM lane_blocks WHERE NOT doubted`
)

func newWorkQueries(whose string) workQueries {
	of := func(column, statement string) string {
		return strings.ReplaceAll(statement, "{whose}", strings.ReplaceAll(whose, "tenant_id", column))
	}
	late := store.DefaultThresholds.Late.String()
	return workQueries{
		tenants: of("id", sqlTenant+` WHERE state IN ('active', 'suspended') AND id <> '`+store.PlatformTenant.String()+`' AND {whose} ORDER BY name`),
		// Live events whose own time is believable count from it: those that were accepted before they were late. An
		// old record in a backfill counts from its acceptance, whatever way it came.
		work: of("p.tenant_id", `
SELECT p.tenant_id, p.stage, p.source, p.lane = '`+events.BulkLane+`', count(*), min(p.occurred_at), min(p.accepted_at),
	min(CASE WHEN p.occurred_at BETWEEN p.accepted_at - coalesce(s.late, d.late, interval '`+late+`') AND p.accepted_at
		THEN p.occurred_at ELSE p.accepted_at END),
	count(*) FILTER (WHERE p.redrives > 0)
FROM progress p
LEFT JOIN freshness_thresholds s ON s.tenant_id = p.tenant_id AND s.source = p.source
LEFT JOIN freshness_thresholds d ON d.tenant_id = p.tenant_id AND d.source = ''
WHERE p.finished_at IS NULL AND {whose}
GROUP BY 1, 2, 3, 4`),
		thresholds: of("tenant_id", `
SELECT tenant_id, source, late, warning, critical, silence, set_by, set_at FROM freshness_thresholds WHERE {whose} ORDER BY tenant_id, source`),
		pauses: of("tenant_id", `SELECT tenant_id, stage, paused_at, paused_by, why FROM pauses WHERE resumed_at IS NULL AND {whose}`),
	}
}

// Freshness reads what is unfinished, of all tenants that are active or suspended, canaries excepted. FreshnessSigns and
// FreshnessRates add what Judge wants to know besides.
func (p *Platform) Freshness(ctx context.Context) (store.FreshnessFacts, error) {
	reader, err := p.db.readFreshness(ctx, platformView, func(r *factReader, b *pgx.Batch) { r.queueWork(b, allWork) })
	if err != nil {
		return store.FreshnessFacts{}, err
	}
	kept := reader.facts.Tenants[:0]
	for _, tenant := range reader.facts.Tenants {
		if tenant.Tenant.Canary() == "" {
			kept = append(kept, tenant)
		}
	}
	reader.facts.Tenants = kept
	return reader.facts, nil
}

// FreshnessSigns adds the signs of life of sources to tenants' facts, in the place of those that are there.
func (p *Platform) FreshnessSigns(ctx context.Context, tenants []store.TenantFacts) error {
	return p.addFacts(ctx, tenants, (*factReader).queueSigns)
}

// FreshnessRates adds what was counted and measured to tenants' facts, in the place of what is there.
func (p *Platform) FreshnessRates(ctx context.Context, tenants []store.TenantFacts) error {
	return p.addFacts(ctx, tenants, (*factReader).queueRates)
}

func (p *Platform) addFacts(ctx context.Context, tenants []store.TenantFacts, queue func(*factReader, *pgx.Batch, [][16]byte)) error {
	ids := column(tenants, func(t store.TenantFacts) [16]byte { return t.Tenant.ID })
	_, err := p.db.readFreshness(ctx, platformView, func(r *factReader, b *pgx.Batch) {
		r.facts.Tenants = tenants
		for i, tenant := range tenants {
			r.places[tenant.Tenant.ID] = i
		}
		queue(r, b, ids)
	})
	return err
}

// Freshness reads all that the tenant's freshness is judged by. store.ErrNotFound: there is no such tenant;
// store.ErrTenantDeleted: there was.
func (t *Tenant) Freshness(ctx context.Context) (store.FreshnessFacts, error) {
	reader, err := t.db.readFreshness(ctx, tenantView(t.id), func(r *factReader, b *pgx.Batch) {
		r.queueWork(b, ownWork, t.key())
		ids := [][16]byte{t.id}
		r.queueSigns(b, ids)
		r.queueRates(b, ids)
	})
	if err == nil && len(reader.facts.Tenants) == 0 {
		_, err = only[store.TenantFacts](nil, nil, "read freshness")
	}
	return reader.facts, err
}

// readFreshness reads facts that are all of one moment.
func (db *DB) readFreshness(ctx context.Context, view viewpoint, queue func(*factReader, *pgx.Batch)) (*factReader, error) {
	var reader *factReader
	err := db.transact(ctx, "read freshness", func(tx *transaction) error {
		reader = &factReader{places: map[uuid.UUID]int{}, blocks: map[string]*store.LaneBlock{}}
		batch := tx.beginSnapshot(view)
		queue(reader, batch)
		return tx.commit(ctx, batch)
	})
	return reader, err
}

// factReader collects the results of queries. They come in the queries' order, so that the tenants are there first.
type factReader struct {
	facts  store.FreshnessFacts
	places map[uuid.UUID]int // of tenants, in facts
	blocks map[string]*store.LaneBlock
}

// perTenant reads rows that begin with a tenant_id into targets, and hands each to its tenant's facts.
func (r *factReader) perTenant(targets []any, add func(*store.TenantFacts)) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		var id uuid.UUID
		_, err := pgx.ForEachRow(rows, append([]any{(*[16]byte)(&id)}, targets...), func() error {
			if place, ok := r.places[id]; ok {
				add(&r.facts.Tenants[place])
			}
			return nil
		})
		return err
	}
}

func (r *factReader) queueWork(b *pgx.Batch, q workQueries, whose ...any) {
	b.Queue(sqlFactsNow).QueryRow(func(row pgx.Row) error {
		var evaluated *time.Time
		err := row.Scan(&r.facts.At, &evaluated)
		r.facts.EvaluatedAt = orZero(evaluated)
		return err
	})
	b.Queue(sqlFactBlocks).Query(func(rows pgx.Rows) error {
		var block store.LaneBlock
		_, err := pgx.ForEachRow(rows, []any{&block.Lane, &block.Since, &block.Messages}, func() error {
			found := block
			r.blocks[block.Lane] = &found
			r.facts.Blocks = append(r.facts.Blocks, block)
			return nil
		})
		return err
	})
	b.Queue(q.tenants, whose...).Query(func(rows pgx.Rows) error {
		tenants, err := pgx.CollectRows(rows, scanTenant)
		for _, tenant := range tenants {
			r.places[tenant.ID] = len(r.facts.Tenants)
			r.facts.Tenants = append(r.facts.Tenants, store.TenantFacts{Tenant: tenant, Block: r.blocks[tenant.Lane]})
		}
		return err
	})
	var work store.Work
	var bulk bool
	b.Queue(q.work, whose...).Query(r.perTenant(
		[]any{&work.Stage, &work.Source, &bulk, &work.Events, &work.OldestOccurred, &work.OldestAccepted, &work.OldestDue, &work.Redriven},
		func(t *store.TenantFacts) {
			work.Entry = store.LiveEntry
			if bulk {
				work.Entry = store.BulkEntry
			}
			t.Work = append(t.Work, work)
		}))
	r.queueSayings(b, q, whose...)
}

// queueSayings adds what operators have said.
func (r *factReader) queueSayings(b *pgx.Batch, q workQueries, whose ...any) {
	var set store.TenantThresholds
	var silence *time.Duration
	b.Queue(q.thresholds, whose...).Query(r.perTenant(
		[]any{&set.Source, &set.Late, &set.Warning, &set.Critical, &silence, &set.By, &set.At},
		func(t *store.TenantFacts) {
			set.Tenant, set.Silence = t.Tenant.ID, orZero(silence)
			t.Thresholds = append(t.Thresholds, set)
		}))
	var pause store.Pause
	b.Queue(q.pauses, whose...).Query(r.perTenant([]any{&pause.Stage, &pause.At, &pause.By, &pause.Why}, func(t *store.TenantFacts) {
		pause.Tenant = t.Tenant.ID
		t.Pauses = append(t.Pauses, pause)
	}))
}

// orZero is what p points to; the zero value where it is NULL.
func orZero[T any](p *T) T {
	if p == nil {
		return *new(T)
	}
	return *p
}
