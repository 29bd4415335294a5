package isolation

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// A view is whose rows a session asks for: the statement that begins its transaction.
type view struct{ name, setup string }

// views are all that a session of the attacker's may have set, and what is set where something was forgotten.
func (w *World) views() []view {
	return []view{
		{"the attacker as its tenant", as(w.Attacker.ID)},
		{"no tenant", ""},
		{"an empty tenant", "SET LOCAL app.tenant_id = ''"},
		{"NULL as its tenant", "SELECT set_tenant_context(NULL)"},
		{"the platform's id as its tenant", as(uuid.Nil)},
		{"a tenant that does not exist", as(w.Attacker.id("nobody"))},
		{"a malformed tenant", "SET LOCAL app.tenant_id = 'x'"},
		{"a pattern as its tenant", "SET LOCAL app.tenant_id = '%'"},
		{"SQL as its tenant", "SET LOCAL app.tenant_id = '" + w.Victim.ID.String() + "'' OR true --'"},
		{"both tenants in one", "SET LOCAL app.tenant_id = '" + w.Attacker.ID.String() + "," + w.Victim.ID.String() + "'"},
	}
}

// reads are ways to ask a table for rows that are not one's own.
var reads = []struct{ name, sql string }{
	{"the victim's by its id", `SELECT t::text FROM {table} t WHERE t.{tenant} = '{victim}'`},
	{"every row, without a condition", `SELECT t::text FROM {table} t`},
	{"every row but its own", `SELECT t::text FROM {table} t WHERE t.{tenant} <> '{attacker}'`},
	{"its own OR true", `SELECT t::text FROM {table} t WHERE t.{tenant} = '{attacker}' OR true`},
	{"through a common table expression", `WITH x AS MATERIALIZED (SELECT t::text AS r FROM {table} t) SELECT r FROM x`},
	{"through an outer join", `SELECT t::text FROM (SELECT '{victim}'::uuid AS id) v LEFT JOIN {table} t ON t.{tenant} = v.id`},
	{"through a lateral sub-query", `SELECT x.r FROM (VALUES ('{victim}'::uuid)) v (id) CROSS JOIN LATERAL (SELECT t::text AS r FROM {table} t WHERE t.{tenant} = v.id) x`},
	{"through a set operation", `SELECT ''::text UNION SELECT t::text FROM {table} t WHERE t.{tenant} = '{victim}'`},
	{"summed up by an aggregate", `SELECT json_agg(t)::text FROM {table} t`},
	{"counted by a window", `SELECT t::text, count(*) OVER () FROM {table} t WHERE t.{tenant} = '{victim}'`},
	{"locked for an update", `SELECT t::text FROM {table} t WHERE t.{tenant} = '{victim}' FOR UPDATE`},
	{"by a cursor", `DECLARE stolen CURSOR FOR SELECT t::text FROM {table} t; FETCH ALL FROM stolen`},
	{"by existence", `SELECT 'found {victim}' WHERE EXISTS (SELECT FROM {table} t WHERE t.{tenant} = '{victim}')`},
	{"with row security off", `SET LOCAL row_security = off; SELECT t::text FROM {table} t`},
	{"as XML of the table", `SELECT table_to_xml('{table}', true, false, '')::text`},
	{"as XML of a query", `SELECT query_to_xml('SELECT * FROM {table}', true, false, '')::text`},
	{"by a function of the session's own", `CREATE FUNCTION pg_temp.tell(r text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001
		AS $$ BEGIN RAISE NOTICE '%', r; RETURN true; END $$; SELECT t::text FROM {table} t WHERE pg_temp.tell(t::text) AND t.{tenant} = '{victim}'`},
	{"by an operator that fails on it", `SELECT 1 / (CASE WHEN t::text LIKE '%{secret}%' THEN 0 ELSE 1 END) FROM {table} t`},
	{"by a cast whose error shows it", `SELECT t::text::int FROM {table} t WHERE t.{tenant} = '{victim}'`},
	{"in what RETURNING can see", `CREATE TEMP TABLE own (x int) ON COMMIT DROP; INSERT INTO own VALUES (1) RETURNING (SELECT string_agg(t::text, ' ') FROM {table} t)`},
}

// costlyReads are further ones, which find their way past every index.
var costlyReads = []struct{ name, sql string }{
	{"by physical position", `SELECT t::text FROM {table} t WHERE ctid >= '(0,0)'`},
	{"by sample of the pages", `SELECT t::text FROM {table} t TABLESAMPLE SYSTEM (100)`},
	{"with the scan of whole tables on", `SET LOCAL enable_seqscan = on; SET LOCAL enable_indexscan = off; SELECT t::text FROM {table} t`},
	{"in what EXPLAIN tells", `SET LOCAL enable_seqscan = on; EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM {table} t WHERE t::text LIKE '%' || t.{tenant}::text || '%'`},
}

// readAttempts asks every table in every way, and by every view of whose rows to see.
func readAttempts(w *World) []Attempt {
	var all []Attempt
	for _, v := range w.views() {
		all = append(all, w.everyTable("read tables with "+v.name, func(ctx context.Context, w *World, t table, into *tally) {
			w.read(ctx, v.setup, t, reads[1].sql, into)
			w.read(ctx, v.setup, t, reads[0].sql, into)
		}))
	}
	for i, how := range slices.Concat(reads, costlyReads) {
		attempt := w.everyTable("read tables: "+how.name, func(ctx context.Context, w *World, t table, into *tally) {
			w.read(ctx, as(w.Attacker.ID), t, how.sql, into)
		})
		attempt.Costly = i >= len(reads)
		all = append(all, attempt)
	}
	return append(all,
		w.everyTable("read tables: by a plan that was made for the victim", readPlanned),
		w.everyTable("copy tables out", copyOut),
		w.everyTable("read tables in a session that never named a tenant", readFresh))
}

// everyTable makes an attempt on each table of the catalog, in the order of their names.
func (w *World) everyTable(name string, try func(context.Context, *World, table, *tally)) Attempt {
	return Attempt{Name: name, Layer: Postgres, Try: func(ctx context.Context, w *World) Outcome {
		var into tally
		for _, t := range w.tables {
			try(ctx, w, t, &into)
		}
		return into.outcome()
	}}
}

// read asks for rows and judges the answer.
func (w *World) read(ctx context.Context, setup string, t table, sql string, into *tally) {
	sql = strings.ReplaceAll(sql, "{secret}", w.Victim.Secret)
	answer, err := w.sql.try(ctx, setup, w.fill(sql, t))
	w.judge(t.name, answer, err, into)
}

// expectedErrors are SQLSTATEs with which Postgres refuses an attempt before it sees another's row: the privilege is
// missing, the tenant is no UUID, a value of its own cannot be cast, row security cannot be switched off, the statement
// is not for such a table.
var expectedErrors = []string{"42501", "22P02", "22003", "0A000", "42809", "428C9", "42883", "42P01", "55000"}

// divisionByZero is the error of an operator that fails on the victim's rows only: it was run on them.
const divisionByZero = "22012"

// judge says what an answer means: a row of the victim's, or any of what only the victim's rows hold, is a leak.
func (w *World) judge(where string, answer reply, err error, into *tally) {
	refused := refusal(err)
	switch {
	case err != nil && refused == nil:
		into.fail("%s: %v", where, err)
	case refused != nil && (w.tells(spoken(refused)) || refused.Code == divisionByZero), w.shows(answer):
		into.leak("%s: the victim's rows", where)
	case refused == nil:
		into.nothing()
	case slices.Contains(expectedErrors, refused.Code):
		into.refuse()
	default:
		into.fail("%s: SQLSTATE %s: %s", where, refused.Code, refused.Message)
	}
}

// tells says whether a text has anything of the victim's in it that the attacker has not brought along.
func (w *World) tells(text string) bool { return strings.Contains(text, w.Victim.Secret) }

// shows says whether an answer has a row of the victim's.
func (w *World) shows(answer reply) bool {
	return answer.holds(w.Victim.Secret) || answer.holds(w.Victim.ID.String()) || answer.holds(w.Victim.Mark)
}

func copyOut(ctx context.Context, w *World, t table, into *tally) {
	answer, err := w.sql.copyOut(ctx, as(w.Attacker.ID), "COPY "+t.name+" TO STDOUT")
	w.judge(t.name, answer, err, into)
}

// readFresh reads in a session of its own: in one that was used, the tenant is empty rather than unset.
func readFresh(ctx context.Context, w *World, t table, into *tally) {
	fresh, err := w.newSession(ctx)
	if err != nil {
		into.fail("%s: %v", t.name, err)
		return
	}
	defer fresh.close(ctx)
	answer, err := fresh.try(ctx, "", w.fill(reads[1].sql, t))
	w.judge(t.name, answer, err, into)
}

// readPlanned runs a statement that was planned, and run, for the victim.
func readPlanned(ctx context.Context, w *World, t table, into *tally) {
	setup := w.fill("DEALLOCATE ALL; SET LOCAL plan_cache_mode = force_generic_plan; "+as(w.Victim.ID)+
		"; PREPARE stolen AS SELECT t::text FROM {table} t; EXECUTE stolen; "+as(w.Attacker.ID), t)
	w.read(ctx, setup, t, "EXECUTE stolen", into)
}
