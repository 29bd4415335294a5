package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/store"
)

// sqlChangeRun moves a run with items to another state, and says so in the audit log.
const sqlChangeRun = `
WITH changed AS (
	UPDATE runs SET state = $3, error = $5, updated_at = now(),
		finished_at = CASE WHEN $3 IN ('cancelled', 'stopped') THEN now() END
	WHERE tenant_id = $1 AND id = $2 AND kind IN ('rerun', 'replay') AND state = ANY ($4)
	RETURNING *
)
` + sqlAuditInto + `
SELECT tenant_id, $6, $8, id, $7, jsonb_build_object('kind', kind, 'selected', selected, 'released', released, 'ended', ended,
	'dead', dead, 'digest', encode(digest, 'hex')) || CASE WHEN error = '' THEN '{}' ELSE jsonb_build_object('error', error) END
FROM changed`

// BeginRun lets a planned run go, ResumeRun one that is paused; PauseRun has nothing more released, and CancelRun never
// again. What is on its way goes on to its end. They report the run as it is then, and whether they changed anything.
//
// store.ErrNotFound: the tenant has no such run. store.ErrConflict: it is not in a state in which this may be done.
func (t *Tenant) BeginRun(ctx context.Context, id string, act store.Act) (store.Run, bool, error) {
	return t.changeRun(ctx, id, store.RunRunning, "", store.RunStartedAct, act, store.RunPlanned)
}

// ResumeRun lets a paused run go on, or a planned one begin: see BeginRun.
func (t *Tenant) ResumeRun(ctx context.Context, id string, act store.Act) (store.Run, bool, error) {
	return t.changeRun(ctx, id, store.RunRunning, "", store.RunResumedAct, act, store.RunPaused, store.RunPlanned)
}

// PauseRun has nothing more of a run released until it is resumed: see BeginRun.
func (t *Tenant) PauseRun(ctx context.Context, id string, act store.Act) (store.Run, bool, error) {
	return t.changeRun(ctx, id, store.RunPaused, "", store.RunPausedAct, act, store.RunRunning)
}

// CancelRun has nothing more of a run released, ever: see BeginRun.
func (t *Tenant) CancelRun(ctx context.Context, id string, act store.Act) (store.Run, bool, error) {
	return t.changeRun(ctx, id, store.RunCancelled, "", store.RunCancelledAct, act, store.RunPlanned, store.RunRunning, store.RunPaused)
}

// StopRun ends a run that must not go on; why is a sentence for whoever finds it. Else as CancelRun.
func (t *Tenant) StopRun(ctx context.Context, id, why string, act store.Act) (store.Run, bool, error) {
	return t.changeRun(ctx, id, store.RunStopped, why, store.RunStoppedAct, act, store.RunRunning, store.RunPaused)
}

func (t *Tenant) changeRun(
	ctx context.Context, id string, to store.RunState, failure string, action store.Action, act store.Act, from ...store.RunState,
) (run store.Run, changed bool, err error) {
	what := fmt.Sprintf("%s %q", action, id)
	var runs []store.Run
	err = t.roundTrip(ctx, what, func(b *pgx.Batch) {
		b.Queue(sqlChangeRun, t.key(), printable(id), string(to), column(from, func(s store.RunState) string { return string(s) }),
			printable(failure), printable(act.By), printable(act.Why), string(action)).Exec(affected(&changed))
		b.Queue(sqlRun, t.key(), printable(id)).Query(collect(&runs, scanRun))
	})
	if run, err = only(runs, err, what); err != nil {
		return run, false, err
	}
	if !changed && (run.State != to || !run.Kind.HasItems()) {
		return run, false, fmt.Errorf("%s: it is %s: %w", what, run.State, store.ErrConflict)
	}
	return run, changed, nil
}
