package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

const (
	// Who pauses what is paused already changes nothing; a pause that is just ending begins anew.
	sqlPause = `
WITH changed AS (
	INSERT INTO pauses AS p (tenant_id, stage, paused_by, why) VALUES ($1, $2, $3, $4)
	ON CONFLICT (tenant_id, stage) DO UPDATE SET paused_at = now(), paused_by = $3, why = $4, resumed_at = NULL
	WHERE p.resumed_at IS NOT NULL
	RETURNING tenant_id, stage
)
` + sqlAuditInto + `SELECT tenant_id, $3, $5, stage, $4, '{}' FROM changed`
	sqlResume = `
WITH changed AS (
	UPDATE pauses SET resumed_at = now() WHERE tenant_id = $1 AND stage = $2 AND resumed_at IS NULL
	RETURNING tenant_id, stage, paused_at, paused_by
)
` + sqlAuditInto + `SELECT tenant_id, $3, $5, stage, $4, jsonb_build_object('paused_at', paused_at, 'paused_by', paused_by) FROM changed`
	sqlEndPause = `DELETE FROM pauses WHERE tenant_id = $1 AND stage = $2 AND resumed_at = $3`

	// A suspension is a pause at ingestion, beside whatever pause an operator has made there.
	sqlPauses = `
SELECT tenant_id, stage, paused_at, paused_by, why, resumed_at FROM pauses p
WHERE p.stage <> 'ingestion' OR p.resumed_at IS NULL OR NOT EXISTS (SELECT FROM tenants t WHERE t.id = p.tenant_id AND t.state = 'suspended')
UNION ALL
SELECT id, 'ingestion', state_since, state_by, 'suspended: ' || state_why, NULL FROM tenants t
WHERE state = 'suspended' AND NOT EXISTS (
	SELECT FROM pauses p WHERE p.tenant_id = t.id AND p.stage = 'ingestion' AND p.resumed_at IS NULL)
ORDER BY 1, 2`
)

// Pause keeps the tenant's messages from a stage. A pause that is there already stays as it is, and false is returned.
func (t *Tenant) Pause(ctx context.Context, stage events.Stage, by, why string) (bool, error) {
	return t.changePause(ctx, "pause", sqlPause, t.key(), string(stage), printable(by), printable(why), string(store.PipelinePaused))
}

// Resume ends a pause: what was held is let go from now on. It reports false where nothing is paused. The pause of a
// suspended tenant lasts as long as the suspension.
func (t *Tenant) Resume(ctx context.Context, stage events.Stage, by, why string) (bool, error) {
	return t.changePause(ctx, "resume", sqlResume, t.key(), string(stage), printable(by), printable(why), string(store.PipelineResumed))
}

func (t *Tenant) changePause(ctx context.Context, what, statement string, parameters ...any) (changed bool, err error) {
	err = t.roundTrip(ctx, what, func(b *pgx.Batch) {
		b.Queue(statement, parameters...).Exec(func(tag pgconn.CommandTag) error {
			changed = tag.RowsAffected() > 0
			return nil
		})
	})
	return changed, err
}

// Pauses lists the pauses of all tenants, those that are ending among them; empty, never nil.
func (p *Platform) Pauses(ctx context.Context) ([]store.Pause, error) {
	var pauses []store.Pause
	err := p.roundTrip(ctx, "list pauses", func(b *pgx.Batch) {
		b.Queue(sqlPauses).Query(collect(&pauses, scanPause))
	})
	return append([]store.Pause{}, pauses...), err
}

// Pause keeps a tenant's messages from a stage, as the tenant's own handle does.
func (p *Platform) Pause(ctx context.Context, tenant uuid.UUID, stage events.Stage, by, why string) error {
	_, err := p.db.Tenant(tenant).Pause(ctx, stage, by, why)
	return err
}

// EndPause forgets a pause whose held messages are all let go, unless it began anew.
func (p *Platform) EndPause(ctx context.Context, pause store.Pause) error {
	t := p.db.Tenant(pause.Tenant)
	_, err := t.changePause(ctx, "end pause", sqlEndPause, t.key(), string(pause.Stage), pause.ResumedAt)
	return err
}

func scanPause(row pgx.CollectableRow) (store.Pause, error) {
	var pause store.Pause
	var resumed *time.Time
	err := row.Scan((*[16]byte)(&pause.Tenant), &pause.Stage, &pause.At, &pause.By, &pause.Why, &resumed)
	if resumed != nil {
		pause.ResumedAt = *resumed
	}
	return pause, err
}
