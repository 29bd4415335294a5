package postgres_test

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

func receiptOf(record events.Record) store.Receipt {
	a := acceptance(record)
	return store.Receipt{Event: a.Event, ID: a.ID, Source: a.Source, Type: a.Type, By: "ann", RunID: "run", Lane: store.LiveEntry}
}

func claim(key, body string) store.KeyClaim {
	return store.KeyClaim{Key: key, Fingerprint: sha256.Sum256([]byte(body)), Claim: uuid.New(), Keep: 24 * time.Hour, Lease: time.Minute}
}

func TestReceiptStaysAsItWasFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tenant := f.db.Tenant(f.a)
	first, again := receiptOf(property("k", 1)), receiptOf(property("k", 1))
	again.By, again.RunID = "bob", "another"
	require.NoError(t, tenant.SaveReceipts(t.Context(), []store.Receipt{first, again, receiptOf(property("l", 1))}))
	require.NoError(t, tenant.SaveReceipts(t.Context(), []store.Receipt{again}))
	require.NoError(t, tenant.SaveReceipts(t.Context(), nil))

	trail, err := tenant.Trail(t.Context(), store.EventRef{Event: first.Event, ID: first.ID})
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), trail.Receipt.ReceivedAt, time.Minute)
	trail.Receipt.ReceivedAt = time.Time{}
	require.Equal(t, first, *trail.Receipt)
	trail, err = f.db.Tenant(f.b).Trail(t.Context(), store.EventRef{Event: first.Event, ID: first.ID})
	require.NoError(t, err)
	require.Nil(t, trail.Receipt, "another tenant's")
}

func TestIdempotencyKeyIsOneCallersAtATime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tenant := f.db.Tenant(f.a)
	mine := claim("k", "body")
	state, err := tenant.ClaimKey(t.Context(), mine)
	require.NoError(t, err)
	require.True(t, state.Mine)

	state, err = tenant.ClaimKey(t.Context(), claim("k", "other"))
	require.NoError(t, err)
	require.False(t, state.Mine)
	require.Nil(t, state.Answer, "it is being worked on")
	require.Equal(t, mine.Fingerprint, state.Fingerprint)
	state, err = f.db.Tenant(f.b).ClaimKey(t.Context(), claim("k", "other"))
	require.NoError(t, err)
	require.True(t, state.Mine, "another tenant's keys are others")

	require.NoError(t, tenant.ReleaseKey(t.Context(), "k", uuid.New()))
	state, err = tenant.ClaimKey(t.Context(), claim("k", "body"))
	require.NoError(t, err)
	require.False(t, state.Mine, "it was not theirs to release")

	require.NoError(t, tenant.AnswerKey(t.Context(), "k", mine.Claim, store.KeyAnswer{Status: 202, Body: []byte("{}")},
		[]store.Receipt{receiptOf(property("k", 1))}))
	require.NoError(t, tenant.ReleaseKey(t.Context(), "k", mine.Claim))
	state, err = tenant.ClaimKey(t.Context(), claim("k", "body"))
	require.NoError(t, err)
	require.Equal(t, store.KeyState{Fingerprint: mine.Fingerprint, Answer: &store.KeyAnswer{Status: 202, Body: []byte("{}")}}, state)
	refs, err := tenant.FindEvents(t.Context(), receiptOf(property("k", 1)).ID, "")
	require.NoError(t, err)
	require.Len(t, refs, 1, "the receipts are kept with the answer")
}

func TestIdempotencyKeyComesFree(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tenant := f.db.Tenant(f.a)
	stuck := claim("stuck", "body")
	for _, c := range []store.KeyClaim{stuck, claim("released", "body")} {
		state, err := tenant.ClaimKey(t.Context(), c)
		require.NoError(t, err)
		require.True(t, state.Mine)
		if c.Key == "released" {
			require.NoError(t, tenant.ReleaseKey(t.Context(), c.Key, c.Claim))
		}
	}
	state, err := tenant.ClaimKey(t.Context(), claim("released", "other"))
	require.NoError(t, err)
	require.True(t, state.Mine)

	late := claim("stuck", "other")
	late.Lease = 0
	state, err = tenant.ClaimKey(t.Context(), late)
	require.NoError(t, err)
	require.False(t, state.Mine, "an attempt that died still tells what the key was for")
	late.Fingerprint = stuck.Fingerprint
	state, err = tenant.ClaimKey(t.Context(), late)
	require.NoError(t, err)
	require.True(t, state.Mine, "the attempt that had it has died")
	require.NoError(t, tenant.AnswerKey(t.Context(), "stuck", stuck.Claim, store.KeyAnswer{Status: 202, Body: []byte("late")}, nil))
	state, err = tenant.ClaimKey(t.Context(), claim("stuck", "body"))
	require.NoError(t, err)
	require.Nil(t, state.Answer, "who has lost it cannot answer")

	old := claim("stuck", "other")
	old.Keep = 0
	state, err = tenant.ClaimKey(t.Context(), old)
	require.NoError(t, err)
	require.True(t, state.Mine, "after its time a key means nothing")
}

func TestOneOfManyGetsTheIdempotencyKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	got := make(chan bool, 16)
	var group errgroup.Group
	for range cap(got) {
		group.Go(func() error {
			state, err := f.db.Tenant(f.a).ClaimKey(t.Context(), claim("k", "body"))
			got <- state.Mine
			return err
		})
	}
	require.NoError(t, group.Wait())
	mine := 0
	for range cap(got) {
		if <-got {
			mine++
		}
	}
	require.Equal(t, 1, mine)
}

func TestPurgeKeepsWhatIsYoung(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i := range 3 {
		record := property(fmt.Sprint("k", i), 1)
		require.NoError(t, f.db.Tenant(f.a).SaveReceipts(t.Context(), []store.Receipt{receiptOf(record)}))
		_, err := f.db.Tenant(f.b).ClaimKey(t.Context(), claim(fmt.Sprint(i), "body"))
		require.NoError(t, err)
	}
	execute(t, f.AdminURL, "UPDATE receipts SET received_at = now() - interval '2 days' WHERE event_id = '"+receiptOf(property("k1", 1)).ID+"'")
	execute(t, f.AdminURL, "UPDATE idempotency_keys SET claimed_at = now() - interval '2 hours' WHERE key < '2'")
	purged, err := f.db.Platform().PurgeReceipts(t.Context(), 24*time.Hour, time.Hour)
	require.NoError(t, err)
	require.EqualValues(t, 3, purged)
	require.Equal(t, []int{2}, rows[int](t, f.AdminURL, "SELECT count(*) FROM receipts"))
	require.Equal(t, []string{"2"}, rows[string](t, f.AdminURL, "SELECT key FROM idempotency_keys"))
}

// execute runs a statement as the administrator.
func execute(t *testing.T, adminURL, sql string) {
	t.Helper()
	_, err := connect(t, adminURL).Exec(t.Context(), sql)
	require.NoError(t, err)
}
