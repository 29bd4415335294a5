package workers_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/workers"
)

// What has been read without harm says its record's version; what ended a worker over it is not read again.
func TestALetterNamesTheVersionOfItsRecord(t *testing.T) {
	topology := events.DefaultTopology()
	letter := func(reason events.Reason) (version time.Time, key string) {
		raw := events.Event{
			ID: uuid.NewString(), Source: "s", Type: events.Type(events.Property, events.Upserted), TenantID: tenantA,
			Data: []byte(`{"ListingKey":"K","ModificationTimestamp":"2026-01-02T03:04:05Z"}`),
		}.Message()
		for name, value := range map[string]string{
			"reos-reason": string(reason), "reos-stage": "ingestion", "reos-letter-tenant": tenantA.String(), "reos-failures": "x,2026-01-02T03:04:05Z,",
		} {
			raw.Metadata[name] = value
		}
		l := workers.Letter(topology, workers.Delivery{Raw: raw, Queue: topology.DeadLetterQueue(), Attempt: 1})
		require.Equal(t, []time.Time{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}, l.Failures)
		return l.Version.At, l.Key
	}
	at, key := letter(events.StageError)
	require.Equal(t, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), at)
	require.Equal(t, "K", key)
	at, key = letter(events.StagePanic)
	require.Zero(t, at)
	require.Empty(t, key)
}
