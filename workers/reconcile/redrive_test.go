package reconcile_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers/reconcile"
)

// bench is a redriver on fakes.
type bench struct {
	overdue   *fakeOverdue
	transport *fakeTransport
	registry  *prometheus.Registry
	log       bytes.Buffer
	redriver  *reconcile.Redriver
}

func newBench(unmoved map[uuid.UUID][]store.Unmoved) *bench {
	b := &bench{overdue: &fakeOverdue{unmoved: unmoved}, transport: newTransport(), registry: prometheus.NewRegistry()}
	b.redriver = reconcile.NewRedriver(b.overdue, func(id uuid.UUID) reconcile.OverdueRecords { return overdueOf{b.overdue, id} },
		b.transport, b.transport.topology, reconcile.Config{RedriveAfter: time.Minute, RedriveInterval: time.Second},
		reconcile.NewMetrics(b.registry), zerolog.New(&b.log))
	return b
}

func unmoved(key string, stage events.Stage, lane string) store.Unmoved {
	return store.Unmoved{
		Event: uuid.NewSHA1(uuid.NameSpaceOID, []byte(key)), ID: "id of " + key, Ref: store.Ref{Type: events.Property, Key: key},
		Version: events.NewVersion(noon, 3), OccurredAt: noon.Add(-time.Minute), AcceptedAt: noon.Add(time.Minute), RunID: "run",
		Trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Place: store.Place{Stage: stage, Lane: lane}, Redrives: 1,
	}
}

func many(n int, stage events.Stage) []store.Unmoved {
	all := make([]store.Unmoved, n)
	for i := range all {
		all[i] = unmoved(fmt.Sprintf("k%04d", i), stage, "a")
	}
	return all
}

func TestInvariant6WhatWasLostIsSaidAgainAsTheFirstTime(t *testing.T) {
	judged, embedded, removed := unmoved("judged", events.Indexing, "bulk"), unmoved("embedded", events.Indexing, "b"), unmoved("removed", events.Indexing, "a")
	judged.Judged, embedded.Judged, embedded.Embedded = true, true, true
	lease := unmoved("lease", events.Quality, "a")
	lease.Ref.Type = events.Lease
	passed := unmoved("passed", events.Embedding, "a")
	passed.Judged = true
	b := newBench(map[uuid.UUID][]store.Unmoved{
		tenantA: {unmoved("ingested", events.Quality, "a"), passed, judged, embedded, removed}, tenantB: {lease},
	})
	require.NoError(t, b.redriver.Run(t.Context()))
	said := b.transport.said(t)
	require.Len(t, said, 6)
	for _, one := range said {
		key := one.step.Key
		want := map[string]struct {
			verb   events.Verb
			stage  events.Stage
			record events.RecordType
			lane   string
			tenant uuid.UUID
			cause  string // verb, or the event's own id
		}{
			"ingested": {events.Ingested, events.Ingestion, events.Property, "a", tenantA, ""},
			"passed":   {events.Passed, events.Quality, events.Property, "a", tenantA, "ingested"},
			"judged":   {events.Quarantined, events.Quality, events.Property, "bulk", tenantA, "ingested"},
			"embedded": {events.Embedded, events.Embedding, events.Property, "b", tenantA, "passed"},
			"removed":  {events.Removed, events.Ingestion, events.Property, "a", tenantA, ""},
			"lease":    {events.Ingested, events.Ingestion, events.Lease, "a", tenantB, ""},
		}[key]
		first := unmoved(key, "", "")
		eventType := events.Type(want.record, want.verb)
		require.Equal(t, eventType, one.event.Type, key)
		require.Equal(t, b.transport.topology.EventTopic(want.lane, want.tenant, eventType), one.topic, key)
		require.Equal(t, uuid.NewSHA1(first.Event, []byte(eventType)).String(), one.event.ID, key)
		require.Equal(t, "reos/"+string(want.stage), one.event.Source, key)
		require.Equal(t, want.tenant, one.event.TenantID, key)
		require.Equal(t, "run", one.event.RunID)
		require.Equal(t, first.Trace, one.event.TraceParent)
		cause := "id of " + key
		if want.cause != "" {
			cause = uuid.NewSHA1(first.Event, []byte(events.Type(events.Property, events.Verb(want.cause)))).String()
		}
		require.Equal(t, cause, one.event.CausationID, key)
		require.Equal(t, events.Step{
			RecordType: want.record, Key: key, VersionAt: noon, VersionSeq: 3, Origin: first.Event,
			OccurredAt: first.OccurredAt, AcceptedAt: first.AcceptedAt,
		}, one.step, key)
	}
	got := samples(t, b.registry)
	require.Equal(t, 2.0, got["reos_redriven_events_total/quality"])
	require.Equal(t, 1.0, got["reos_redriven_events_total/embedding"])
	require.Equal(t, 3.0, got["reos_redriven_events_total/indexing"])
	require.Positive(t, got["reos_redrive_run_timestamp_seconds"])
}

func TestABacklogIsNotDrivenAgain(t *testing.T) {
	b := newBench(map[uuid.UUID][]store.Unmoved{
		tenantA: {unmoved("queued", events.Quality, "a"), unmoved("lost", events.Quality, "b"), unmoved("gone", events.Embedding, "a")},
	})
	b.transport.depths[b.transport.topology.StageQueue(events.Quality, "a")] = 1
	require.NoError(t, b.redriver.Run(t.Context()))
	var keys []string
	for _, one := range b.transport.said(t) {
		keys = append(keys, one.step.Key)
	}
	require.ElementsMatch(t, []string{"lost", "gone"}, keys)
	require.Len(t, b.overdue.unmoved[tenantA], 1, "it is not even marked")
}

func TestQueuesAreLookedAtBeforeEveryRound(t *testing.T) {
	b := newBench(map[uuid.UUID][]store.Unmoved{tenantA: many(1200, events.Quality), tenantB: many(100, events.Quality)})
	require.NoError(t, b.redriver.Run(t.Context()))
	require.Len(t, b.transport.said(t), 1300)
	require.Equal(t, 3, b.transport.looks, "500 of one tenant at a time")
	for _, asked := range b.overdue.asked {
		require.LessOrEqual(t, asked.Limit, 500)
		require.Equal(t, time.Minute, asked.After)
		require.Equal(t, b.transport.topology.AllLanes(), asked.Lanes)
	}
}

func TestAPublishThatFailsIsTold(t *testing.T) {
	b := newBench(map[uuid.UUID][]store.Unmoved{tenantA: many(1, events.Quality)})
	b.transport.failure = errors.New("the broker is away")
	require.ErrorIs(t, b.redriver.Run(t.Context()), b.transport.failure)
	require.Zero(t, samples(t, b.registry)["reos_redriven_events_total/quality"])
}

func TestWhatDoesNotMoveIsTold(t *testing.T) {
	stuck, fresh := unmoved("stuck", events.Embedding, "a"), unmoved("fresh", events.Embedding, "a")
	stuck.Redrives, fresh.Redrives = 5, 4
	b := newBench(map[uuid.UUID][]store.Unmoved{tenantA: {fresh, stuck}})
	require.NoError(t, b.redriver.Run(t.Context()))
	require.Equal(t, 1.0, samples(t, b.registry)["reos_redriven_unmoved_events_total/embedding"])
	require.Equal(t, 1, strings.Count(b.log.String(), `"level":"error"`))
	require.Contains(t, b.log.String(), `"record_key":"stuck"`)
	require.Contains(t, b.log.String(), tenantA.String())
	require.Len(t, b.transport.said(t), 2, "and driven again all the same")
}
