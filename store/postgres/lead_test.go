package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/postgrestest"
)

func TestOneLeads(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	other := postgrestest.Open(t, f.Database)
	led, err := f.db.Lead(t.Context(), func(ctx context.Context) {
		led, err := other.Lead(ctx, func(context.Context) { t.Error("two lead") })
		require.NoError(t, err)
		require.False(t, led)
	})
	require.NoError(t, err)
	require.True(t, led)
	led, err = other.Lead(t.Context(), func(context.Context) {})
	require.NoError(t, err)
	require.True(t, led, "whoever comes after the leader leads")
}

func TestALeaderWhoseSessionIsLostStops(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	led, err := f.db.Lead(t.Context(), func(ctx context.Context) {
		killed := rows[bool](t, f.AdminURL, `SELECT pg_terminate_backend(pid) FROM pg_locks
			WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
		require.Equal(t, []bool{true}, killed)
		other := postgrestest.Open(t, f.Database)
		require.Eventually(t, func() bool {
			led, err := other.Lead(ctx, func(context.Context) {})
			return err == nil && led
		}, 10*time.Second, 10*time.Millisecond, "the lock ends with the session")
		select {
		case <-ctx.Done():
		case <-time.After(30 * time.Second):
			t.Error("the leader does not notice")
		}
	})
	require.True(t, led)
	require.ErrorIs(t, err, store.ErrUnavailable)
}
