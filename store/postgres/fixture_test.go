package postgres_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/postgres"
	"github.com/codybias9/real-estate-os/store/postgrestest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is a database with two tenants.
type fixture struct {
	postgrestest.Database
	db   *postgres.DB
	a, b uuid.UUID
}

func newFixture(t testing.TB) fixture {
	database := postgrestest.NewDatabase(t)
	db := postgrestest.Open(t, database)
	return fixture{Database: database, db: db, a: postgrestest.NewTenant(t, db), b: postgrestest.NewTenant(t, db)}
}

var epoch = time.Date(2026, 1, 31, 12, 0, 0, 123456000, time.UTC)

func versionAt(n int) events.Version {
	return events.Version{At: epoch.Add(time.Duration(n/2) * time.Second), Sequence: int64(n % 2)}
}

// property is a record at the nth version.
func property(key string, n int) events.Record {
	return events.Record{
		Type: events.Property, Key: key, Version: versionAt(n),
		Doc: fmt.Appendf(nil, `{"BedroomsTotal":3,"City":"Łódź","ListPrice":%d.50,"ListingKey":%q,"StandardStatus":"Active"}`, 1000+n, key),
	}
}

func tombstone(key string, n int) events.Record {
	return events.Record{Type: events.Property, Key: key, Version: versionAt(n), Deleted: true}
}

// eventOf is the UID of the event that brings a version of a record.
func eventOf(record events.Record) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "%s %s %v", record.Type, record.Key, record.Version))
}

func refOf(record events.Record) store.Ref { return store.Ref{Type: record.Type, Key: record.Key} }

func acceptance(record events.Record) store.Acceptance {
	return store.Acceptance{
		Event: eventOf(record), ID: eventOf(record).String(), Source: "mls", Type: events.Type(record.Type, events.Upserted),
		Ref: refOf(record), Version: record.Version, OccurredAt: record.Version.At, Lane: "a", Next: events.Quality,
	}
}

// planFor is what ingestion decides: newer versions are written, older ones end as stale, known events change nothing.
func planFor(tenant uuid.UUID, records []events.Record) func(store.Known) (store.IngestPlan, error) {
	return func(known store.Known) (store.IngestPlan, error) {
		var plan store.IngestPlan
		for _, record := range records {
			accepted := acceptance(record)
			held, exists := known.Records[accepted.Ref]
			if !exists || held.Version.Compare(record.Version) < 0 {
				plan.Records = append(plan.Records, store.RecordWrite{Record: record, Event: accepted.Event})
			} else {
				accepted.Next, accepted.Outcome, accepted.Reason = "", events.Stale, events.VersionOlder
			}
			if !known.Events[accepted.Event] {
				plan.Accepted = append(plan.Accepted, accepted)
			}
			if !known.Events[accepted.Event] && !known.Archived[accepted.Event] {
				plan.Archived = append(plan.Archived, accepted.Event)
			}
		}
		plan.Archive = func(context.Context) ([]store.Span, error) {
			spans := make([]store.Span, len(plan.Archived))
			for i, id := range plan.Archived {
				spans[i] = store.Span{Key: tenant.String() + "/raw/object", Offset: int64(i) * 10, Length: 10, SHA256: sha256.Sum256(id[:])}
			}
			return spans, nil
		}
		return plan, nil
	}
}

// ingest brings records in as one batch; no record twice.
func ingest(ctx context.Context, db *postgres.DB, tenant uuid.UUID, records ...events.Record) error {
	ids, refs := make([]uuid.UUID, len(records)), make([]store.Ref, len(records))
	for i, record := range records {
		ids[i], refs[i] = eventOf(record), refOf(record)
	}
	for {
		err := db.Tenant(tenant).Ingest(ctx, ids, refs, planFor(tenant, records))
		if !isConflict(err) {
			return err
		}
	}
}

func mustIngest(t testing.TB, db *postgres.DB, tenant uuid.UUID, records ...events.Record) {
	t.Helper()
	require.NoError(t, ingest(t.Context(), db, tenant, records...))
}

// frameOf stands for the packed bytes of the event that brings a record.
func frameOf(record events.Record) store.Frame {
	id := eventOf(record)
	return store.Frame{Packed: []byte("frame of " + id.String()), SHA256: sha256.Sum256(id[:])}
}

// mustStage brings records in as one batch whose raw bytes are staged.
func mustStage(t testing.TB, db *postgres.DB, tenant uuid.UUID, records ...events.Record) {
	t.Helper()
	err := db.Tenant(tenant).Ingest(t.Context(), nil, nil, func(known store.Known) (store.IngestPlan, error) {
		plan, err := planFor(tenant, records)(known)
		for _, record := range records {
			plan.Staged = append(plan.Staged, frameOf(record))
		}
		return plan, err
	})
	require.NoError(t, err)
}

func advance(record events.Record, from, next events.Stage) []store.Advance {
	return []store.Advance{{Event: eventOf(record), From: from, Next: next}}
}

func verdict(record events.Record, passed bool) store.Verdict {
	v := store.Verdict{Ref: refOf(record), Version: record.Version, Suite: "property/1", Passed: passed, Failures: []store.Failure{}}
	if !passed {
		v.Failures = append(v.Failures, store.Failure{Expectation: "price_positive", Severity: store.SeverityError, Field: "ListPrice"})
	}
	return v
}

func embedding(record events.Record, content byte) store.EmbeddingWrite {
	hash := sha256.Sum256([]byte{content})
	return store.EmbeddingWrite{
		Key: record.Key, Version: record.Version, ContentHash: hash[:], Vector: []float32{float32(content), -1.5, 0},
	}
}

func entry(record events.Record, present bool) store.IndexEntry {
	return store.IndexEntry{Key: record.Key, Version: record.Version, Present: present}
}

// tenantTables are all tables with a tenant_id.
func tenantTables(t testing.TB, adminURL string) []string {
	return rows[string](t, adminURL, `
		SELECT c.oid::regclass::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
		WHERE c.relkind IN ('r', 'p') ORDER BY 1`)
}

// contents is every row of every tenant table with the transaction that wrote it.
func contents(t testing.TB, adminURL string) map[string][]string {
	all := map[string][]string{}
	for _, table := range tenantTables(t, adminURL) {
		all[table] = rows[string](t, adminURL, "SELECT xmin || ' ' || r::text FROM "+table+" r ORDER BY 1")
	}
	return all
}

// status is one tenant's.
func status(t testing.TB, db *postgres.DB, tenant uuid.UUID) store.TenantStatus {
	t.Helper()
	statuses, err := db.Platform().Status(t.Context(), []uuid.UUID{tenant})
	require.NoError(t, err)
	require.Len(t, statuses, 1)
	return statuses[0]
}
