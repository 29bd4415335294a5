package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/postgrestest"
)

// gate holds up transactions of one kind, so that those that come meanwhile wait, and go together afterwards.
type gate struct {
	t    *testing.T
	f    fixture
	lock pgx.Tx
	held sync.WaitGroup
}

const gateKey = 42

// hold has a transaction of a kind wait for what the test lets go of.
func (f fixture) hold(t *testing.T, what string, between func(context.Context) error) *gate {
	t.Helper()
	g := &gate{t: t, f: f}
	var err error
	g.lock, err = connect(t, f.AdminURL).Begin(t.Context())
	require.NoError(t, err)
	_, err = g.lock.Exec(t.Context(), "SELECT pg_advisory_xact_lock($1)", gateKey)
	require.NoError(t, err)
	g.held.Go(func() {
		wait := func(b *pgx.Batch) { b.Queue("SELECT pg_advisory_xact_lock($1)", gateKey) }
		err := f.db.Tenant(f.a).Transact(context.Background(), what, wait, between, func(*pgx.Batch) {})
		if err != nil {
			t.Errorf("hold the gate: %v", err)
		}
	})
	g.await("SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())", 1)
	return g
}

func (g *gate) await(query string, want int) {
	g.t.Helper()
	conn := connect(g.t, g.f.AdminURL)
	require.Eventually(g.t, func() bool {
		var got int
		return conn.QueryRow(g.t.Context(), query).Scan(&got) == nil && got == want
	}, 10*time.Second, time.Millisecond)
}

// open lets all go, once so many wait.
func (g *gate) open(waiting func() int, n int) {
	g.t.Helper()
	require.Eventually(g.t, func() bool { return waiting() == n }, 10*time.Second, time.Millisecond)
	require.NoError(g.t, g.lock.Rollback(g.t.Context()))
}

// together runs a transaction per tenant while the gate is held, then opens it, and returns what became of each.
func (f fixture) together(t *testing.T, what string, tenants []uuid.UUID, run func(tenant uuid.UUID) error) map[uuid.UUID]error {
	t.Helper()
	return f.hold(t, what, nil).release(tenants, run)
}

func (g *gate) release(tenants []uuid.UUID, run func(tenant uuid.UUID) error) map[uuid.UUID]error {
	g.t.Helper()
	var mu sync.Mutex
	errs := map[uuid.UUID]error{}
	var all sync.WaitGroup
	for _, tenant := range tenants {
		all.Go(func() {
			err := run(tenant)
			mu.Lock()
			defer mu.Unlock()
			errs[tenant] = err
		})
	}
	g.open(g.f.db.Waiting, len(tenants))
	g.held.Wait()
	all.Wait()
	return errs
}

// newPatientFixture is a fixture whose transactions wait for each other as long as it takes.
func newPatientFixture(t *testing.T) fixture {
	f := newFixture(t)
	f.db.SetPatience(time.Hour)
	return f
}

// manyTenants makes tenants, each with a record of the same key.
func (f fixture) manyTenants(t *testing.T, n int) []uuid.UUID {
	t.Helper()
	tenants := make([]uuid.UUID, n)
	for i := range tenants {
		tenants[i] = postgrestest.NewTenant(t, f.db)
		mustIngest(t, f.db, tenants[i], property("k", 1))
	}
	return tenants
}

// commits is how many transactions wrote the tenants' rows of a table.
func (f fixture) commits(t *testing.T, table string) int {
	t.Helper()
	return rows[int](t, f.AdminURL, "SELECT count(DISTINCT xmin::text)::int FROM "+table)[0]
}

func judge(f fixture, tenant uuid.UUID, records ...events.Record) error {
	var verdicts []store.Verdict
	for _, record := range records {
		verdicts = append(verdicts, verdict(record, true))
	}
	return f.db.Tenant(tenant).SaveVerdicts(context.Background(), verdicts, nil)
}

func TestSmallTransactionsOfManyTenantsGoTogether(t *testing.T) {
	t.Parallel()
	f := newPatientFixture(t)
	tenants := f.manyTenants(t, 20)
	for tenant, err := range f.together(t, "save verdicts", tenants, func(tenant uuid.UUID) error { return judge(f, tenant, property("k", 1)) }) {
		require.NoError(t, err)
		verdict, err := f.db.Tenant(tenant).Verdict(t.Context(), refOf(property("k", 1)))
		require.NoError(t, err)
		require.True(t, verdict.Passed)
	}
	require.Equal(t, 1, f.commits(t, "verdicts"))
}

func TestTenantThatFailsHarmsNoOtherOfAJointTransaction(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(f fixture, tenant uuid.UUID) error{
		"a constraint": func(f fixture, tenant uuid.UUID) error {
			castle := property("k", 1)
			castle.Type = "castle"
			return judge(f, tenant, castle)
		},
		"a panic": func(f fixture, tenant uuid.UUID) (err error) {
			defer func() {
				if p := recover(); p != nil {
					err = fmt.Errorf("%v", p)
				}
			}()
			return f.db.Tenant(tenant).Transact(context.Background(), "save verdicts", func(*pgx.Batch) { panic("odd") }, nil, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newPatientFixture(t)
			tenants := f.manyTenants(t, 10)
			errs := f.together(t, "save verdicts", tenants, func(tenant uuid.UUID) error {
				if tenant == tenants[4] {
					return fail(f, tenant)
				}
				return judge(f, tenant, property("k", 1))
			})
			for _, tenant := range tenants {
				_, err := f.db.Tenant(tenant).Verdict(t.Context(), refOf(property("k", 1)))
				if tenant == tenants[4] {
					require.Error(t, errs[tenant], "and it is told why")
					require.ErrorIs(t, err, store.ErrNotFound)
					continue
				}
				require.NoError(t, errs[tenant])
				require.NoError(t, err)
			}
			require.Equal(t, 9, f.commits(t, "verdicts"), "each by itself")
			require.NoError(t, judge(f, tenants[4], property("k", 1)), "the connections are fit for use")
		})
	}
}

func TestInvariant4TenantsOfAJointTransactionSeeTheirOwnRowsOnly(t *testing.T) {
	t.Parallel()
	f := newPatientFixture(t)
	tenants := f.manyTenants(t, 20)
	seen := map[uuid.UUID]*[]string{}
	for _, tenant := range tenants {
		seen[tenant] = &[]string{}
	}
	// Nothing but row-level security confines these statements.
	look := func(tenant uuid.UUID) func(*pgx.Batch) {
		return func(b *pgx.Batch) {
			b.Queue("SELECT tenant_id::text FROM properties").Query(func(rows pgx.Rows) error {
				found, err := pgx.CollectRows(rows, pgx.RowTo[string])
				*seen[tenant] = append(*seen[tenant], found...)
				return err
			})
		}
	}
	for tenant, err := range f.together(t, "look", tenants, func(tenant uuid.UUID) error {
		return f.db.Tenant(tenant).Transact(context.Background(), "look", look(tenant), nil, nil)
	}) {
		require.NoError(t, err)
		require.Equal(t, []string{tenant.String()}, *seen[tenant])
	}

	// Nor does anything else in the second half of a transaction, behind all the others' first halves.
	g := f.hold(t, "look twice", func(context.Context) error { return nil })
	for tenant, err := range g.release(tenants, func(tenant uuid.UUID) error {
		return f.db.Tenant(tenant).Transact(context.Background(), "look twice", look(tenant), func(context.Context) error { return nil }, look(tenant))
	}) {
		require.NoError(t, err)
		require.Equal(t, []string{tenant.String(), tenant.String(), tenant.String()}, *seen[tenant])
	}

	// Nor may one write another's.
	theirs := property("theirs", 1)
	for tenant, err := range f.together(t, "forge", tenants[:2], func(tenant uuid.UUID) error {
		return f.db.Tenant(tenant).Transact(context.Background(), "forge", func(b *pgx.Batch) {
			b.Queue(`INSERT INTO index_entries (tenant_id, record_key, version_at, version_seq, present) VALUES ($1, $2, now(), 0, true)`,
				[16]byte(tenants[1]), theirs.Key)
		}, nil, nil)
	}) {
		require.Equal(t, tenant == tenants[1], err == nil, err)
	}
	require.Equal(t, []string{tenants[1].String()}, rows[string](t, f.AdminURL, "SELECT tenant_id::text FROM index_entries"))
}

func TestSideEffectsOfAJointTransaction(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, failing := range map[string]bool{"all succeed": false, "one fails": true} {
		t.Run(name, func(t *testing.T) {
			f := newPatientFixture(t)
			tenants := f.manyTenants(t, 10)
			var mu sync.Mutex
			applied := map[uuid.UUID]int{}
			g := f.hold(t, "index", func(context.Context) error { return nil })
			errs := g.release(tenants, func(tenant uuid.UUID) error {
				return f.db.Tenant(tenant).Index(context.Background(), []store.IndexEntry{entry(property("k", 1), true)},
					func(_ context.Context, granted []string) error {
						mu.Lock()
						defer mu.Unlock()
						if len(granted) == 1 {
							applied[tenant]++
						}
						if failing && tenant == tenants[3] {
							return broken
						}
						return nil
					}, []store.Advance{{Event: eventOf(property("k", 1)), From: events.Indexing, Outcome: events.Done}})
			})
			for _, tenant := range tenants {
				states, err := f.db.Tenant(tenant).IndexStates(t.Context(), "m", []store.Wanted{{Key: "k"}})
				require.NoError(t, err)
				if failing && tenant == tenants[3] {
					require.ErrorIs(t, errs[tenant], broken)
					require.Nil(t, states[0].Entry, "nothing is written whose side effect failed")
					continue
				}
				require.NoError(t, errs[tenant])
				require.True(t, states[0].Entry.Present)
				require.Positive(t, applied[tenant])
			}
			want := 1
			if failing {
				want = 9
			}
			require.Equal(t, want, f.commits(t, "index_entries"))
		})
	}
}

func TestNobodyWaitsLongForATransactionThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tenants := f.manyTenants(t, 10)
	stuck := make(chan struct{})
	g := f.hold(t, "index", func(context.Context) error { <-stuck; return nil })
	defer g.held.Wait()
	defer close(stuck)
	g.open(f.db.Waiting, 0)
	var all sync.WaitGroup
	for _, tenant := range tenants {
		all.Go(func() {
			err := f.db.Tenant(tenant).Index(t.Context(), []store.IndexEntry{entry(property("k", 1), true)},
				func(context.Context, []string) error { return nil }, nil)
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()

	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	err := f.db.Tenant(tenants[0]).Index(ctx, []store.IndexEntry{entry(property("k", 2), true)}, nil, nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Zero(t, f.db.Waiting(), "who has given up is not waited for")
}

func TestJointTransactionThatNobodyWaitsForIsGivenUp(t *testing.T) {
	t.Parallel()
	f := newPatientFixture(t)
	tenants := f.manyTenants(t, 3)
	g := f.hold(t, "slow", nil)
	ctx, cancel := context.WithCancel(t.Context())
	var began atomic.Int32
	errs := g.release(tenants, func(tenant uuid.UUID) error {
		return f.db.Tenant(tenant).Transact(ctx, "slow", func(b *pgx.Batch) {
			if b.Queue("SELECT pg_sleep(60)"); began.Add(1) == int32(len(tenants)) {
				time.AfterFunc(50*time.Millisecond, cancel)
			}
		}, nil, nil)
	})
	for _, err := range errs {
		require.ErrorIs(t, err, context.Canceled)
	}
}
