package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	watermill "github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/cmd/reos/demo"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers/embedding"
	"github.com/codybias9/real-estate-os/workers/quality"
)

func TestFilesAreWhatTheGeneratorMakes(t *testing.T) {
	feed, expected, err := generate()
	require.NoError(t, err)
	for name, made := range map[string][]byte{"feed.ndjson": feed, "expected.json": expected} {
		file, err := os.ReadFile("../" + name)
		require.NoError(t, err)
		require.True(t, bytes.Equal(made, file), "%s is out of date: go generate ./cmd/reos/demo", name)
	}
	require.Less(t, len(feed), 1_500_000)

	loaded, err := demo.Load()
	require.NoError(t, err)
	require.Len(t, loaded.Messages, loaded.Expected.Published)
}

// reading is what somebody finds who reads the feed message by message, as the contract says.
type reading struct {
	ledger
	seen  map[uuid.UUID]map[uuid.UUID]bool
	held  map[uuid.UUID]map[store.Ref]events.Record
	prior map[uuid.UUID]map[store.Ref]events.Record
}

func read(t *testing.T, feed []byte) *reading {
	t.Helper()
	r := &reading{
		seen: map[uuid.UUID]map[uuid.UUID]bool{}, held: map[uuid.UUID]map[store.Ref]events.Record{},
		prior: map[uuid.UUID]map[store.Ref]events.Record{},
	}
	for _, a := range agencies() {
		r.seen[a.ledger.ID] = map[uuid.UUID]bool{}
		r.held[a.ledger.ID] = map[store.Ref]events.Record{}
		r.prior[a.ledger.ID] = map[store.Ref]events.Record{}
	}
	for line := range strings.Lines(string(feed)) {
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.DisallowUnknownFields()
		var m struct {
			demo.Message
			Exchange string `json:"exchange"`
		}
		require.NoError(t, decoder.Decode(&m))
		require.Equal(t, "intake", m.Exchange)
		r.message(t, m.Message)
	}
	return r
}

func (r *reading) message(t *testing.T, m demo.Message) {
	r.Published++
	tenant, ok := events.RoutingTenant(m.RoutingKey)
	require.True(t, ok)
	held, known := r.held[tenant]
	if !known {
		r.Unroutable++
		return
	}
	msg := watermill.NewMessage(m.MessageID, []byte(m.Body))
	msg.Metadata = m.Headers
	event, err := events.Decode(msg)
	if err != nil || event.TenantID != tenant {
		r.Dead++
		return
	}
	require.Equal(t, tenant.String()+"."+event.Type, m.RoutingKey)
	require.Equal(t, event.ID, m.MessageID)
	if r.seen[tenant][event.UID()] {
		r.Duplicates++
		return
	}
	r.seen[tenant][event.UID()] = true
	r.Events++
	record, err := events.Normalise(event)
	require.NoError(t, err)
	require.Less(t, record.Version.At, events.NewVersion(time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC), 0).At)
	ref := store.Ref{Type: record.Type, Key: record.Key}
	before, exists := held[ref]
	if exists && record.Version.Compare(before.Version) <= 0 {
		r.Stale++
		return
	}
	if exists {
		r.prior[tenant][ref] = before
	}
	held[ref] = record
}

func TestTheFeedCallsForWhatIsExpected(t *testing.T) {
	feed, expected, err := generate()
	require.NoError(t, err)
	var want ledger
	require.NoError(t, json.Unmarshal(expected, &want))
	got := read(t, feed)
	got.QuarantinedKeys = map[string]string{}
	fields := map[string]string{}
	for _, flaw := range allFlaws() {
		fields[flaw.word] = flaw.field
	}
	for _, mine := range want.Tenants {
		tenant := tenantLedger{ID: mine.ID, Name: mine.Name, Search: mine.Search}
		for ref, record := range got.held[mine.ID] {
			verdict := judge(record, got.prior[mine.ID][ref])
			switch {
			case !ref.Type.Searchable():
				require.Empty(t, verdict.Failures, ref)
			case record.Deleted:
				got.Deleted++
			case verdict.Passed:
				tenant.Records++
				tenant.Indexed++
				require.Empty(t, verdict.Failures, "%s must have no warning either", ref)
			default:
				tenant.Records++
				tenant.Quarantined++
				word := want.QuarantinedKeys[ref.Key]
				got.QuarantinedKeys[ref.Key] = word
				require.True(t, slices.ContainsFunc(verdict.Failures, func(f store.Failure) bool {
					return f.Severity == store.SeverityError && f.Field == fields[word]
				}), "%s: %s must fail for %s, got %v", ref, word, fields[word], verdict.Failures)
			}
		}
		got.Records += tenant.Records
		got.Indexed += tenant.Indexed
		got.Quarantined += tenant.Quarantined
		got.Tenants = append(got.Tenants, &tenant)
	}
	require.Equal(t, want, got.ledger)
}

// judge is what quality says of a record.
func judge(record, before events.Record) store.Verdict {
	return quality.Builtin(record.Type).Judge(store.StoredRecord{
		Ref: store.Ref{Type: record.Type, Key: record.Key}, Version: record.Version, Deleted: record.Deleted,
		Doc: record.Doc, Faults: record.Faults, Prior: before.Doc,
	})
}

func TestTheFeedShowsWhatItIsFor(t *testing.T) {
	feed, _, err := generate()
	require.NoError(t, err)
	got := read(t, feed)
	require.GreaterOrEqual(t, got.Published, 420)
	require.GreaterOrEqual(t, len(allFlaws()), 12)
	require.Equal(t, 4, got.Dead)
	require.Equal(t, 1, got.Unroutable)

	shared := store.Ref{Type: events.Property, Key: sharedKey}
	addresses, owners := map[string]bool{}, map[string]uuid.UUID{}
	for tenant, records := range got.held {
		doc, err := events.ParseDoc(records[shared].Doc)
		require.NoError(t, err)
		addresses[doc.Address()] = true
		for ref := range records {
			if ref != shared {
				require.NotContains(t, owners, ref.Key, "the other tenant has this key too")
				owners[ref.Key] = tenant
			}
		}
	}
	require.Len(t, addresses, 2, "one key, two homes")
}

func TestSearchFindsTheTreasures(t *testing.T) {
	feed, _, err := generate()
	require.NoError(t, err)
	got := read(t, feed)
	embedder := embedding.NewHashing()
	for _, a := range agencies() {
		var keys, texts []string
		for ref, record := range got.held[a.ledger.ID] {
			if ref.Type.Searchable() && !record.Deleted {
				doc, err := events.ParseDoc(record.Doc)
				require.NoError(t, err)
				keys, texts = append(keys, ref.Key), append(texts, embedding.Text(doc))
			}
		}
		vectors, err := embedder.Embed(t.Context(), append(texts, a.treasure.query))
		require.NoError(t, err)
		query := vectors[len(keys)]
		order := make([]int, len(keys))
		for i := range order {
			order[i] = i
		}
		slices.SortFunc(order, func(x, y int) int { return cmp.Compare(dot(vectors[y], query), dot(vectors[x], query)) })
		top := order[:3]
		i := slices.IndexFunc(top, func(i int) bool { return strings.Contains(texts[i], a.treasure.remarks[:30]) })
		require.GreaterOrEqual(t, i, 0, "%q finds %s first", a.treasure.query, texts[top[0]])
		t.Logf("%s: place %d, %.3f before %.3f", a.ledger.Name, i+1, dot(vectors[order[0]], query), dot(vectors[order[1]], query))
	}
}

func dot(a, b []float32) (sum float32) {
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}
