package postgres_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

func TestChangeLane(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	platform := f.db.Platform()
	acme := store.Tenant{ID: uuid.New(), Name: "acme", Lane: "a"}
	require.NoError(t, platform.CreateTenant(t.Context(), acme, store.Act{By: "test"}))
	for _, step := range []struct {
		to       string
		draining []string
	}{
		{"a", nil},
		{"b", []string{"a"}},
		{"b", []string{"a"}},
		{"c", []string{"a", "b"}},
		{"a", []string{"b", "c"}}, // back again: what drains is not where it is
	} {
		changed, err := platform.ChangeLane(t.Context(), acme.ID, step.to, store.Act{By: "test"})
		require.NoError(t, err)
		require.Equal(t, step.to, changed.Lane)
		require.Equal(t, step.draining, changed.Draining)
	}
	for range 2 {
		require.NoError(t, platform.Drained(t.Context(), acme.ID, "b"))
	}
	found, err := platform.Tenant(t.Context(), "acme")
	require.NoError(t, err)
	require.Equal(t, []string{"c"}, found.Draining)

	_, err = platform.ChangeLane(t.Context(), uuid.New(), "a", store.Act{By: "test"})
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = platform.ChangeLane(t.Context(), store.PlatformTenant, "a", store.Act{By: "test"})
	require.Equal(t, "23514", sqlState(err), "nothing is routed to the platform")
	other, err := platform.Tenant(t.Context(), f.a.String())
	require.NoError(t, err)
	require.Empty(t, other.Draining)
}

func TestUnfinishedInALane(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	mustIngest(t, f.db, f.a, property("x", 1), property("y", 1))
	mustIngest(t, f.db, f.b, property("x", 1))
	lane := acceptance(property("x", 1)).Lane
	n, err := f.db.Tenant(f.a).UnfinishedIn(t.Context(), lane)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	n, err = f.db.Tenant(f.a).UnfinishedIn(t.Context(), "another")
	require.NoError(t, err)
	require.Zero(t, n)
	require.NoError(t, f.db.Tenant(f.a).Advance(t.Context(), []store.Advance{
		{Event: eventOf(property("x", 1)), From: events.Indexing, Outcome: events.Done},
	}))
	n, err = f.db.Tenant(f.a).UnfinishedIn(t.Context(), lane)
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

func TestATenantIsMovedByOneAtATime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	platform, nothing := f.db.Platform(), func(context.Context) error { return nil }
	require.NoError(t, platform.Moving(t.Context(), f.a, func(ctx context.Context) error {
		require.ErrorIs(t, platform.Moving(ctx, f.a, nothing), store.ErrConflict)
		return platform.Moving(ctx, f.b, nothing)
	}))
	require.NoError(t, platform.Moving(t.Context(), f.a, nothing), "the lock is free again")
	require.ErrorIs(t, platform.Moving(t.Context(), f.a, func(context.Context) error { return context.Canceled }), context.Canceled)
}

func TestBindingsRestWhileALaneChanges(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	platform := f.db.Platform()
	order := make(chan string, 2)
	changed := make(chan error, 1)
	require.NoError(t, platform.WithBindings(t.Context(), func(ctx context.Context) error {
		go func() {
			changed <- platform.ChangingBindings(ctx, func(context.Context) error { order <- "changed"; return nil })
		}()
		require.Eventually(t, func() bool {
			return rows[int](t, f.AdminURL, `SELECT count(*)::int FROM pg_locks JOIN pg_database d ON d.oid = database
				WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()`)[0] == 1
		}, time.Minute, 10*time.Millisecond)
		order <- "bound"
		return nil
	}))
	require.NoError(t, <-changed)
	require.Equal(t, []string{"bound", "changed"}, []string{<-order, <-order})
}

func sqlState(err error) string {
	var refused *pgconn.PgError
	errors.As(err, &refused)
	return refused.Code
}
