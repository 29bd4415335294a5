package isolation

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/store/postgres"
	"github.com/codybias9/real-estate-os/store/postgrestest"
)

// A suite that cannot fail proves nothing. Each test here weakens one layer of a copy, never the program, and expects
// the suite to say which.

// attack runs the attempts of some layers on an installation.
func attack(t *testing.T, in Installation, layers ...Layer) *Report {
	t.Helper()
	report, err := Verify(t.Context(), in, Options{only: func(a Attempt) bool { return slices.Contains(layers, a.Layer) }})
	require.NoError(t, err)
	return report
}

// A breach weakens Postgres.
type breach struct {
	name  string
	sql   string
	leaks string // the attempt that must tell
	says  string
}

// breaches are on a table each.
var breaches = []breach{
	{"a policy is dropped", `DROP POLICY tenant ON dead_letters`, "find a table whose policies do not bind", "dead_letters: it has no policy"},
	{"row security is off", `ALTER TABLE properties DISABLE ROW LEVEL SECURITY`, "read tables: every row, without a condition", "properties"},
	{"row security is not forced", `ALTER TABLE verdicts NO FORCE ROW LEVEL SECURITY`, "find a table whose policies do not bind", "verdicts: row-level security is not forced"},
	{"a policy lets everything be read", `ALTER POLICY tenant ON endings USING (true)`, "read tables with no tenant", "endings"},
	{"a policy lets everything be written", `ALTER POLICY tenant ON offers WITH CHECK (true)`, "insert a copy of the victim's row", "offers"},
	{"a second policy lets the application read", `CREATE POLICY support ON runs FOR SELECT TO reos_app USING (true)`, "read tables: the victim's by its id", "runs"},
	{"the platform may read documents", `GRANT SELECT ON leases TO reos_platform`, "read whole rows as reos_platform", "leases"},
	{"the purging role may remove everybody's rows", `ALTER POLICY purge ON receipts USING (true)`, "delete all as reos_purge", "receipts"},
	{"a view reads as its owner", `CREATE VIEW shown AS SELECT * FROM embeddings; GRANT SELECT ON shown TO reos_app`, "look through views", "shown"},
	{"a function runs as its owner", `CREATE FUNCTION told() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT 1::text'`, "look through functions that run as their owner", "told()"},
	{"a key is unique over all tenants", `CREATE UNIQUE INDEX ON ownership (record_key)`, "learn of the victim's keys by a unique violation", "ownership"},
	{"a sequence counts all tenants", `ALTER TABLE prospects ADD COLUMN n bigserial`, "count others by sequences", "prospects_n_seq"},
	{"a new table forgets its policy", `CREATE TABLE notes (tenant_id uuid PRIMARY KEY, body text); GRANT ALL ON notes TO reos_app`, "insert a bare row as the victim", "notes"},
}

func TestEachBreachOfPostgresIsALeak(t *testing.T) {
	t.Parallel()
	database := postgrestest.NewDatabase(t)
	for _, breach := range breaches {
		execute(t, database.AdminURL, breach.sql)
	}
	db := postgrestest.Open(t, database)
	report, err := Verify(t.Context(), Installation{DB: db, Tenants: plainTenants{db: db}, Model: "m", Dimension: 4}, Options{only: func(a Attempt) bool {
		return a.Name == "have a canary in every table" || slices.ContainsFunc(breaches, func(b breach) bool { return b.leaks == a.Name })
	}})
	require.NoError(t, err)
	require.Equal(t, []Layer{Postgres}, leaky(report))
	for _, breach := range breaches {
		found := slices.IndexFunc(report.Results, func(r Result) bool { return r.Name == breach.leaks })
		require.GreaterOrEqual(t, found, 0, breach.leaks)
		require.Equal(t, Leaked, report.Results[found].Verdict, "%s: %+v", breach.name, report.Results[found])
		require.Contains(t, report.Results[found].Detail, breach.says, breach.name)
	}
	require.Contains(t, strings.Join(of(report, Fault), "\n"), "notes: no canary is planted there", "a new table is named")
}

func TestATemporaryTableThatShadowsIsALeak(t *testing.T) {
	t.Parallel()
	database := postgrestest.NewDatabase(t)
	db, err := postgres.Open(t.Context(), postgres.Config{URL: database.URL + "&search_path=public"}) // pg_temp comes first then
	require.NoError(t, err)
	t.Cleanup(db.Close)
	report, err := Verify(t.Context(), Installation{DB: db, Tenants: plainTenants{db: db}, Model: "m", Dimension: 4},
		Options{only: func(a Attempt) bool { return strings.HasPrefix(a.Name, "shadow") }})
	require.NoError(t, err)
	require.Len(t, of(report, Leaked), 1)
}

func TestAnObjectStoreWithoutPrefixCheckIsALeak(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Objects = carelessObjects(t, f.S3URL)
	report := attack(t, f.Installation, S3)
	require.Equal(t, []Layer{S3}, leaky(report))
	for _, attempt := range []string{"a parent segment", "an encoded parent", "list objects under a parent"} {
		require.Contains(t, strings.Join(of(report, Leaked), "\n"), attempt)
	}
}

func TestABucketThatAnybodyReadsIsALeak(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	open := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("all of it")) }))
	t.Cleanup(open.Close)
	f.S3URL = open.URL + "/reos"
	report := attack(t, f.Installation, S3)
	require.Len(t, of(report, Leaked), 3, "unsigned, listed, forged")
}

func TestAVectorStoreWithoutFilterIsALeak(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Points = unfilteredPoints(t, f.QdrantURL, f.Points)
	report := attack(t, f.Installation, Qdrant)
	require.Equal(t, []Layer{Qdrant}, leaky(report))
	for _, attempt := range []string{
		"search with the victim's own vector", "scroll through all points", "count more than its own", "delete the victim's point by its id",
	} {
		require.Contains(t, strings.Join(of(report, Leaked), "\n"), attempt)
	}
}

func TestHandlesOfNobodyAreALeak(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Objects, f.Points = carelessObjects(t, f.S3URL), unfilteredPoints(t, f.QdrantURL, f.Points)
	report := attack(t, f.Installation, Types)
	require.Equal(t, []Layer{Types}, leaky(report))
}

func TestAnIngestionThatBelievesEnvelopesIsALeak(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.believe = true
	f.work(t)
	report := attack(t, f.Installation, Broker)
	require.Equal(t, []Layer{Broker}, leaky(report))
	require.Contains(t, strings.Join(of(report, Leaked), "\n"), "the victim's rows changed")
}

func TestALoggedSecretIsALeak(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var lines strings.Builder
	f.Logs = lines.String
	report, err := Verify(t.Context(), f.Installation, Options{only: func(a Attempt) bool {
		if a.Layer == Postgres && a.Name == "have a canary in every table" {
			return true
		}
		return a.Layer == Telemetry
	}, Progress: func(int, int) {
		if lines.Len() == 0 {
			tenants, _ := f.Tenants.All(context.Background())
			for _, tenant := range tenants {
				lines.WriteString(newCanary(tenant, 1).Secret)
			}
		}
	}})
	require.NoError(t, err)
	require.Equal(t, []Layer{Telemetry}, leaky(report))
}

func execute(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(context.Background())
	_, err = conn.PgConn().Exec(t.Context(), sql).ReadAll()
	require.NoError(t, err)
}
