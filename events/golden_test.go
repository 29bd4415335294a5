package events_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var (
	tenant   = uuid.MustParse("10000000-0000-4000-8000-00000000000a")
	origin   = uuid.MustParse("20000000-0000-4000-8000-000000000001")
	occurred = time.Date(2026, 3, 14, 15, 9, 26, 535897000, time.UTC)
	clock    = occurred.Add(time.Hour)
)

// intakeData is one good record per type that upstreams publish. Flaws that Normalise mends are in it on purpose.
var intakeData = map[string]string{
	"reos.property.upserted.v1": `{
		"ListingKey": "KC-7129300520", "ListingId": 20141013, "StandardStatus": "Closed", "PropertyType": "Residential",
		"PropertySubType": "Single Family Residence", "ListPrice": "450000.00", "ClosePrice": 447500.5,
		"CloseDate": "2026-03-02T00:00:00Z", "ListingContractDate": "2026-01-31", "BedroomsTotal": "3",
		"BathroomsTotalInteger": 2.0, "BathroomsFull": 1, "BathroomsHalf": 1, "LivingArea": 1180, "LivingAreaUnits":
		"Square Feet", "LotSizeSquareFeet": 5650, "YearBuilt": 1955, "UnparsedAddress": "  9824 Rainier Ave S, Seattle, WA 98118 ",
		"City": "Seattle", "StateOrProvince": "WA", "PostalCode": 98118, "Latitude": 47.511234567891, "Longitude": "-122.257",
		"PublicRemarks": "Charming caf\u00e9-style \"craftsman\"\nnear the lake", "WaterfrontYN": "N", "View": "Lake, Mountain(s)",
		"PhotosCount": 12, "AssociationFee": null, "TaxAnnualAmount": "", "ModificationTimestamp": "2026-03-14T08:00:00.123456789-07:00",
		"X_Feed": {"b": [1, 2.50, 1e3, 1e-999], "a": "half \ud83d pair"}}`,
	"reos.property.deleted.v1": `{"ListingKey": "KC-7129300520", "ModificationTimestamp": "2026-03-14T09:00:00Z"}`,
	"reos.ownership.upserted.v1": `{"OwnershipKey": "OWN-1", "ListingKey": "KC-7129300520", "OwnerName": "Ada Byron",
		"OwnershipPercent": "50.00", "OwnershipStartDate": "20200115", "OwnerOccupiedYN": true,
		"ModificationTimestamp": "2026-03-14"}`,
	"reos.prospect.upserted.v1": `{"ProspectKey": "PRO-1", "FullName": "Grace Hopper", "Email": "grace@example.org",
		"Score": 0.875, "ModificationTimestamp": "2026-03-14T10:00:00"}`,
	"reos.lease.upserted.v1": `{"LeaseKey": "LEA-1", "LeaseAmount": "2450", "LeaseStartDate": "2026-04-01",
		"LeaseEndDate": "2027-03-31", "PetsAllowedYN": "yes", "ModificationTimestamp": "2026-03-14T10:00:00Z"}`,
	"reos.offer.upserted.v1": `{"OfferKey": 77, "ListingKey": "KC-7129300520", "OfferPrice": 440000, "OfferStatus":
		"Submitted", "OfferDate": "2026-03-10", "Contingencies": ["Inspection", " ", "Financing"]}`,
	"reos.document.received.v1": `{"DocumentKey": "DOC-1", "DocumentPath": "deeds/2026/deed.pdf", "MediaType":
		"application/pdf", "SizeBytes": 48213, "SHA256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		"ListingKey": "KC-7129300520", "ModificationTimestamp": "2026-03-14T10:00:00Z"}`,
}

// intakeEvent is the golden event of a type that upstreams publish.
func intakeEvent(eventType string) events.Event {
	e := events.Event{
		ID: uuid.NewSHA1(tenant, []byte(eventType)).String(), Source: "mls/kingcounty", Type: eventType, Time: occurred,
		TenantID: tenant, Sequence: 7, RunID: "run-2026-03-14", DataContentType: "application/json",
		TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	}
	if data, ok := intakeData[eventType]; ok {
		e.Data = []byte(data)
	} else {
		e.Subject = "GONE-1" // deletes may come without data
	}
	return e
}

// stageTypes lists what the stages say, for every record type that gets there.
func stageTypes() []string {
	var all []string
	for _, record := range events.RecordTypes {
		verbs := []events.Verb{events.Ingested, events.Removed, events.Passed, events.Quarantined}
		if record.Searchable() {
			verbs = append(verbs, events.Embedded, events.Indexed, events.Unindexed)
		}
		for _, verb := range verbs {
			all = append(all, events.Type(record, verb))
		}
	}
	return all
}

func goldenEvents(t testing.TB) map[string]events.Event {
	t.Helper()
	all := map[string]events.Event{}
	for _, eventType := range events.IntakeTypes() {
		all[eventType] = intakeEvent(eventType)
	}
	for _, eventType := range stageTypes() {
		record, verb, ok := events.ParseType(eventType)
		require.True(t, ok)
		step := events.Step{
			RecordType: record, Key: "KEY-1", VersionAt: occurred, VersionSeq: 7, Origin: origin,
			OccurredAt: occurred, AcceptedAt: occurred.Add(time.Second),
		}
		e := step.Event(events.Quality, verb, intakeEvent("reos.property.upserted.v1"))
		e.Time, e.DataContentType = occurred.Add(2*time.Second), "application/json"
		all[eventType] = e
	}
	return all
}

// transported is a message as golden files keep it.
type transported struct {
	Metadata map[string]string `json:"metadata"`
	Payload  string            `json:"payload"`
}

// structured writes an event as other producers may: whole, as one JSON object.
func structured(t testing.TB, e events.Event) []byte {
	t.Helper()
	members := map[string]any{}
	for name, value := range e.Message().Metadata {
		if attribute, ok := strings.CutPrefix(name, events.AttributePrefix); ok {
			members[attribute] = value
		}
	}
	members["datacontenttype"] = e.DataContentType
	if e.Data != nil {
		members["data"] = json.RawMessage(e.Data)
	}
	return pretty(t, members)
}

func pretty(t testing.TB, v any) []byte {
	t.Helper()
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	require.NoError(t, encoder.Encode(v))
	return buffer.Bytes()
}

// golden compares content with a file of testdata, or writes it there.
func golden(t *testing.T, name string, content []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(file, content, 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "write it with: go test ./events -update")
	require.Equal(t, string(want), string(content), "%s: if the change is meant, run: go test ./events -update", file)
}

func structuredMessage(payload []byte) *message.Message {
	msg := message.NewMessage("any", payload)
	msg.Metadata.Set(events.MetaContentType, "application/cloudevents+json; charset=utf-8")
	return msg
}

func TestEveryEventTypeHasItsGoldenMessages(t *testing.T) {
	for eventType, e := range goldenEvents(t) {
		t.Run(eventType, func(t *testing.T) {
			msg := e.Message()
			golden(t, eventType+".binary.json", pretty(t, transported{msg.Metadata, string(msg.Payload)}))
			whole := structured(t, e)
			golden(t, eventType+".structured.json", whole)

			binary, err := events.Decode(msg)
			require.NoError(t, err)
			require.Equal(t, e, binary)

			decoded, err := events.Decode(structuredMessage(whole))
			require.NoError(t, err)
			if e.Data != nil {
				require.JSONEq(t, string(e.Data), string(decoded.Data))
			}
			decoded.Data = e.Data // its spaces are the encoder's
			require.Equal(t, e, decoded)
		})
	}
}

func TestEveryIntakeTypeHasItsGoldenRecord(t *testing.T) {
	for _, eventType := range events.IntakeTypes() {
		t.Run(eventType, func(t *testing.T) {
			record, err := events.NormaliseAt(intakeEvent(eventType), clock)
			require.NoError(t, err)
			golden(t, eventType+".record.json", pretty(t, struct {
				Type    events.RecordType `json:"type"`
				Key     string            `json:"key"`
				Version events.Version    `json:"version"`
				Deleted bool              `json:"deleted"`
				Doc     json.RawMessage   `json:"doc"`
				Faults  []events.Fault    `json:"faults"`
			}{record.Type, record.Key, record.Version, record.Deleted, record.Doc, record.Faults}))
		})
	}
}
