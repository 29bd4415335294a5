package postgres_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/postgres"
)

func TestOpenOnAClosedPortIsUnavailable(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	_, err = postgres.Open(t.Context(), postgres.Config{URL: "postgres://reos_app:sEcret@" + address + "/reos"})
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.ErrorContains(t, err, "DATABASE_URL")
	require.NotContains(t, err.Error(), "sEcret")
}

func TestATerminatedBackendIsUnavailableAndComesBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	record := property("k", 1)
	mustIngest(t, f.db, f.a, record)
	terminate := func() {
		rows[bool](t, f.AdminURL, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'reos_app'")
	}
	before := contents(t, f.AdminURL)
	err := f.db.Tenant(f.a).Index(t.Context(), []store.IndexEntry{entry(record, true)}, func(context.Context, []string) error {
		terminate()
		return nil
	}, nil)
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.Equal(t, before, contents(t, f.AdminURL))

	terminate() // an idle connection is noticed, or is the one call that fails
	require.Eventually(t, func() bool {
		_, err := f.db.Tenant(f.a).Records(t.Context(), events.Property, []store.Wanted{{Key: "k"}})
		if err != nil {
			require.ErrorIs(t, err, store.ErrUnavailable)
		}
		return err == nil
	}, timeout, tick)
	require.NoError(t, f.db.Ready(t.Context()))
	f.db.Close()
	require.ErrorIs(t, f.db.Ready(t.Context()), store.ErrUnavailable)
}

func TestReadOnlyIsUnavailable(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, err := connect(t, f.AdminURL).Exec(t.Context(), "ALTER DATABASE "+path(t, f.URL)+" SET default_transaction_read_only = on")
	require.NoError(t, err)
	db, err := postgres.Open(t.Context(), postgres.Config{URL: f.URL})
	require.NoError(t, err)
	defer db.Close()
	require.ErrorIs(t, ingest(t.Context(), db, f.a, property("k", 1)), store.ErrUnavailable)
}

// A server that refuses connections says nothing about what is asked, whatever its reason.
func TestARefusedConnectionIsUnavailable(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, err := connect(t, f.AdminURL).Exec(t.Context(), "REVOKE CONNECT ON DATABASE "+path(t, f.URL)+" FROM PUBLIC")
	require.NoError(t, err)
	f.db.Pool().Reset()
	require.ErrorIs(t, ingest(t.Context(), f.db, f.a, property("k", 1)), store.ErrUnavailable)
}

// The server's own patience ends a statement: that is unavailable, and late, so that a batch which is always too slow is split.
func TestAStatementThatTheServerCutsOffIsLate(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	record := property("k", 1)
	mustIngest(t, f.db, f.a, record)
	owner := connect(t, f.AdminURL)
	_, err := owner.Exec(t.Context(), "ALTER DATABASE "+path(t, f.URL)+" SET statement_timeout = '200ms'")
	require.NoError(t, err)
	impatient, err := postgres.Open(t.Context(), postgres.Config{URL: f.URL})
	require.NoError(t, err)
	defer impatient.Close()
	locked, err := owner.Begin(t.Context())
	require.NoError(t, err)
	_, err = locked.Exec(t.Context(), "LOCK TABLE verdicts")
	require.NoError(t, err)
	err = impatient.Tenant(f.a).SaveVerdicts(t.Context(), []store.Verdict{verdict(record, true)}, nil)
	require.NoError(t, locked.Rollback(t.Context()))
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestDataErrorsAreNotUnavailable(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	wrong := verdict(property("k", 1), true)
	wrong.Ref.Type = "castle"
	require.NotErrorIs(t, f.db.Tenant(f.a).SaveVerdicts(t.Context(), []store.Verdict{wrong}, nil), store.ErrUnavailable)
	short := embedding(property("k", 1), 1)
	short.ContentHash = []byte("short")
	err := f.db.Tenant(f.a).SaveEmbeddings(t.Context(), "m", []store.EmbeddingWrite{short}, nil)
	require.Error(t, err)
	require.NotErrorIs(t, err, store.ErrUnavailable)
	require.NoError(t, f.db.Ready(t.Context()))
}

func TestTheCallersOwnDeadlineIsNotPostgresFault(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := f.db.Tenant(f.a).Records(ctx, events.Property, []store.Wanted{{Key: "k"}})
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, store.ErrUnavailable)

	held := make(chan struct{})
	release := make(chan struct{})
	done := make(chan error)
	go func() {
		done <- f.db.Tenant(f.a).Index(t.Context(), []store.IndexEntry{entry(property("k", 1), true)}, func(context.Context, []string) error {
			close(held)
			<-release
			return nil
		}, nil)
	}()
	<-held
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err = f.db.Tenant(f.a).Index(ctx, []store.IndexEntry{entry(property("k", 2), true)}, nil, nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotErrorIs(t, err, store.ErrUnavailable)
	close(release)
	require.NoError(t, <-done)
}

// Another transaction locks what ours wants, and then wants what ours has locked. Ours gives way, side effect and all,
// and does its work after.
func TestDeadlocksAreRunAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	record := property("k", 1)
	mustIngest(t, f.db, f.a, record)
	rival := connect(t, f.AdminURL)
	for _, statement := range []string{"SET deadlock_timeout = '1min'", "BEGIN", "SELECT FROM progress FOR UPDATE"} {
		_, err := rival.Exec(t.Context(), statement)
		require.NoError(t, err)
	}
	applied := make(chan struct{}, 2)
	done := make(chan error)
	go func() {
		done <- f.db.Tenant(f.a).Index(t.Context(), []store.IndexEntry{entry(record, true)}, func(context.Context, []string) error {
			applied <- struct{}{}
			return nil
		}, []store.Advance{{Event: eventOf(record), From: events.Indexing, Outcome: events.Done}})
	}()
	<-applied
	_, err := rival.Exec(t.Context(), "INSERT INTO index_entries VALUES ($1, 'k', $2, 0, false)", f.a, versionAt(0).At)
	require.NoError(t, err)
	_, err = rival.Exec(t.Context(), "COMMIT")
	require.NoError(t, err)
	require.NoError(t, <-done)
	<-applied
	got := status(t, f.db, f.a)
	require.Equal(t, 1, got.Indexed)
	require.Empty(t, got.Waiting)
}

func TestConfigNeverShowsPasswords(t *testing.T) {
	t.Parallel()
	cfg := postgres.Config{URL: "postgres://reos_app:sEcret@db/reos", AdminURL: "postgres://root:sEcret@db:5433/reos?sslmode=disable", MaxConns: 4}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		shown := fmt.Sprintf(format, cfg)
		require.NotContains(t, shown, "sEcret")
		require.Contains(t, shown, "postgres://reos_app:***@db:5432/reos")
	}
	require.NotContains(t, fmt.Sprint(postgres.Config{URL: "postgres://reos_app:sE%zzcret@db/reos"}), "zzcret")
}

func TestOpenRefusesWrongValues(t *testing.T) {
	t.Parallel()
	for _, cfg := range []postgres.Config{
		{},
		{URL: "postgres://reos_app:sEcret%zz@db/reos"},
		{URL: "http://sEcret"},
		{URL: "postgres://reos_app:sEcret@db:port/x"},
		{URL: "postgres://reos_app:sEcret@db/x?pool_max_conns=sEcret"},
	} {
		_, err := postgres.Open(t.Context(), cfg)
		require.ErrorContains(t, err, "DATABASE_URL must be postgres://")
		require.NotContains(t, err.Error(), "sEcret")
	}
	_, err := postgres.Open(t.Context(), postgres.Config{URL: "postgres://reos_app:x@db/reos", MaxConns: -1})
	require.ErrorContains(t, err, "DATABASE_MAX_CONNS")
}
