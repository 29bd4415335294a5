package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/postgres"
)

var act = store.Act{By: "ann", Why: "test"}

func TestATenantIsSuspendedAndResumed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	platform, a := f.db.Platform(), f.db.Tenant(f.a)
	for _, first := range []bool{true, false} {
		changed, err := platform.Suspend(t.Context(), f.a, act)
		require.NoError(t, err)
		require.Equal(t, first, changed)
	}
	found, err := platform.Tenant(t.Context(), f.a.String())
	require.NoError(t, err)
	require.Equal(t, store.TenantSuspended, found.State)
	require.Equal(t, []string{"ann", "test"}, []string{found.StateBy, found.StateWhy})
	mustIngest(t, f.db, f.a, property("k", 1)) // what was accepted is finished

	pausesOf := func() []store.Pause {
		pauses, err := platform.Pauses(t.Context())
		require.NoError(t, err)
		return pauses
	}
	pauses := pausesOf()
	require.Len(t, pauses, 1)
	require.Equal(t, store.Pause{Tenant: f.a, Stage: events.Ingestion, At: found.StateSince, By: "ann", Why: "suspended: test"}, pauses[0])
	changed, err := a.Resume(t.Context(), events.Ingestion, "eve", "")
	require.NoError(t, err)
	require.False(t, changed, "the pause of a suspension is nobody's to resume")

	for _, first := range []bool{true, false} {
		changed, err := platform.Resume(t.Context(), f.a, act)
		require.NoError(t, err)
		require.Equal(t, first, changed)
	}
	pauses = pausesOf()
	require.Len(t, pauses, 1, "what was held is let go")
	require.NotZero(t, pauses[0].ResumedAt)
	_, err = platform.Suspend(t.Context(), f.a, act)
	require.NoError(t, err)
	pauses = pausesOf()
	require.Len(t, pauses, 1, "suspended again before that was done")
	require.Zero(t, pauses[0].ResumedAt)

	// A pause that an operator has made lasts longer than the suspension.
	_, err = a.Pause(t.Context(), events.Ingestion, "bob", "prices")
	require.NoError(t, err)
	require.Equal(t, "bob", pausesOf()[0].By)
	_, err = platform.Resume(t.Context(), f.a, act)
	require.NoError(t, err)
	pauses = pausesOf()
	require.Len(t, pauses, 1)
	require.Zero(t, pauses[0].ResumedAt)
}

func TestADeletedTenantIsATombstone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	platform := f.db.Platform()
	tenant, err := platform.Tenant(t.Context(), f.a.String())
	require.NoError(t, err)
	require.NoError(t, platform.NoteBrokerUser(t.Context(), f.a, true, act))
	changed, err := platform.Bury(t.Context(), tenant, act, nil)
	require.NoError(t, err)
	require.False(t, changed, "it lives")
	_, err = platform.BeginDeletion(t.Context(), store.PlatformTenant, act)
	require.Equal(t, "23514", sqlState(err), "the platform stays")
	for _, first := range []bool{true, false} {
		changed, err := platform.BeginDeletion(t.Context(), f.a, act)
		require.NoError(t, err)
		require.Equal(t, first, changed)
	}
	for name, change := range map[string]func(context.Context, uuid.UUID, store.Act) (bool, error){"suspend": platform.Suspend, "resume": platform.Resume} {
		changed, err := change(t.Context(), f.a, act)
		require.NoError(t, err)
		require.False(t, changed, "%s: there is no way back", name)
	}
	for _, first := range []bool{true, false} {
		changed, err := platform.Bury(t.Context(), tenant, act, map[string]int{"points": 3})
		require.NoError(t, err)
		require.Equal(t, first, changed)
	}
	found, err := platform.Tenant(t.Context(), f.a.String())
	require.NoError(t, err)
	require.Equal(t, store.Tenant{
		ID: f.a, Name: f.a.String(), CreatedAt: tenant.CreatedAt, State: store.TenantDeleted, StateSince: found.StateSince, StateBy: "ann", StateWhy: "test",
	}, found)
	entries, err := f.db.Tenant(f.a).AuditLog(t.Context(), store.AuditFilter{Limit: 1})
	require.NoError(t, err)
	require.Equal(t, tenant.Name, entries[0].Subject, "the log remembers its name")
	require.JSONEq(t, `{"points": 3}`, string(entries[0].Details))

	require.NoError(t, platform.CreateTenant(t.Context(), store.Tenant{ID: uuid.New(), Name: tenant.Name, Lane: "a"}, act), "the name is free")
	require.ErrorIs(t, platform.CreateTenant(t.Context(), store.Tenant{ID: f.a, Name: "new", Lane: "a"}, act), store.ErrExists, "the id is not")
	require.ErrorIs(t, platform.NoteBrokerUser(t.Context(), f.a, true, act), store.ErrNotFound)
	served, err := platform.Tenants(t.Context())
	require.NoError(t, err)
	require.Len(t, served, 3, "the platform, b and the one of the same name")
	all, err := platform.AllTenants(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 4)
	statuses, err := platform.Status(t.Context(), nil)
	require.NoError(t, err)
	require.Len(t, statuses, 3)
	gone, err := platform.Gone(t.Context())
	require.NoError(t, err)
	require.Equal(t, []uuid.UUID{f.a}, gone)
}

// Whatever a worker still has in its hands when its tenant is deleted, it writes nothing any more.
func TestNothingIsWrittenForADeletedTenant(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	mustIngest(t, f.db, f.a, property("k", 1))
	_, err := f.db.Platform().BeginDeletion(t.Context(), f.a, act)
	require.NoError(t, err)
	a, record := f.db.Tenant(f.a), property("k", 2)
	applied := false
	for name, write := range map[string]func() error{
		"ingest":  func() error { return ingest(t.Context(), f.db, f.a, record) },
		"verdict": func() error { return a.SaveVerdicts(t.Context(), []store.Verdict{verdict(record, true)}, nil) },
		"embedding": func() error {
			return a.SaveEmbeddings(t.Context(), "m", []store.EmbeddingWrite{embedding(record, 1)}, nil)
		},
		"letter": func() error { return a.SaveDeadLetters(t.Context(), []store.DeadLetter{letter("l", uuid.Nil)}) },
		"advance": func() error {
			return a.Advance(t.Context(), advance(property("k", 1), events.Quality, events.Embedding))
		},
		"pause": func() error { _, err := a.Pause(t.Context(), events.Quality, "ann", "x"); return err },
		"index": func() error {
			return a.Index(t.Context(), []store.IndexEntry{entry(record, true)}, func(context.Context, []string) error { applied = true; return nil }, nil)
		},
	} {
		err := write()
		require.ErrorIs(t, err, store.ErrTenantDeleted, name)
		require.False(t, errors.Is(err, store.ErrUnavailable), name)
	}
	require.False(t, applied, "no side effect")
	mustIngest(t, f.db, f.b, record)
}

func TestPurgeLeavesNothingButTheAuditLog(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	everywhere(t, f, f.a)
	everywhere(t, f, f.b)
	admin := connect(t, f.AdminURL)
	_, err := admin.Exec(t.Context(), `
		CREATE TABLE zz_parents (tenant_id uuid, id int, PRIMARY KEY (tenant_id, id));
		CREATE TABLE aa_children (tenant_id uuid, id int, parent int, PRIMARY KEY (tenant_id, id), FOREIGN KEY (tenant_id, parent) REFERENCES zz_parents);
		CREATE TABLE zzz_grandparents (tenant_id uuid, id int, PRIMARY KEY (tenant_id, id));
		ALTER TABLE zz_parents ADD FOREIGN KEY (tenant_id, id) REFERENCES zzz_grandparents;
		SELECT isolate_tenants('zz_parents'), isolate_tenants('aa_children'), isolate_tenants('zzz_grandparents')`)
	require.NoError(t, err)
	for _, tenant := range []uuid.UUID{f.a, f.b} {
		_, err = admin.Exec(t.Context(), fmt.Sprintf(`
			INSERT INTO zzz_grandparents SELECT '%[1]s', n FROM generate_series(1, 2100) n;
			INSERT INTO zz_parents SELECT '%[1]s', n FROM generate_series(1, 2100) n; INSERT INTO aa_children SELECT '%[1]s', n, n FROM generate_series(1, 2100) n`, tenant))
		require.NoError(t, err)
	}
	before := contents(t, f.AdminURL)
	a := f.db.Tenant(f.a)
	removed := map[string]int{}
	count := func(table string, rows int) { removed[table] += rows }
	require.NoError(t, a.Purge(t.Context(), count))
	require.Empty(t, removed, "a tenant that is not being deleted loses nothing")
	require.Equal(t, before, contents(t, f.AdminURL))

	_, err = f.db.Platform().BeginDeletion(t.Context(), f.a, act)
	require.NoError(t, err)
	left, err := a.Leftovers(t.Context())
	require.NoError(t, err)
	require.Len(t, left, len(tenantTables(t, f.AdminURL))-1, "all but the audit log")
	for range 2 {
		require.NoError(t, a.Purge(t.Context(), count))
		require.Equal(t, 2100, removed["zz_parents"])
		left, err = a.Leftovers(t.Context())
		require.NoError(t, err)
		require.Empty(t, left)
	}
	for _, table := range tenantTables(t, f.AdminURL) {
		n := rows[int](t, f.AdminURL, "SELECT count(*)::int FROM "+table+" WHERE tenant_id = $1", f.a)[0]
		if table == "audit" {
			require.Positive(t, n)
			continue
		}
		require.Zero(t, n, table)
		require.Positive(t, rows[int](t, f.AdminURL, "SELECT count(*)::int FROM "+table+" WHERE tenant_id = $1", f.b)[0], table)
	}
	_, err = f.db.Platform().VerifyAudit(t.Context(), nil)
	require.NoError(t, err)
}

func TestInvariant4PurgingMustBeSaid(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	everywhere(t, f, f.a)
	everywhere(t, f, f.b)
	_, err := f.db.Platform().BeginDeletion(t.Context(), f.a, act)
	require.NoError(t, err)
	app := connect(t, f.URL)
	for _, table := range tenantTables(t, f.AdminURL) {
		if table == "audit" {
			_, err := visible(t, app, "SELECT set_tenant_context('"+f.a.String()+"'); SET LOCAL ROLE reos_purge; DELETE FROM audit", "tenants")
			require.Equal(t, "42501", code(err))
			continue
		}
		for name, one := range map[string]struct {
			before string
			sees   bool
		}{
			"its own":        {"SELECT set_tenant_context('" + f.a.String() + "'); SET LOCAL ROLE reos_purge", true},
			"another's":      {"SELECT set_tenant_context('" + f.b.String() + "'); SET LOCAL ROLE reos_purge", false},
			"nobody's":       {"SET LOCAL ROLE reos_purge", false},
			"another's rows": {"SELECT set_tenant_context('" + f.a.String() + "'); SET LOCAL ROLE reos_purge; DELETE FROM " + table + " WHERE tenant_id = '" + f.b.String() + "'", true},
		} {
			n, err := visible(t, app, one.before, table)
			require.NoError(t, err, "%s: %s", table, name)
			require.Equal(t, one.sees, n > 0, "%s: %s", table, name)
		}
	}
	for _, statement := range []string{"INSERT INTO pauses (tenant_id) VALUES ('" + f.a.String() + "')", "UPDATE properties SET deleted = true", "UPDATE tenants SET state = 'active'"} {
		_, err := visible(t, app, "SELECT set_tenant_context('"+f.a.String()+"'); SET LOCAL ROLE reos_purge; "+statement, "tenants")
		require.Equal(t, "42501", code(err), statement)
	}
}

func TestOlderTransactionsAreSeen(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.db.Tenant(f.a)
	worker := connect(t, f.URL)
	tx, err := worker.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "SELECT 1")
	require.NoError(t, err)
	marked, err := a.Now(t.Context())
	require.NoError(t, err)
	n, err := a.OlderWork(t.Context(), marked)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NoError(t, tx.Commit(t.Context()))
	tx, err = worker.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "SELECT 1")
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		n, err := a.OlderWork(t.Context(), marked)
		return err == nil && n == 0
	}, time.Minute, 10*time.Millisecond, "a younger one does not count")
	require.NoError(t, tx.Rollback(t.Context()))
}

// Rows go to whoever exports them, who may be slow to take the last ones of a table: Postgres must not give up on them.
func TestAnExportMayBeTakenSlowly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const patience = 200 * time.Millisecond // of Postgres, with a transaction in which nothing happens
	impatient, err := url.Parse(f.URL)
	require.NoError(t, err)
	options := impatient.Query()
	options.Set("idle_in_transaction_session_timeout", patience.String())
	impatient.RawQuery = options.Encode()
	db, err := postgres.Open(t.Context(), postgres.Config{URL: impatient.String()})
	require.NoError(t, err)
	defer db.Close()
	tables := 0
	require.NoError(t, db.Tenant(f.a).Export(t.Context(), func(store.ExportedTable) (func([]byte) error, error) {
		if tables++; tables == 1 {
			time.Sleep(2 * patience)
		}
		return func([]byte) error { return nil }, nil
	}))
	require.Greater(t, tables, 1)
}

func TestExportIsOfOneMoment(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	everywhere(t, f, f.a)
	everywhere(t, f, f.b)
	want := map[string]int{}
	for _, table := range tenantTables(t, f.AdminURL) {
		want[table] = rows[int](t, f.AdminURL, "SELECT count(*)::int FROM "+table+" WHERE tenant_id = $1", f.a)[0]
	}
	got, tables := map[string]int{}, []store.ExportedTable{}
	require.NoError(t, f.db.Tenant(f.a).Export(t.Context(), func(table store.ExportedTable) (func([]byte) error, error) {
		if len(tables) == 0 { // what is written from now on is not in it
			mustIngest(t, f.db, f.a, property("later", 1))
		}
		tables = append(tables, table)
		return func(line []byte) error {
			require.Contains(t, string(line), `"tenant_id":"`+f.a.String()+`"`)
			require.NotContains(t, string(line), "\n")
			got[table.Name]++
			return nil
		}, nil
	}))
	require.Equal(t, want, got)
	for _, table := range tables {
		if table.Name == "dead_letters" {
			require.Equal(t, []string{"routing_key", "header_names", "header_values", "payload"}, table.Base64)
		}
	}
	broken := errors.New("disk full")
	require.ErrorIs(t, f.db.Tenant(f.a).Export(t.Context(), func(store.ExportedTable) (func([]byte) error, error) {
		return func([]byte) error { return broken }, nil
	}), broken)
	_, err := f.db.Platform().Tenants(t.Context()) // the connection that was left is fit for use
	require.NoError(t, err)
}
