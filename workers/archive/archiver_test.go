package archive_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/store"
)

const minute = time.Minute

var thisMinute = time.Now().Truncate(minute)

// span begins a span of time that is so many spans in the past.
func span(before int) time.Time { return thisMinute.Add(-time.Duration(before) * minute) }

func TestEachSpanOfTimeBecomesAnObjectOfEachTenant(t *testing.T) {
	f := newFakeStores()
	archiver, registry := newArchiver(f, minute)
	var old []uuid.UUID
	for range 5 {
		old = append(old, f.stage(tenantA, span(3), 10))
	}
	next := f.stage(tenantA, span(2), 10)
	theirs := f.stage(tenantB, span(2), 10)
	young := f.stage(tenantA, time.Now(), 10)
	require.NoError(t, archiver.Run(t.Context()))

	require.Len(t, f.objects, 3)
	for i, event := range old {
		require.Equal(t, f.archived[old[0]].Key, f.archived[event].Key)
		require.EqualValues(t, i, f.archived[event].Offset, "in the order in which they were staged")
	}
	require.NotEqual(t, f.archived[old[0]].Key, f.archived[next].Key)
	require.Contains(t, f.archived[theirs].Key, tenantB.String())
	require.Contains(t, f.archived[theirs].Key, span(2).UTC().Format("/2006/01/02/"))
	require.NotContains(t, f.archived, young, "more may come to it")
	got := samples(t, registry)
	require.Equal(t, 3.0, got["reos_archived_objects_total"])
	require.Equal(t, 7.0, got["reos_archived_events_total"])
	require.Equal(t, 80.0, got["reos_staged_raw_bytes"], "before the run")
	require.Equal(t, float64(span(3).Unix()), got["reos_staged_raw_oldest_timestamp_seconds"])

	require.NoError(t, archiver.Run(t.Context()))
	require.Equal(t, 3, f.puts)
	require.Equal(t, 10.0, samples(t, registry)["reos_staged_raw_bytes"])
	archiver.Retire()
	require.NotContains(t, samples(t, registry), "reos_staged_raw_bytes", "it is for another process to say")
}

func TestAFullObjectDoesNotWait(t *testing.T) {
	f := newFakeStores()
	archiver, _ := newArchiver(f, 100_000*time.Hour)
	const mebibyte = 1 << 20
	at := time.Now().Add(-time.Minute) // settled
	for i := range 10 {
		f.stage(tenantA, at.Add(time.Duration(i)*time.Millisecond), mebibyte)
	}
	require.NoError(t, archiver.Run(t.Context()))
	require.Len(t, f.objects, 2)
	for _, frames := range f.objects {
		require.Len(t, frames, 4)
	}
	require.Len(t, f.staged[tenantA], 2, "the rest may still grow")
}

func TestInvariant1ARunThatIsCutOffIsRepeated(t *testing.T) {
	f := newFakeStores()
	archiver, registry := newArchiver(f, minute)
	first, second := f.stage(tenantA, span(2), 10), f.stage(tenantA, span(2), 10)
	gone := errors.New("the connection is lost")
	f.putFails = func(uuid.UUID) error { return store.ErrUnavailable }
	require.ErrorIs(t, archiver.Run(t.Context()), store.ErrUnavailable)
	f.putFails = func(uuid.UUID) error { return nil }
	f.unstageFails = gone
	require.NoError(t, archiver.Run(t.Context()), "a fault of one tenant's is logged and counted")
	require.Empty(t, f.archived)
	require.Len(t, f.staged[tenantA], 2, "what is not said to be in an object stays staged")
	f.stage(tenantA, time.Now(), 10)
	f.unstageFails = nil
	require.NoError(t, archiver.Run(t.Context()))
	require.Equal(t, 2, f.puts)
	require.Len(t, f.objects, 1, "the same object, under the same name, though more was staged since")
	require.Equal(t, f.archived[first].Key, f.archived[second].Key)
	require.Equal(t, 2.0, samples(t, registry)["reos_archive_failures_total"])
}

func TestWhatFailsOfOneTenantHarmsNoOther(t *testing.T) {
	f := newFakeStores()
	archiver, _ := newArchiver(f, minute)
	f.stage(tenantA, span(3), 10)
	theirs := f.stage(tenantB, span(2), 10)
	f.putFails = func(tenant uuid.UUID) error {
		if tenant == tenantA {
			return errors.New("no")
		}
		return nil
	}
	require.NoError(t, archiver.Run(t.Context()))
	require.Contains(t, f.archived, theirs)
	require.Len(t, f.staged[tenantA], 1)
}
