package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The catalog is read as a whole, so that a table of a later migration cannot forget what these do not.

func TestEveryTenantTableIsIsolated(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for name, query := range map[string]string{
		"without forced row-level security": `
			SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
			WHERE c.relkind IN ('r', 'p') AND NOT (c.relrowsecurity AND c.relforcerowsecurity)`,
		"without the tenants' policy": `
			SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
			WHERE c.relkind IN ('r', 'p') AND NOT EXISTS (
				SELECT FROM pg_policies p WHERE p.schemaname::regnamespace = c.relnamespace AND p.tablename = c.relname AND p.policyname = 'tenant'
					AND p.cmd = 'ALL' AND p.roles = '{reos_app}' AND p.permissive = 'PERMISSIVE'
					AND p.qual = '(tenant_id = ( SELECT (NULLIF(current_setting(''app.tenant_id''::text, true), ''''::text))::uuid AS "nullif"))'
					AND p.with_check = p.qual)`,
		"with another policy for the application": `
			SELECT tablename || ' ' || policyname FROM pg_policies
			WHERE policyname <> 'tenant' AND (roles && '{reos_app,public}' OR NOT roles <@ '{reos_platform}')`,
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
			JOIN pg_class c ON c.oid = i.indrelid AND c.relkind IN ('r', 'p') WHERE i.indkey[0] <> a.attnum`,
		"with a foreign key to a tenant's row that may be another tenant's": `
			SELECT k.conname FROM pg_constraint k
			JOIN pg_attribute here ON here.attrelid = k.conrelid AND here.attname = 'tenant_id'
			JOIN pg_attribute there ON there.attrelid = k.confrelid AND there.attname = 'tenant_id'
			WHERE k.contype = 'f' AND NOT (here.attnum = ANY (k.conkey) AND there.attnum = ANY (k.confkey))`,
		"with a timestamp without time zone": `
			SELECT a.attrelid::regclass || '.' || a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
			WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname !~ '^goose_' AND a.atttypid = 'timestamp'::regtype`,
		"that is a view, which would bypass the policies": `
			SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm')
				AND NOT coalesce('security_invoker=true' = ANY (reloptions), false)`,
		"with a function that runs as its owner": `
			SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef`,
	} {
		require.Empty(t, rows[string](t, f.AdminURL, query), name)
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
		) privileges GROUP BY grantee, name ORDER BY grantee::regrole::text, name COLLATE "C"`)
	require.Equal(t, []string{
		"reos_app dead_letters: INSERT SELECT",
		"reos_app documents: INSERT SELECT UPDATE",
		"reos_app embeddings: INSERT SELECT UPDATE",
		"reos_app endings: INSERT SELECT UPDATE",
		"reos_app index_entries: INSERT SELECT UPDATE",
		"reos_app leases: INSERT SELECT UPDATE",
		"reos_app offers: INSERT SELECT UPDATE",
		"reos_app ownership: INSERT SELECT UPDATE",
		"reos_app pauses: DELETE INSERT SELECT UPDATE",
		"reos_app progress: INSERT SELECT UPDATE",
		"reos_app properties: INSERT SELECT UPDATE",
		"reos_app prospects: INSERT SELECT UPDATE",
		"reos_app raw_archive: INSERT SELECT",
		"reos_app set_tenant_context: EXECUTE",
		"reos_app sli_history: SELECT",
		"reos_app tenants: SELECT",
		"reos_app verdicts: INSERT SELECT UPDATE",
		"reos_platform dead_letters: SELECT",
		"reos_platform documents: deleted record_key tenant_id version_at version_seq",
		"reos_platform endings: SELECT",
		"reos_platform index_entries: present tenant_id",
		"reos_platform leases: deleted record_key tenant_id version_at version_seq",
		"reos_platform offers: deleted record_key tenant_id version_at version_seq",
		"reos_platform ownership: deleted record_key tenant_id version_at version_seq",
		"reos_platform pauses: SELECT",
		"reos_platform progress: accepted_at finished_at occurred_at stage tenant_id",
		"reos_platform properties: deleted record_key tenant_id version_at version_seq",
		"reos_platform prospects: deleted record_key tenant_id version_at version_seq",
		"reos_platform sli_history: INSERT",
		"reos_platform tenants: INSERT SELECT draining!UPDATE lane!UPDATE",
		"reos_platform verdicts: passed record_key record_type tenant_id version_at version_seq",
	}, granted)
	require.Equal(t, []string{"reos_app f f f f f", "reos_platform f f f f f"}, rows[string](t, f.AdminURL, `
		SELECT concat_ws(' ', rolname, rolsuper, rolbypassrls, rolcreatedb, rolcreaterole, rolreplication)
		FROM pg_roles WHERE rolname ~ '^reos_(app|platform)$' ORDER BY 1`))
}
