package deadletters_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers"
	"github.com/codybias9/real-estate-os/workers/deadletters"
)

var (
	tenantA = uuid.MustParse("aaaaaaaa-0000-4000-8000-000000000001")
	tenantB = uuid.MustParse("bbbbbbbb-0000-4000-8000-000000000002")

	topology = events.DefaultTopology()
)

// bench is the stage on a fake Postgres that keeps letters by tenant.
type bench struct {
	stage *deadletters.Stage
	saved map[uuid.UUID][]store.DeadLetter
	fail  error
}

// records is one tenant's part of it.
type records struct {
	*bench
	tenant uuid.UUID
}

func (r records) SaveDeadLetters(_ context.Context, letters []store.DeadLetter) error {
	if r.fail != nil {
		return r.fail
	}
	r.saved[r.tenant] = append(r.saved[r.tenant], letters...)
	return nil
}

func newBench() *bench {
	b := &bench{saved: map[uuid.UUID][]store.DeadLetter{}}
	b.stage = deadletters.New(func(tenant uuid.UUID) deadletters.Records { return records{b, tenant} }, topology)
	return b
}

// process accepts deliveries and hands each tenant's part to the stage, as the runner does.
func (b *bench) process(t *testing.T, deliveries ...workers.Delivery) {
	t.Helper()
	parts := map[uuid.UUID][]workers.Message{}
	for _, d := range deliveries {
		m, err := b.stage.Accept(d)
		require.NoError(t, err)
		parts[m.Tenant] = append(parts[m.Tenant], m)
	}
	for tenant, part := range parts {
		results, err := b.stage.Process(t.Context(), tenant, part)
		require.NoError(t, err)
		require.Len(t, results, len(part))
		for _, result := range results {
			require.Equal(t, events.Done, result.Outcome)
			require.True(t, result.Reason == "" || slices.Contains(events.Reasons, result.Reason), "a metric's label: %q", result.Reason)
		}
	}
}

func upsert(tenant uuid.UUID, id string) *message.Message {
	return events.Event{
		ID: id, Source: "test", Type: events.Type(events.Property, events.Upserted), Subject: "K",
		Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), TenantID: tenant, Data: []byte(`{"City":`),
	}.Message()
}

// died is a message as a stage of ours gives it up.
func died(tenant uuid.UUID, id string) workers.Delivery {
	raw := upsert(tenant, id)
	for key, value := range map[string]string{
		"reos-dead-letter": uuid.NewSHA1(tenant, []byte(id)).String(), "reos-letter-tenant": tenant.String(), "reos-stage": "ingestion",
		"reos-lane": "a", "reos-reason": string(events.DataNotJSON), "reos-error": "data_not_json: message must be JSON",
		"reos-failed": "2026-01-02T03:05:00Z",
	} {
		raw.Metadata[key] = value
	}
	return workers.Delivery{
		Raw: raw, Queue: topology.DeadLetterQueue(), Attempt: 1, RoutingKey: tenant.String() + "." + events.Type(events.Property, events.Upserted),
	}
}

func TestInvariant5NothingIsTooBrokenToBeKept(t *testing.T) {
	bare := message.NewMessage("", []byte("\x00\xff not anything"))
	bare.Metadata = nil
	structured := message.NewMessage("id", []byte(`{"specversion":`))
	structured.Metadata = message.Metadata{"content-type": "application/cloudevents+json", "x-upstream": "\xff\x00"}
	for name, raw := range map[string]*message.Message{
		"garbage without metadata": bare,
		"cut off structured event": structured,
		"nothing at all":           {Metadata: message.Metadata{}},
		"headers that say nothing": {Metadata: message.Metadata{
			"reos-reason": "\xff", "reos-dead-letter": "x", "reos-letter-tenant": "x", "reos-failed": "yesterday",
		}, Payload: []byte("kept")},
	} {
		for _, queue := range []string{topology.DeadLetterQueue(), topology.Unroutable()} {
			t.Run(name+" in "+queue, func(t *testing.T) {
				b := newBench()
				before := time.Now()
				b.process(t, workers.Delivery{Raw: raw, Queue: queue, Attempt: 1, RoutingKey: "no tenant's key"})
				letters := b.saved[store.PlatformTenant]
				require.Len(t, letters, 1, "what belongs to nobody is the platform's")
				letter := letters[0]
				require.NotEqual(t, uuid.Nil, letter.ID)
				require.Equal(t, uuid.Nil, letter.Event)
				require.NotEmpty(t, letter.Reason)
				require.Equal(t, raw.Payload, message.Payload(letter.Payload), "original bytes")
				require.WithinRange(t, letter.FailedAt, before.Add(-time.Second), time.Now())
				require.Equal(t, letter.FailedAt, letter.FirstFailedAt)
				if value, ok := raw.Metadata["x-upstream"]; ok {
					require.Equal(t, value, letter.Headers["x-upstream"], "original headers")
				}
			})
		}
	}
}

func TestInvariant4LettersAreSavedByTheirTenantsHandle(t *testing.T) {
	b := newBench()
	unroutable := workers.Delivery{
		Raw: upsert(tenantB, "3"), Queue: topology.Unroutable(), Attempt: 1, RoutingKey: tenantB.String() + ".reos.property.upserted.v1",
	}
	b.process(t, died(tenantA, "1"), died(tenantB, "1"), unroutable, died(tenantA, "2"))
	require.Len(t, b.saved, 3)
	require.Len(t, b.saved[tenantA], 2)
	require.Len(t, b.saved[tenantB], 1)
	require.Len(t, b.saved[store.PlatformTenant], 1)
	for tenant, letters := range b.saved {
		for _, letter := range letters {
			require.Equal(t, tenant, letter.Tenant)
		}
	}
	require.Equal(t, events.TenantUnknown, b.saved[store.PlatformTenant][0].Reason)
	letter := b.saved[tenantA][0]
	require.Equal(t, events.DataNotJSON, letter.Reason)
	require.Equal(t, events.Ingestion, letter.Stage)
	require.Equal(t, events.Property, letter.RecordType)
	require.Equal(t, "K", letter.Key)
	require.Equal(t, []byte(`{"City":`), letter.Payload)
}

func TestInvariant2SameLetterTwiceInABatchIsSavedOnce(t *testing.T) {
	b := newBench()
	garbage := workers.Delivery{Raw: message.NewMessage("", []byte("garbage")), Queue: topology.Unroutable(), Attempt: 1}
	redelivered := workers.Delivery{Raw: message.NewMessage("", []byte("garbage")), Queue: topology.Unroutable(), Attempt: 1}
	b.process(t, died(tenantA, "1"), garbage, died(tenantA, "2"), died(tenantA, "1"), redelivered)
	require.Len(t, b.saved[tenantA], 2)
	require.Len(t, b.saved[store.PlatformTenant], 1)
	first := b.saved[tenantA][0].ID
	b.process(t, died(tenantA, "1"))
	require.Equal(t, first, b.saved[tenantA][2].ID, "a redelivery is the same letter")
}

func TestErrorsOfTheStorePassThrough(t *testing.T) {
	b := newBench()
	b.fail = fmt.Errorf("dial: %w", store.ErrUnavailable)
	m, err := b.stage.Accept(died(tenantA, "1"))
	require.NoError(t, err)
	_, err = b.stage.Process(t.Context(), tenantA, []workers.Message{m})
	require.ErrorIs(t, err, store.ErrUnavailable)
}
