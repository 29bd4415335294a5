package api_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store/embedded"
	"github.com/codybias9/real-estate-os/store/objects"
	"github.com/codybias9/real-estate-os/store/postgrestest"
	"github.com/codybias9/real-estate-os/store/qdrant"
	"github.com/codybias9/real-estate-os/workers"
	"github.com/codybias9/real-estate-os/workers/archive"
	"github.com/codybias9/real-estate-os/workers/embedding"
	"github.com/codybias9/real-estate-os/workers/freshness"
	"github.com/codybias9/real-estate-os/workers/indexing"
	"github.com/codybias9/real-estate-os/workers/ingestion"
	"github.com/codybias9/real-estate-os/workers/quality"
)

// reading is an API on real stores, with the stages that fill them: work runs what was published through all of them.
type reading struct {
	*front
	points  *qdrant.Client
	objects *objects.Client
	stages  map[events.Stage]workers.Stage
	worked  int // of what was published

	reader, stranger *client // of the tenant, and of another one
	other            uuid.UUID
}

func newReading(t *testing.T, change ...func(*api.Config, *api.Parts)) *reading {
	t.Helper()
	r := &reading{}
	vectors, err := embedded.StartQdrant(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, vectors.Close()) })
	r.points, err = qdrant.Open(t.Context(), qdrant.Config{URL: vectors.URL(), Collection: "reos_properties"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.points.Close()) })
	embedder := embedding.NewHashing()
	require.NoError(t, r.points.Ensure(t.Context(), embedder.Model(), embedder.Dimensions()))

	files, err := embedded.StartS3(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, files.Close()) })
	r.objects, err = objects.Open(t.Context(), objects.Config{URL: files.URL()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.objects.Close()) })

	r.front = newFront(t, append([]func(*api.Config, *api.Parts){func(config *api.Config, parts *api.Parts) {
		config.MaxDocumentBytes = 1 << 30
		parts.Embedder = embedder
		parts.Points = func(id uuid.UUID) api.Points { return r.points.Tenant(id) }
		parts.Records = func(id uuid.UUID) api.Records { return r.db.Tenant(id) }
		parts.Documents = func(id uuid.UUID) api.Documents { return r.objects.Tenant(id) }
		parts.Raw = func(ctx context.Context, tenant, event uuid.UUID) ([]byte, error) {
			return archive.Read(ctx, r.db.Tenant(tenant), r.objects.Tenant(tenant), event)
		}
	}}, change...)...)
	r.stages = map[events.Stage]workers.Stage{
		events.Ingestion: ingestion.New(
			func(id uuid.UUID) ingestion.Records { return r.db.Tenant(id) },
			func(id uuid.UUID) ingestion.Archive { return r.objects.Tenant(id) }),
		events.Quality:   quality.New(func(id uuid.UUID) quality.Records { return r.db.Tenant(id) }),
		events.Embedding: embedding.New(func(id uuid.UUID) embedding.Records { return r.db.Tenant(id) }, embedder),
		events.Indexing: indexing.New(
			func(id uuid.UUID) indexing.Records { return r.db.Tenant(id) },
			func(id uuid.UUID) indexing.Points { return r.points.Tenant(id) }, embedder.Model(),
			freshness.NewTimes(func(id uuid.UUID) freshness.TimesRecords { return r.db.Tenant(id) }, prometheus.NewRegistry(), zerolog.Nop())),
	}
	r.other = postgrestest.NewTenant(t, r.db)
	r.reader, r.stranger = r.as(r.id, auth.Reader), r.as(r.other, auth.Reader)
	return r
}

// publish sends one event in binary mode, with a version of its own.
func (r *reading) publish(who *client, eventType, key, data string) string {
	r.t.Helper()
	var sent publication
	who.with("ce-specversion", "1.0").with("ce-id", uuid.NewString()).with("ce-source", "mls/x").with("ce-type", eventType).
		with("ce-subject", url.PathEscape(key)).with("ce-time", time.Now().UTC().Format(time.RFC3339Nano)).
		with("Content-Type", "application/json").post("/v1/events", data).ok(&sent)
	require.Len(r.t, sent.Receipts, 1)
	return sent.Receipts[0].EventUID
}

// work runs what was published since the last time through all stages, one event after the other.
func (r *reading) work() {
	r.t.Helper()
	for _, e := range r.broker.events(r.t)[r.worked:] {
		r.worked++
		r.process(events.Ingestion, e)
	}
}

// process runs an event through a stage, and what the stage says of it through those behind.
func (r *reading) process(name events.Stage, e events.Event) {
	r.t.Helper()
	message := workers.Message{
		Delivery: workers.Delivery{Raw: e.Message(), Lane: "a"}, Tenant: e.TenantID, Event: e,
	}
	if name != events.Ingestion {
		var err error
		message.Step, err = events.DecodeStep(e)
		require.NoError(r.t, err)
	}
	results, err := r.stages[name].Process(r.t.Context(), e.TenantID, []workers.Message{message})
	require.NoError(r.t, err)
	require.NotEqual(r.t, events.Dead, results[0].Outcome, "%v", results[0].Err)
	for _, output := range results[0].Outputs {
		record, verb, _ := events.ParseType(output.Type)
		switch {
		case verb == events.Ingested:
			r.process(events.Quality, output)
		case verb == events.Passed && record.Searchable():
			r.process(events.Embedding, output)
		case record.Searchable() && slices.Contains([]events.Verb{events.Embedded, events.Quarantined, events.Removed}, verb):
			r.process(events.Indexing, output)
		}
	}
}

// home is a property that passes, with what searches narrow by.
func home(key, city, status, price string, bedrooms int, latitude, longitude float64) string {
	return fmt.Sprintf(`{"ListingKey":%q,"StandardStatus":%q,"ListPrice":%s,"BedroomsTotal":%d,"City":%q,"UnparsedAddress":"12 Lake St, %s, WA 98033",
		"PostalCode":"98033","PropertyType":"Residential","LivingArea":1850,"YearBuilt":1987,"Latitude":%v,"Longitude":%v,
		"PublicRemarks":"Craftsman with a view of the lake and a large garden"}`, key, status, price, bedrooms, city, city, latitude, longitude)
}

const (
	upserted = "reos.property.upserted.v1"
	deleted  = "reos.property.deleted.v1"
)

// path is a path with the last segment encoded as a whole.
func path(before, segment string, behind ...string) string {
	encoded := before + url.PathEscape(segment)
	for _, part := range behind {
		encoded += part
	}
	return encoded
}
