package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/store/postgrestest"
)

// currentTenant is how Postgres shows the tenant of the transaction, within a string.
const currentTenant = `(NULLIF(current_setting(''app.tenant_id''::text, true), ''''::text))::uuid`

// ourSchemas are those that are not Postgres' own.
const ourSchemas = `n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_'`

// catalogRules name what breaks each of them. The catalog is read as a whole, so that a table of a later migration cannot
// forget what the others do not.
var catalogRules = map[string]string{
	"without forced row-level security": `
			SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
			WHERE c.relkind IN ('r', 'p') AND NOT (c.relrowsecurity AND c.relforcerowsecurity)`,
	"without the tenants' policy": `
			SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
			WHERE c.relkind IN ('r', 'p') AND NOT EXISTS (
				SELECT FROM pg_policies p WHERE p.schemaname::regnamespace = c.relnamespace AND p.tablename = c.relname AND p.policyname = 'tenant'
					AND p.cmd = 'ALL' AND p.roles = '{reos_app}' AND p.permissive = 'PERMISSIVE'
					AND p.qual = '(tenant_id = ( SELECT ` + currentTenant + ` AS "nullif"))'
					AND p.with_check = p.qual)`,
	"without the policy that lets a deleted tenant's rows be removed": `
			SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
			WHERE c.relkind IN ('r', 'p') AND c.relname <> 'audit' AND NOT EXISTS (
				SELECT FROM pg_policies p WHERE p.schemaname::regnamespace = c.relnamespace AND p.tablename = c.relname AND p.policyname = 'purge'
					AND p.cmd = 'ALL' AND p.roles = '{reos_purge}' AND p.permissive = 'PERMISSIVE' AND p.with_check IS NULL
					AND regexp_replace(p.qual, '\s+', ' ', 'g') = '(tenant_id = ( SELECT t.id FROM tenants t WHERE ((t.id = ` + currentTenant + `) '
						|| 'AND (t.state = ANY (ARRAY[''deleting''::text, ''deleted''::text])))))')`,
	"with another policy for the application": `
			SELECT tablename || ' ' || policyname FROM pg_policies
			WHERE policyname NOT IN ('tenant', 'purge') AND (roles && '{reos_app,reos_purge,public}' OR NOT roles <@ '{reos_platform}')
					AND permissive = 'PERMISSIVE' -- the others only take away
				OR (tablename, policyname) = ('audit', 'purge')`,
	"where the platform may change or delete": `
			SELECT tablename || ' ' || policyname FROM pg_policies WHERE 'reos_platform' = ANY (roles) AND cmd NOT IN ('SELECT', 'INSERT')
				AND (tablename, policyname) <> ('tenants', 'platform_moves')`, // of two columns, see the privileges
	"with tenant_id nullable": `
			SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
			WHERE c.relkind IN ('r', 'p') AND NOT a.attnotnull`,
	"with a primary key that does not begin with tenant_id, or none": `
			SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
			LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
			WHERE c.relkind IN ('r', 'p') AND i.indkey[0] IS DISTINCT FROM a.attnum`,
	"with an index that does not begin with tenant_id": `
			SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attname = 'tenant_id'
			JOIN pg_class c ON c.oid = i.indrelid AND c.relkind IN ('r', 'p') WHERE i.indkey[0] <> a.attnum
			AND i.indexrelid::regclass::text <> 'runs_by_time'`, // the platform's list of all tenants' feeds
	"with a foreign key to a tenant's row that may be another tenant's": `
			SELECT k.conname FROM pg_constraint k
			JOIN pg_attribute here ON here.attrelid = k.conrelid AND here.attname = 'tenant_id'
			JOIN pg_attribute there ON there.attrelid = k.confrelid AND there.attname = 'tenant_id'
			WHERE k.contype = 'f' AND NOT (here.attnum = k.conkey[1] AND there.attnum = k.confkey[1])`,
	"with a foreign key to tenants that is not by tenant_id": `
			SELECT k.conname FROM pg_constraint k JOIN pg_attribute here ON here.attrelid = k.conrelid AND here.attname = 'tenant_id'
			WHERE k.contype = 'f' AND k.confrelid = 'tenants'::regclass AND k.conkey <> ARRAY[here.attnum]`,
	"with a sequence that all tenants share": `
			SELECT c.oid::regclass::text FROM pg_class c JOIN pg_depend d ON d.objid = c.oid AND d.deptype IN ('a', 'i')
			JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attname = 'tenant_id' WHERE c.relkind = 'S'`,
	"with a timestamp without time zone": `
			SELECT a.attrelid::regclass || '.' || a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
			WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname !~ '^goose_' AND a.atttypid = 'timestamp'::regtype`,
	"that is a view, which would bypass the policies": `
			SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE relkind IN ('v', 'm') AND ` + ourSchemas + ` AND NOT coalesce('security_invoker=true' = ANY (reloptions), false)`,
	"with a function that runs as its owner without a search_path of its own": `
			SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
			WHERE prosecdef AND ` + ourSchemas + ` AND NOT EXISTS (SELECT FROM unnest(proconfig) s WHERE s LIKE 'search_path=%')`,
	// The head of the audit log is moved by the log's own triggers, and by nobody else.
	"with a function that runs as its owner, of which nobody has said why": `
			SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE prosecdef AND ` + ourSchemas + `
			AND p.oid::regprocedure::text NOT IN ('audit_chain()', 'audit_close()')`,
	"that PUBLIC may use": `
			SELECT c.relname || ' ' || x.privilege_type FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) x
			WHERE x.grantee = 0 AND ` + ourSchemas + `
			UNION ALL
			SELECT c.relname || '.' || a.attname || ' ' || x.privilege_type
			FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(a.attacl) x
			WHERE x.grantee = 0 AND ` + ourSchemas + `
			UNION ALL
			SELECT p.oid::regprocedure || ' ' || x.privilege_type
			FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x
			WHERE x.grantee = 0 AND ` + ourSchemas + `
			UNION ALL
			SELECT n.nspname || ' CREATE' FROM pg_namespace n, aclexplode(n.nspacl) x
			WHERE x.grantee = 0 AND x.privilege_type = 'CREATE' AND ` + ourSchemas,
	"that the application owns": `
			SELECT relname FROM pg_class WHERE relowner IN ('reos_app'::regrole, 'reos_platform'::regrole, 'reos_purge'::regrole)`,
}

func TestEveryTenantTableIsIsolated(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for name, query := range catalogRules {
		require.Empty(t, rows[string](t, f.AdminURL, query), name)
	}
}

// Each rule names what breaks it: a rule that finds nothing anywhere would let everything pass.
func TestTheCatalogsRulesFindWhatBreaksThem(t *testing.T) {
	t.Parallel()
	database := postgrestest.NewDatabase(t)
	admin := connect(t, database.AdminURL)
	_, err := admin.Exec(t.Context(), `
		CREATE TABLE forgotten (tenant_id uuid, at timestamp, n bigserial, other uuid REFERENCES tenants);
		GRANT SELECT ON forgotten TO PUBLIC;
		GRANT SELECT (passed) ON verdicts TO PUBLIC;
		CREATE INDEX forgotten_at ON forgotten (at);
		CREATE TABLE parent (tenant_id uuid, id uuid, PRIMARY KEY (tenant_id, id), UNIQUE (id));
		CREATE TABLE child (tenant_id uuid PRIMARY KEY, parent uuid CONSTRAINT child_parent REFERENCES parent (id));
		CREATE POLICY stray ON offers TO reos_app USING (true);
		CREATE POLICY platform_deletes ON leases FOR DELETE TO reos_platform USING (true);
		CREATE VIEW shown AS SELECT * FROM properties;
		CREATE FUNCTION pgqueue.told() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
		CREATE TABLE owned (x int);
		ALTER TABLE owned OWNER TO reos_app`)
	require.NoError(t, err)
	for name, names := range map[string]string{
		"without forced row-level security":                                       "forgotten",
		"without the tenants' policy":                                             "forgotten",
		"without the policy that lets a deleted tenant's rows be removed":         "forgotten",
		"with another policy for the application":                                 "offers stray",
		"where the platform may change or delete":                                 "leases platform_deletes",
		"with tenant_id nullable":                                                 "forgotten",
		"with a primary key that does not begin with tenant_id, or none":          "forgotten",
		"with an index that does not begin with tenant_id":                        "forgotten_at",
		"with a foreign key to a tenant's row that may be another tenant's":       "child_parent",
		"with a foreign key to tenants that is not by tenant_id":                  "forgotten_other_fkey",
		"with a sequence that all tenants share":                                  "forgotten_n_seq",
		"with a timestamp without time zone":                                      "forgotten.at",
		"that is a view, which would bypass the policies":                         "shown",
		"with a function that runs as its owner without a search_path of its own": "pgqueue.told()",
		"with a function that runs as its owner, of which nobody has said why":    "pgqueue.told()",
		"that PUBLIC may use":                                                     "forgotten SELECT",
		"that the application owns":                                               "owned",
	} {
		require.Contains(t, rows[string](t, database.AdminURL, catalogRules[name]), names, name)
	}
	for name, query := range catalogRules {
		require.NotEmpty(t, rows[string](t, database.AdminURL, query), "no bad example for: %s", name)
	}
}

// Privileges are listed one by one: whoever grants another one says so here.
func TestPrivilegesAreMinimal(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	granted := rows[string](t, f.AdminURL, `
		SELECT grantee::regrole || ' ' || name || ': ' || string_agg(privilege, ' ' ORDER BY privilege COLLATE "C") FROM (
			SELECT x.grantee, c.relname AS name, x.privilege_type AS privilege
			FROM pg_class c, aclexplode(c.relacl) x WHERE c.relnamespace = 'public'::regnamespace AND x.grantee <> c.relowner
			UNION ALL
			SELECT x.grantee, c.relname, a.attname
			FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid, aclexplode(a.attacl) x
			WHERE c.relnamespace = 'public'::regnamespace AND x.privilege_type = 'SELECT'
			UNION ALL
			SELECT x.grantee, c.relname, a.attname || '!' || x.privilege_type
			FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid, aclexplode(a.attacl) x
			WHERE c.relnamespace = 'public'::regnamespace AND x.privilege_type <> 'SELECT'
			UNION ALL
			SELECT x.grantee, p.proname, x.privilege_type
			FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x
			WHERE p.pronamespace = 'public'::regnamespace AND x.grantee <> p.proowner
		) privileges WHERE grantee <> 'reos_purge'::regrole GROUP BY grantee, name ORDER BY grantee::regrole::text, name COLLATE "C"`)
	require.Equal(t, []string{
		"reos_app audit: SELECT action!INSERT actor!INSERT details!INSERT subject!INSERT tenant_id!INSERT why!INSERT",
		"reos_app audit_hash: EXECUTE",
		"reos_app audit_head: SELECT",
		"reos_app coverage: INSERT SELECT UPDATE",
		"reos_app dead_letter_counts: DELETE INSERT SELECT UPDATE",
		"reos_app dead_letter_groups: INSERT SELECT",
		"reos_app dead_letters: DELETE INSERT SELECT discarded_at!UPDATE discarded_by!UPDATE discarded_why!UPDATE " +
			"replayed_at!UPDATE replayed_event!UPDATE replayed_run!UPDATE",
		"reos_app documents: INSERT SELECT UPDATE",
		"reos_app embeddings: INSERT SELECT UPDATE",
		"reos_app endings: INSERT SELECT UPDATE",
		"reos_app freshness_thresholds: DELETE INSERT SELECT UPDATE",
		"reos_app freshness_tracker: SELECT",
		"reos_app goose_db_version: version_id",
		"reos_app idempotency_keys: DELETE INSERT SELECT UPDATE",
		"reos_app index_entries: INSERT SELECT UPDATE",
		"reos_app lane_blocks: SELECT",
		"reos_app leases: INSERT SELECT UPDATE",
		"reos_app offers: INSERT SELECT UPDATE",
		"reos_app ownership: INSERT SELECT UPDATE",
		"reos_app pauses: DELETE INSERT SELECT UPDATE",
		"reos_app progress: DELETE INSERT SELECT UPDATE",
		"reos_app properties: INSERT SELECT UPDATE",
		"reos_app prospects: INSERT SELECT UPDATE",
		"reos_app raw_archive: INSERT SELECT",
		"reos_app receipts: DELETE INSERT SELECT",
		"reos_app refuse_deleted_tenant: EXECUTE",
		"reos_app replay_edits: INSERT SELECT",
		"reos_app require_rows: EXECUTE",
		"reos_app run_items: DELETE INSERT SELECT UPDATE",
		"reos_app run_removed: DELETE INSERT SELECT UPDATE",
		"reos_app runs: INSERT SELECT UPDATE",
		"reos_app searchable_times: DELETE INSERT SELECT UPDATE",
		"reos_app set_tenant_context: EXECUTE",
		"reos_app sli_history: DELETE SELECT UPDATE",
		"reos_app sources: INSERT SELECT UPDATE",
		"reos_app staged_raw: DELETE INSERT SELECT",
		"reos_app tenants: SELECT",
		"reos_app verdicts: INSERT SELECT UPDATE",
		"reos_platform audit: SELECT action!INSERT actor!INSERT details!INSERT subject!INSERT tenant_id!INSERT why!INSERT",
		"reos_platform audit_hash: EXECUTE",
		"reos_platform audit_head: SELECT",
		"reos_platform coverage: SELECT",
		"reos_platform dead_letter_counts: SELECT",
		"reos_platform dead_letter_groups: SELECT",
		"reos_platform dead_letters: SELECT",
		"reos_platform documents: deleted record_key tenant_id version_at version_seq",
		"reos_platform endings: SELECT",
		"reos_platform freshness_thresholds: SELECT",
		"reos_platform freshness_tracker: INSERT SELECT UPDATE",
		"reos_platform index_entries: present tenant_id",
		"reos_platform lane_blocks: DELETE INSERT SELECT UPDATE",
		"reos_platform leases: deleted record_key tenant_id version_at version_seq",
		"reos_platform offers: deleted record_key tenant_id version_at version_seq",
		"reos_platform ownership: deleted record_key tenant_id version_at version_seq",
		"reos_platform pauses: SELECT",
		"reos_platform pings: SELECT UPDATE",
		"reos_platform processes: DELETE INSERT SELECT UPDATE",
		"reos_platform progress: accepted_at finished_at lane occurred_at redrives source stage tenant_id",
		"reos_platform properties: deleted record_key tenant_id version_at version_seq",
		"reos_platform prospects: deleted record_key tenant_id version_at version_seq",
		"reos_platform runs: canary cancelled dead digest ended error finished_at id kind known lane published rate rejected released " +
			"selected settled_at skipped source stage started_at started_by state stop_above tenant_id ticket updated_at why",
		"reos_platform searchable_times: SELECT",
		"reos_platform sli_history: INSERT SELECT",
		"reos_platform sources: SELECT",
		"reos_platform staged_raw: bytes staged_at tenant_id",
		"reos_platform tenants: INSERT SELECT broker_user!UPDATE draining!UPDATE lane!UPDATE name!UPDATE " +
			"state!UPDATE state_by!UPDATE state_since!UPDATE state_why!UPDATE",
		"reos_platform verdicts: passed record_key record_type tenant_id version_at version_seq",
	}, granted)
	var purged []string
	for _, table := range tenantTables(t, f.AdminURL) {
		if table != "audit" {
			purged = append(purged, table+" DELETE SELECT")
		}
	}
	require.Equal(t, purged, rows[string](t, f.AdminURL, `
		SELECT c.relname || ' ' || string_agg(x.privilege_type, ' ' ORDER BY x.privilege_type) FROM pg_class c, aclexplode(c.relacl) x
		WHERE x.grantee = 'reos_purge'::regrole GROUP BY c.relname ORDER BY 1`), "every table but the audit log")
	require.Equal(t, []string{"reos_app f f f f f", "reos_platform f f f f f", "reos_purge f f f f f"}, rows[string](t, f.AdminURL, `
		SELECT concat_ws(' ', rolname, rolsuper, rolbypassrls, rolcreatedb, rolcreaterole, rolreplication)
		FROM pg_roles WHERE rolname ~ '^reos_(app|platform|purge)$' ORDER BY 1`))
}
