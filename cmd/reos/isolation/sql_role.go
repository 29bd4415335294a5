package isolation

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// mustFail are statements that the application's role may not run at all, in the attacker's name.
var mustFail = []struct{ name, sql string }{
	{"become a superuser", "SET LOCAL ROLE postgres"},
	{"become the reader of all data", "SET LOCAL ROLE pg_read_all_data"},
	{"become the writer of all data", "SET LOCAL ROLE pg_write_all_data"},
	{"become the monitor", "SET LOCAL ROLE pg_monitor"},
	{"become another session's user", "SET LOCAL SESSION AUTHORIZATION postgres"},
	{"give itself BYPASSRLS", "ALTER ROLE reos_app BYPASSRLS"},
	{"make a role", "CREATE ROLE reos_stolen SUPERUSER"},
	{"name the tenant as reos_platform", "SET LOCAL ROLE reos_platform; SELECT set_tenant_context('{victim}')"},
	{"name the tenant as reos_purge", "SET LOCAL ROLE reos_purge; SELECT set_tenant_context('{victim}')"},
	{"isolate tables anew", "SELECT isolate_tenants('tenants')"},
	{"make a table in the schema", "CREATE TABLE public.stolen (x int)"},
	{"make a view that its owner would read for it", "CREATE VIEW public.stolen AS SELECT * FROM tenants"},
	{"make a function that runs as its owner", "CREATE FUNCTION public.stolen() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'"},
	{"make a schema that shadows the tables", "CREATE SCHEMA stolen"},
	{"read a file of the server", "SELECT pg_read_file('PG_VERSION')"},
	{"list the server's files", "SELECT pg_ls_dir('.')"},
	{"copy to a program", "COPY (SELECT 1) TO PROGRAM 'cat'"},
	{"import a file as a large object", "SELECT lo_import('/etc/passwd')"},
	{"read every large object", "SELECT * FROM pg_largeobject"},
	{"read passwords", "SELECT * FROM pg_authid"},
	{"read the planner's statistics", "SELECT * FROM pg_statistic"},
	{"change a setting of every session", "ALTER DATABASE {database} SET app.tenant_id = '{victim}'"},
	{"change a setting of the role", "ALTER ROLE reos_platform SET app.tenant_id = '{victim}'"},
	{"write to the system's catalog", "UPDATE pg_class SET relforcerowsecurity = false"},
	{"replicate the database", "SELECT pg_create_logical_replication_slot('stolen', 'pgoutput')"},
	{"publish the tables", "CREATE PUBLICATION stolen FOR ALL TABLES"},
	{"load an extension that reads past the policies", "CREATE EXTENSION pageinspect"},
}

// tableMustFail are those that name a table.
var tableMustFail = []struct{ name, sql string }{
	{"switch row security off", "ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"},
	{"let the owner past the policies", "ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY"},
	{"drop the policy", "DROP POLICY tenant ON {table}"},
	{"add a policy", "CREATE POLICY stolen ON {table} TO reos_app USING (true)"},
	{"own the table", "ALTER TABLE {table} OWNER TO reos_app"},
	{"inherit the table", "CREATE TABLE public.stolen () INHERITS ({table})"},
}

// lockingMustFail are further ones, whose locks Postgres takes before it looks at who asks. That nobody may is in the catalog,
// too: readPolicies looks there for the tables' owner.
var lockingMustFail = []struct{ name, sql string }{
	{"put a trigger on the table", "CREATE TRIGGER stolen AFTER INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()"},
	{"put a rule on the table", "CREATE RULE stolen AS ON SELECT TO {table} DO INSTEAD SELECT 1"},
	{"gather statistics of the table's columns", "CREATE STATISTICS stolen ON {tenant}, ctid FROM {table}"},
}

func roleAttempts(w *World) []Attempt {
	var all []Attempt
	for _, how := range mustFail {
		all = append(all, Attempt{Name: how.name, Layer: Postgres, Try: func(ctx context.Context, w *World) Outcome {
			var into tally
			w.mustRefuse(ctx, "", w.fill(how.sql, table{}), &into)
			return into.outcome()
		}})
	}
	for i, how := range slices.Concat(tableMustFail, lockingMustFail) {
		attempt := w.everyTable(how.name, func(ctx context.Context, w *World, t table, into *tally) {
			w.mustRefuse(ctx, t.name+": ", w.fill(how.sql, t), into)
		})
		attempt.Costly = i >= len(tableMustFail)
		all = append(all, attempt)
	}
	return append(all,
		w.everyTable("read whole rows as reos_platform", readAsPlatform),
		w.everyTable("read whole rows as reos_purge", func(ctx context.Context, w *World, t table, into *tally) {
			answer, err := w.sql.try(ctx, as(w.Attacker.ID)+"; SET LOCAL ROLE reos_purge", w.fill(reads[1].sql, t))
			w.judge(t.name, answer, err, into)
		}),
		w.everyTable("find a table whose policies do not bind", readPolicies),
		Attempt{Name: "find a role with more than its own", Layer: Postgres, Try: readRoles},
		Attempt{Name: "look through views", Layer: Postgres, Try: readViews},
		Attempt{Name: "look through functions that run as their owner", Layer: Postgres, Try: readFunctions},
		Attempt{Name: "count others by sequences", Layer: Postgres, Try: readSequences})
}

// mustRefuse runs a statement that Postgres must refuse for want of a privilege, or of the very thing.
func (w *World) mustRefuse(ctx context.Context, where, statement string, into *tally) {
	database := w.sql.config.Database
	answer, err := w.sql.try(ctx, as(w.Attacker.ID), strings.ReplaceAll(statement, "{database}", `"`+database+`"`))
	switch e := refusal(err); {
	case err == nil || w.shows(answer):
		into.leak("%sallowed: %s", where, statement)
	case e == nil || e.Code == lockNotAvailable:
		into.fail("%s%v", where, err)
	default:
		into.refuse()
	}
}

// lockNotAvailable is the error of a statement that somebody else's lock kept waiting for too long: nothing is known of it.
const lockNotAvailable = "55P03"

// platformReads are the tables of which reos_platform may see every column: nothing in them is a record's content but in
// dead letters and their groups' errors, which operators of the platform must be able to look at.
var platformReads = []string{
	"audit", "coverage", "dead_letter_counts", "dead_letter_groups", "dead_letters", "endings", "freshness_thresholds", "pauses",
	"searchable_times", "sli_history", "sources", "tenants",
}

func readAsPlatform(ctx context.Context, w *World, t table, into *tally) {
	answer, err := w.sql.try(ctx, "SET LOCAL ROLE reos_platform", w.fill(reads[0].sql, t))
	if err == nil && slices.Contains(platformReads, t.name) {
		into.nothing()
		return
	}
	w.judge(t.name, answer, err, into)
}

// readPolicies looks at the catalog: what the tables' owner could see does not show to anybody else. A restrictive policy only
// takes away.
func readPolicies(ctx context.Context, w *World, t table, into *tally) {
	answer, err := w.sql.try(ctx, "", fmt.Sprintf(`SELECT relrowsecurity AND relforcerowsecurity AND NOT pg_has_role(current_user, relowner, 'MEMBER'),
		EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid AND polpermissive AND (0 = ANY (polroles) OR polname <> 'tenant' AND 'reos_app'::regrole = ANY (polroles))),
		EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid AND polname = 'tenant' AND polroles = ARRAY['reos_app'::regrole::oid])
		FROM pg_class c WHERE oid = '%s'::regclass`, t.name))
	switch {
	case err != nil:
		into.fail("%s: %v", t.name, err)
	case answer.rows[0][0] != "t":
		into.leak("%s: row-level security is not forced on its owner, or the application is its owner", t.name)
	case answer.rows[0][1] == "t":
		into.leak("%s: a second policy lets the application past the tenants' one", t.name)
	case answer.rows[0][2] != "t":
		into.leak("%s: it has no policy of the tenants'", t.name)
	default:
		into.refuse()
	}
}

func readRoles(ctx context.Context, w *World) Outcome {
	var into tally
	answer, err := w.sql.try(ctx, "", `SELECT rolname, rolsuper OR rolbypassrls OR rolcreaterole OR rolreplication OR rolcreatedb
		FROM pg_roles WHERE pg_has_role(current_user, oid, 'MEMBER')`)
	if err != nil {
		return fault(err)
	}
	for _, row := range answer.rows {
		known := slices.Contains([]string{"reos_app", "reos_platform", "reos_purge"}, row[0])
		switch {
		case row[1] == "t":
			into.leak("role %s may bypass the policies", row[0])
		case !known:
			into.leak("the application is a member of %s", row[0])
		default:
			into.refuse()
		}
	}
	return into.outcome()
}

// inSchemas names the schemas that are not Postgres' own.
const inSchemas = `n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'`

// readViews reads every view that the application may read.
func readViews(ctx context.Context, w *World) Outcome {
	answer, err := w.sql.try(ctx, "", `SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('v', 'm') AND has_table_privilege(c.oid, 'SELECT') AND `+inSchemas+` ORDER BY 1`)
	if err != nil {
		return fault(err)
	}
	if len(answer.rows) == 0 {
		return notApplicable("there are no views")
	}
	var into tally
	for _, row := range answer.rows {
		seen, err := w.sql.try(ctx, as(w.Attacker.ID), "SELECT v::text FROM "+row[0]+" v")
		w.judge(row[0], seen, err, &into)
	}
	return into.outcome()
}

func readFunctions(ctx context.Context, w *World) Outcome {
	answer, err := w.sql.try(ctx, "", `SELECT p.oid::regprocedure::text, p.prosecdef, has_function_privilege(p.oid, 'EXECUTE')
		FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE `+inSchemas+` AND NOT EXISTS (
			SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e') ORDER BY 1`)
	if err != nil {
		return fault(err)
	}
	var into tally
	for _, row := range answer.rows {
		if row[1] == "t" && row[2] == "t" {
			into.leak("%s runs as its owner", row[0])
		} else {
			into.refuse()
		}
	}
	return into.outcome()
}

// readSequences looks for sequences that tenants share: their numbers would tell how much others write.
func readSequences(ctx context.Context, w *World) Outcome {
	answer, err := w.sql.try(ctx, "", `SELECT c.oid::regclass::text FROM pg_class c JOIN pg_depend d ON d.objid = c.oid AND d.deptype IN ('a', 'i')
		JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attname = 'tenant_id' WHERE c.relkind = 'S'`)
	if err != nil {
		return fault(err)
	}
	into := tally{refused: 1}
	for _, row := range answer.rows {
		into.leak("sequence %s counts the rows of all tenants", row[0])
	}
	return into.outcome()
}
