package postgres_test

import (
	"context"
	"net/url"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/store/postgres"
	"github.com/codybias9/real-estate-os/store/postgrestest"
)

// schema lists everything in a database that a migration may leave behind.
func schema(t *testing.T, adminURL string) []string {
	return rows[string](t, adminURL, `
		SELECT kind || ' ' || name FROM (
			SELECT 'relation' AS kind, oid::regclass::text AS name FROM pg_class
				WHERE relnamespace = 'public'::regnamespace AND relname !~ '^goose_'
			UNION ALL SELECT 'function', oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
			UNION ALL SELECT 'type', oid::regtype::text FROM pg_type
				WHERE typnamespace = 'public'::regnamespace AND typname !~ '^_?goose_'
			UNION ALL SELECT 'policy', polname || ' on ' || polrelid::regclass FROM pg_policy
			UNION ALL SELECT 'privilege', refobjid::regrole::text || ' on ' || classid::regclass || ' ' || objid FROM pg_shdepend
				WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND deptype = 'a'
		) things ORDER BY 1`)
}

// rows runs a query as the administrator.
func rows[T any](t testing.TB, adminURL, sql string, args ...any) []T {
	t.Helper()
	conn := connect(t, adminURL)
	found, err := conn.Query(t.Context(), sql, args...)
	require.NoError(t, err)
	values, err := pgx.CollectRows(found, pgx.RowTo[T])
	require.NoError(t, err)
	return values
}

// connect opens a connection that ends with the test.
func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// The URL may hold options of the pool, which Postgres itself does not know.
func TestMigrateTakesAURLWithOptionsOfThePool(t *testing.T) {
	t.Parallel()
	database := postgrestest.EmptyDatabase(t)
	app, err := url.Parse(database.URL)
	require.NoError(t, err)
	options := app.Query()
	options.Set("pool_max_conns", "3")
	app.RawQuery = options.Encode()
	require.NoError(t, postgres.Migrate(t.Context(), database.AdminURL, app.String()))
	db, err := postgres.Open(t.Context(), postgres.Config{URL: app.String()})
	require.NoError(t, err)
	db.Close()
}

func TestMigrateUpDownUp(t *testing.T) {
	t.Parallel()
	database := postgrestest.EmptyDatabase(t)
	require.NoError(t, postgres.Migrate(t.Context(), database.AdminURL, database.URL))
	names := func() []string {
		var kept []string
		for _, thing := range schema(t, database.AdminURL) {
			if thing[:9] != "privilege" { // these name objects by oid
				kept = append(kept, thing)
			}
		}
		return kept
	}
	first := names()
	require.NotEmpty(t, first)
	require.NoError(t, postgres.Migrate(t.Context(), database.AdminURL, database.URL), "a second time")

	statuses, err := postgres.Status(t.Context(), database.AdminURL)
	require.NoError(t, err)
	require.Equal(t, "0001_tenants.sql", statuses[0].Name)
	for _, status := range statuses {
		require.NotNil(t, status.AppliedAt, status.Name)
	}

	for range statuses {
		require.NoError(t, postgres.Down(t.Context(), database.AdminURL, false))
	}
	require.Empty(t, schema(t, database.AdminURL))
	require.NoError(t, postgres.Down(t.Context(), database.AdminURL, false), "nothing is applied")
	statuses, err = postgres.Status(t.Context(), database.AdminURL)
	require.NoError(t, err)
	for _, status := range statuses {
		require.Nil(t, status.AppliedAt, status.Name)
	}

	require.NoError(t, postgres.Migrate(t.Context(), database.AdminURL, database.URL))
	require.Equal(t, first, names())
	require.NoError(t, postgres.Down(t.Context(), database.AdminURL, true))
	require.Empty(t, schema(t, database.AdminURL))
}

func TestMigrateByManyAtOnce(t *testing.T) {
	t.Parallel()
	databases := []postgrestest.Database{postgrestest.EmptyDatabase(t), postgrestest.EmptyDatabase(t), postgrestest.EmptyDatabase(t)}
	errs := make([]error, 9)
	var wait sync.WaitGroup
	for i := range errs {
		wait.Go(func() {
			database := databases[i%len(databases)]
			errs[i] = postgres.Migrate(t.Context(), database.AdminURL, database.URL)
		})
	}
	wait.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
}

func TestMigrateCreatesTheDatabase(t *testing.T) {
	t.Parallel()
	database := postgrestest.EmptyDatabase(t)
	_, err := connect(t, postgrestest.EmptyDatabase(t).AdminURL).
		Exec(t.Context(), "DROP DATABASE "+pgx.Identifier{path(t, database.URL)}.Sanitize())
	require.NoError(t, err)
	require.NoError(t, postgres.Migrate(t.Context(), database.AdminURL, database.URL))
	postgrestest.Open(t, database)
}

func path(t testing.TB, value string) string {
	parsed, err := url.Parse(value)
	require.NoError(t, err)
	return parsed.Path[1:]
}

func TestMigrateRefusesWrongURLs(t *testing.T) {
	t.Parallel()
	database := postgrestest.EmptyDatabase(t)
	for name, one := range map[string]struct{ admin, app, names string }{
		"no URLs":         {"", "", "DATABASE_URL"},
		"not a URL":       {database.AdminURL, "postgres://reos_app:s%zzecret@[", "DATABASE_URL"},
		"another role":    {database.AdminURL, "postgres://somebody:secret@127.0.0.1/reos", "DATABASE_URL"},
		"no password":     {database.AdminURL, "postgres://reos_app@127.0.0.1/reos", "DATABASE_URL"},
		"no admin URL":    {"", database.URL, "DATABASE_ADMIN_URL"},
		"not a URL there": {"postgres://x:s%zzecret@[", database.URL, "DATABASE_ADMIN_URL"},
	} {
		t.Run(name, func(t *testing.T) {
			err := postgres.Migrate(t.Context(), one.admin, one.app)
			require.ErrorContains(t, err, one.names+" must be postgres://")
			require.NotContains(t, err.Error(), "ecret")
		})
	}
}

// A program that is newer than the schema says so, instead of failing later on a table that is not there.
func TestOpenRefusesAnOldSchema(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	require.NoError(t, postgres.Down(t.Context(), f.AdminURL, false))
	_, err := postgres.Open(t.Context(), postgres.Config{URL: f.URL})
	require.ErrorContains(t, err, "run `reos migrate up`")
	require.NoError(t, postgres.Migrate(t.Context(), f.AdminURL, f.URL))
	db, err := postgres.Open(t.Context(), postgres.Config{URL: f.URL})
	require.NoError(t, err)
	db.Close()
}
