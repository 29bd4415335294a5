package isolation

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/postgrestest"
)

// A probe runs in a worker: when Postgres restarts in the middle of one, the attempts fail, and the worker goes on.
func TestASessionOutlivesItsServer(t *testing.T) {
	t.Parallel()
	w := &World{Installation: Installation{DB: postgrestest.New(t)}}
	s, err := w.newSession(t.Context())
	require.NoError(t, err)
	port := s.config.Port
	s.config.Port, s.config.Fallbacks = 1, nil // nobody listens there
	require.NoError(t, s.conn.Close(t.Context()))
	_, err = s.try(t.Context(), "", "SELECT 1")
	require.Error(t, err)
	_, err = s.run(t.Context(), "SELECT 1")
	require.Error(t, err)
	s.close(t.Context())

	s.config.Port = port
	_, err = s.try(t.Context(), "", "SELECT 1")
	require.NoError(t, err)
	s.close(t.Context())
}

// A backup holds a lock on every table for hours. Were an attempt to wait for it, all who work on the table would stand
// behind the attempt.
func TestAProbeWaitsForNobody(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	prober := NewProber(f.Installation, NewMetrics(prometheus.NewRegistry()), zerolog.Nop())
	prober.only = fewReads
	require.NoError(t, prober.Probe(t.Context()), "its canaries are there")

	backup, err := pgx.Connect(t.Context(), f.AdminURL)
	require.NoError(t, err)
	defer func() { require.NoError(t, backup.Close(context.Background())) }()
	tx, err := backup.Begin(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, tx.Rollback(t.Context())) }()
	_, err = tx.Exec(t.Context(), "LOCK TABLE properties, progress IN ACCESS SHARE MODE")
	require.NoError(t, err)
	prober.only = func(a Attempt) bool { return a.Layer == Postgres }
	require.NoError(t, prober.Probe(t.Context()))
}

type points = Points // by another name than that of its method

// awayPoints are those of a vector store that goes away.
type awayPoints struct {
	points
	away *atomic.Bool
}

var errAway = errors.Join(store.ErrUnavailable, errors.New("connection refused"))

func (p awayPoints) Search(ctx context.Context, query store.Query) ([]store.Hit, error) {
	if p.away.Load() {
		return nil, errAway
	}
	return p.points.Search(ctx, query)
}

func (p awayPoints) Upsert(ctx context.Context, all []store.Point) error {
	if p.away.Load() {
		return errAway
	}
	return p.points.Upsert(ctx, all)
}

func TestAStoreThatIsAwayHasLeakedNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var away atomic.Bool
	f.Points = func(id uuid.UUID) Points { return awayPoints{f.points.Tenant(id), &away} }
	report, err := Verify(t.Context(), f.Installation, Options{
		Keep:     true,
		only:     func(a Attempt) bool { return a.Layer == Qdrant },
		Progress: func(int, int) { away.Store(true) },
	})
	require.NoError(t, err)
	require.Empty(t, of(report, Leaked))
	require.NotEmpty(t, of(report, Fault))
	require.False(t, report.Complete)
}
