package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

func TestPausesBeginEndAndBeginAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, platform := f.db.Tenant(f.a), f.db.Platform()
	changed, err := a.Pause(t.Context(), events.Quality, "ann", "prices in cents")
	require.NoError(t, err)
	require.True(t, changed)
	changed, err = a.Pause(t.Context(), events.Quality, "bob", "again")
	require.NoError(t, err)
	require.False(t, changed, "it stays ann's")
	require.NoError(t, platform.Pause(t.Context(), f.b, events.Indexing, "breaker", "1 of 1"))

	list, err := platform.Pauses(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 2)
	byTenant := map[string]string{f.a.String(): "ann", f.b.String(): "breaker"}
	for _, pause := range list {
		require.Equal(t, byTenant[pause.Tenant.String()], pause.By)
		require.Zero(t, pause.ResumedAt)
	}

	changed, err = a.Resume(t.Context(), events.Quality, "ann", "")
	require.NoError(t, err)
	require.True(t, changed)
	changed, err = a.Resume(t.Context(), events.Quality, "ann", "")
	require.NoError(t, err)
	require.False(t, changed)
	changed, err = a.Resume(t.Context(), events.Indexing, "ann", "")
	require.NoError(t, err)
	require.False(t, changed, "another tenant's pause")

	list, err = platform.Pauses(t.Context())
	require.NoError(t, err)
	ended := list[0]
	if ended.Tenant != f.a {
		ended = list[1]
	}
	require.NotZero(t, ended.ResumedAt)
	changed, err = a.Pause(t.Context(), events.Quality, "carol", "worse")
	require.NoError(t, err)
	require.True(t, changed, "a pause that is just ending begins anew")
	require.NoError(t, platform.EndPause(t.Context(), ended))
	list, err = platform.Pauses(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 2, "it began anew before it was forgotten")

	_, err = a.Resume(t.Context(), events.Quality, "ann", "")
	require.NoError(t, err)
	list, err = platform.Pauses(t.Context())
	require.NoError(t, err)
	for _, pause := range list {
		if pause.Tenant == f.a {
			require.NoError(t, platform.EndPause(t.Context(), pause))
		}
	}
	list, err = platform.Pauses(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 1)
}
