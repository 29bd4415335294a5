package postgres_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/postgres"
)

// everywhere puts rows of a tenant into every tenant table.
func everywhere(t *testing.T, f fixture, tenant uuid.UUID) {
	record := property("k", 1)
	others := []events.Record{record}
	for _, other := range events.RecordTypes[1:] {
		others = append(others, events.Record{Type: other, Key: "k", Version: versionAt(1), Doc: []byte(`{}`)})
	}
	handle := f.db.Tenant(tenant)
	mustIngest(t, f.db, tenant, others...)
	mustIngest(t, f.db, tenant, property("k", 0)) // stale: an ending
	mustStage(t, f.db, tenant, property("staged", 1))
	require.NoError(t, handle.SaveVerdicts(t.Context(), []store.Verdict{verdict(record, true)}, nil))
	require.NoError(t, handle.SaveEmbeddings(t.Context(), "m", []store.EmbeddingWrite{embedding(record, 1)}, nil))
	require.NoError(t, handle.Index(t.Context(), []store.IndexEntry{entry(record, true)}, func(context.Context, []string) error { return nil }, nil))
	require.NoError(t, handle.SaveDeadLetters(t.Context(), []store.DeadLetter{letter("l", uuid.Nil)}))
	require.NoError(t, handle.SaveEdits(t.Context(), []store.Edit{{Run: "run", Letter: letter("l", uuid.Nil).ID, Patch: []byte("[]")}}))
	_, err := handle.Pause(t.Context(), events.Quality, "ann", "test")
	require.NoError(t, err)
	require.NoError(t, handle.SaveReceipts(t.Context(), []store.Receipt{receiptOf(record)}))
	_, err = handle.ClaimKey(t.Context(), claim("key", "body"))
	require.NoError(t, err)
	_, err = handle.StartRun(t.Context(), feedRun("run"))
	require.NoError(t, err)
	_, err = handle.PlanRerun(t.Context(), store.Run{ID: uuid.NewString()}, selecting(events.Quality), operator)
	require.NoError(t, err)
	execute(t, f.AdminURL, "INSERT INTO run_removed VALUES ('"+tenant.String()+"', 'run', 'indexing', 'done', '', 1)")
	require.NoError(t, f.db.Platform().SaveSLIs(t.Context(), []store.SLI{{Tenant: tenant, At: epoch, Stage: events.Quality, State: store.Fresh}}))
	require.NoError(t, handle.Heartbeats(t.Context(), []store.Heartbeat{{Source: "mls", At: epoch}}))
	require.NoError(t, handle.SetThresholds(t.Context(), "mls", store.DefaultThresholds, store.Act{By: "ann"}))
	require.NoError(t, handle.MeasureCoverage(t.Context(), 0))
	require.NoError(t, handle.AddSearchableTimes(t.Context(), []store.SearchableTimes{{Hour: epoch, Entry: store.LiveEntry, Buckets: []int64{1}}}))
}

// visible counts the rows of a table that a connection sees after a statement of the same transaction.
func visible(t *testing.T, conn *pgx.Conn, before, table string) (n int, err error) {
	t.Helper()
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, tx.Rollback(context.Background())) }()
	if _, err := tx.Exec(t.Context(), before); err != nil {
		return 0, err
	}
	return n, tx.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n)
}

func TestInvariant4ATenantSeesItsOwnRowsOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	everywhere(t, f, f.a)
	app := connect(t, f.URL)
	tables := tenantTables(t, f.AdminURL)
	require.GreaterOrEqual(t, len(tables), 14)
	for _, table := range append(tables, "tenants") {
		own, err := visible(t, app, "SELECT set_tenant_context('"+f.a.String()+"')", table)
		require.NoError(t, err, table)
		require.Positive(t, own, table)
		for name, before := range map[string]string{
			"another tenant": "SELECT set_tenant_context('" + f.b.String() + "')",
			"no tenant":      "SELECT 1",
			"empty":          "SET LOCAL app.tenant_id = ''",
			"NULL":           "SELECT set_tenant_context(NULL)",
		} {
			others := " WHERE coalesce(to_jsonb(" + table + ") ->> 'tenant_id', to_jsonb(" + table + ") ->> 'id') <> '" + f.b.String() + "'"
			seen, err := visible(t, app, before, table+others)
			require.NoError(t, err, "%s: %s", table, name)
			require.Zero(t, seen, "%s: %s", table, name)
		}
		_, err = visible(t, app, "SET LOCAL app.tenant_id = 'not a UUID'", table)
		require.Equal(t, "22P02", code(err), "%s: a malformed tenant", table)
	}
}

func code(err error) string {
	if refused, ok := err.(*pgconn.PgError); ok {
		return refused.Code
	}
	return ""
}

func TestInvariant4AnotherTenantsRowsCannotBeWritten(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	everywhere(t, f, f.a)
	app := connect(t, f.URL)
	for _, table := range tenantTables(t, f.AdminURL) {
		copies := rows[string](t, f.AdminURL, "SELECT r::text FROM "+table+" r WHERE tenant_id = $1 LIMIT 1", f.a)
		require.NotEmpty(t, copies, table)
		columns := rows[string](t, f.AdminURL, `SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
			WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''`, table)[0]
		for name, statement := range map[string]string{
			"insert": "INSERT INTO " + table + " (" + columns + ") SELECT " + columns + " FROM (SELECT ($1::" + table + ").*) r",
			"move":   "UPDATE " + table + " SET tenant_id = '" + f.b.String() + "' WHERE tenant_id = '" + f.a.String() + "' AND $1 <> ''",
		} {
			as := f.b
			if name == "move" {
				as = f.a
			}
			tx, err := app.Begin(t.Context())
			require.NoError(t, err)
			_, err = tx.Exec(t.Context(), "SELECT set_tenant_context($1)", as)
			require.NoError(t, err)
			_, err = tx.Exec(t.Context(), statement, copies[0])
			require.Equal(t, "42501", code(err), "%s: %s: %v", table, name, err)
			require.NoError(t, tx.Rollback(t.Context()))
		}
	}
}

func TestInvariant4LookingAcrossTenantsMustBeSaid(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	everywhere(t, f, f.a)
	everywhere(t, f, f.b)
	app := connect(t, f.URL)
	n, err := visible(t, app, "SELECT 1", "dead_letters")
	require.NoError(t, err)
	require.Zero(t, n)
	n, err = visible(t, app, "SET LOCAL ROLE reos_platform", "dead_letters")
	require.NoError(t, err)
	require.Equal(t, 2, n)

	for statement, want := range map[string]string{
		"SELECT doc FROM properties":                   "42501",
		"SELECT vector FROM embeddings":                "42501",
		"SELECT * FROM raw_archive":                    "42501",
		"SELECT frame FROM staged_raw":                 "42501",
		"SELECT event_id FROM progress":                "42501",
		"SELECT failures FROM verdicts":                "42501",
		"UPDATE tenants SET created_at = now()":        "42501",
		"UPDATE audit SET why = 'x'":                   "42501",
		"DELETE FROM audit":                            "42501",
		"DELETE FROM audit_head":                       "42501",
		"DELETE FROM dead_letters":                     "42501",
		"UPDATE properties SET deleted = true":         "42501",
		"SELECT set_tenant_context(gen_random_uuid())": "42501",
		"SELECT tenant_id, deleted FROM properties":    "",
	} {
		_, err = visible(t, app, "SET LOCAL ROLE reos_platform; "+statement, "tenants")
		require.Equal(t, want, code(err), statement)
	}
	for _, statement := range []string{
		"DELETE FROM properties", "TRUNCATE properties", "DELETE FROM tenants", "INSERT INTO tenants VALUES (gen_random_uuid(), 'x', 'a')",
		"SELECT isolate_tenants('tenants')", "CREATE TABLE public.x ()", "SELECT * FROM goose_db_version", "SET row_security = off; SELECT * FROM properties",
		"UPDATE raw_archive SET byte_offset = 0", "DELETE FROM raw_archive", "UPDATE staged_raw SET sha256 = sha256", "UPDATE dead_letters SET reason = 'x'",
	} {
		_, err = visible(t, app, "SELECT set_tenant_context('"+f.a.String()+"'); "+statement, "tenants")
		require.Equal(t, "42501", code(err), statement)
	}
}

func TestInvariant4TheOwnerIsBoundToo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	everywhere(t, f, f.a)
	admin := connect(t, f.AdminURL)
	for _, table := range append(tenantTables(t, f.AdminURL), "tenants") {
		tx, err := admin.Begin(t.Context())
		require.NoError(t, err)
		owner := "reos_owner_" + strings.ReplaceAll(uuid.NewString(), "-", "")
		for _, statement := range []string{
			"CREATE ROLE " + owner, "GRANT CREATE, USAGE ON SCHEMA public TO " + owner,
			"ALTER TABLE " + table + " OWNER TO " + owner, "SET LOCAL ROLE " + owner,
		} {
			_, err := tx.Exec(t.Context(), statement)
			require.NoError(t, err, statement)
		}
		var n int
		require.NoError(t, tx.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
		require.Zero(t, n, table)
		require.NoError(t, tx.Rollback(t.Context()))
	}
}

func TestInvariant4HandlesSeeTheirTenantOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	everywhere(t, f, f.a)
	b := f.db.Tenant(f.b)
	records, err := b.Records(t.Context(), events.Property, []store.Wanted{{Key: "k"}})
	require.NoError(t, err)
	require.Empty(t, records)
	states, err := b.IndexStates(t.Context(), "m", []store.Wanted{{Key: "k"}})
	require.NoError(t, err)
	require.Empty(t, states)
	letters, err := b.DeadLetters(t.Context(), store.DeadLetterFilter{})
	require.NoError(t, err)
	require.Empty(t, letters)
	before := contents(t, f.AdminURL)
	require.NoError(t, b.Advance(t.Context(), []store.Advance{{Event: eventOf(property("k", 1)), From: events.Indexing, Outcome: events.Done}}))
	require.Equal(t, before, contents(t, f.AdminURL))
}

func TestOpenRefusesRolesThatBypassIsolation(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, err := postgres.Open(t.Context(), postgres.Config{URL: f.AdminURL})
	require.ErrorContains(t, err, "DATABASE_URL must name the role reos_app")
}
