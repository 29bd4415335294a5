package postgres

import "context"

const sqlSaveRunReport = `
UPDATE runs SET selection = coalesce(selection, '{}') || jsonb_build_object('report', $3::text::jsonb)
WHERE tenant_id = $1 AND id = $2 AND state = 'planned'`

// SaveRunReport keeps with a planned run what it would do, beside what was asked for: a JSON object, as the member report
// of its Selection. Of a run that is not planned any more it changes nothing.
func (t *Tenant) SaveRunReport(ctx context.Context, id string, report []byte) error {
	_, err := t.execute(ctx, "save report of run", sqlSaveRunReport, t.key(), printable(id), printable(string(report)))
	return err
}
