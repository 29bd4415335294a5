package events

import (
	"bytes"
	"fmt"
	"mime"
	"strconv"
	"strings"
	"time"
)

// Record is an event's data, checked and normalised: what ingestion stores and quality judges.
type Record struct {
	Type    RecordType
	Key     string // ListingKey and its like: 1–255 bytes, UTF-8, no control characters
	Version Version
	Deleted bool   // a tombstone: Doc is nil
	Doc     []byte // one JSON object, RESO names, known fields in their contract's type, unknown fields kept
	Faults  []Fault
}

// Fault is a known field whose value is not what the contract says. The field stays in Doc as it came, so that
// nothing is lost; quality turns every fault into a failed expectation.
type Fault struct {
	Field    string `json:"field"`    // its name; for a number within an unknown field its path: `Extra.sizes[3]`
	Must     string `json:"must"`     // what it must be: "a decimal of at most 14 digits, 2 of them behind the point"
	Observed string `json:"observed"` // JSON text as it came, shortened
}

// MaxFaults is how many faults of one record are kept; a record with more has these and no others.
const MaxFaults = 100

// MaxVersionAhead is how far a version may lie ahead of the clock. Without a limit, one wrong year would block a
// record for every later update.
const MaxVersionAhead = 24 * time.Hour

// Normalise checks an upstream's event and normalises its data:
//
//   - the data is one JSON object in UTF-8, no larger than MaxDataBytes and no deeper than MaxDepth; a delete needs
//     none; a member that is named twice counts as named last;
//   - the key is the record type's key field, else the event's subject, and both agree where both are given;
//   - the version is ModificationTimestamp, else the envelope's time, with the event's sequence; a time without a
//     zone is UTC, a date alone is its midnight in UTC;
//   - known fields are read leniently and written in the type of their Field, decimals as exact text; null stays
//     null, and an empty string in a field that is no text becomes null;
//   - unknown fields are kept. What Postgres' jsonb refuses is made acceptable: half a surrogate pair becomes
//     U+FFFD, a number outside what NumberMust says becomes a string, with a fault.
//
// The Doc has its members sorted at every level, holds key and ModificationTimestamp in their normalised form, and
// is a fixed point: normalised again it is the same. It shares no memory with the event. The error is a *Rejection.
func Normalise(e Event) (Record, error) { return NormaliseAt(e, time.Now()) }

// NormaliseAt is Normalise by another clock.
func NormaliseAt(e Event, now time.Time) (Record, error) {
	recordType, deleted, ok := intake(e.Type)
	if !ok {
		return Record{}, Reject(TypeUnknown, "type", "one that upstreams may publish, such as "+Type(Property, Upserted), e.Type)
	}
	if len(e.Data) > MaxDataBytes {
		return Record{}, Reject(DataTooLarge, "", fmt.Sprintf("at most %d bytes of data", MaxDataBytes), strconv.Itoa(len(e.Data)))
	}
	members, err := readData(e, deleted)
	if err != nil {
		return Record{}, err
	}
	table := contract[recordType]
	record := Record{Type: recordType, Deleted: deleted}
	if record.Key, err = recordKey(members, table.key, e.Subject); err != nil {
		return Record{}, err
	}
	if record.Version, err = recordVersion(members, e, now); err != nil {
		return Record{}, err
	}
	if deleted {
		return record, nil
	}
	members = setMember(members, table.key, appendString(nil, record.Key))
	members = setMember(members, ModificationTimestamp, appendTimestamp(nil, record.Version.At))
	n := normaliser{out: make([]byte, 0, len(e.Data)+len(e.Data)/8+128)}
	n.record(members, table.byName)
	record.Doc, record.Faults = n.out, n.faults
	return record, nil
}

// intake says what an upstream's event type means. It reports false for a type that upstreams may not publish.
func intake(eventType string) (record RecordType, deleted, ok bool) {
	record, verb, ok := ParseType(eventType)
	switch {
	case !ok:
		return "", false, false
	case verb == Deleted:
		return record, true, true
	case record == Document:
		return record, false, verb == Received
	}
	return record, false, verb == Upserted
}

// readData checks the data as JSON and splits it into its members, sorted. Only a delete may have none.
func readData(e Event, deleted bool) ([]member, error) {
	data := trimJSONSpace(e.Data)
	if len(data) == 0 || bytes.Equal(data, []byte("null")) {
		if deleted {
			return nil, nil
		}
		return nil, Reject(DataEmpty, "", "a record", string(data))
	}
	if !isJSON(e.DataContentType) {
		return nil, Reject(EnvelopeInvalid, "datacontenttype", "application/json in UTF-8", e.DataContentType)
	}
	if err := checkJSON(e.Data); err != nil {
		return nil, err
	}
	return sortMembers(appendMembers(make([]member, 0, 64), data)), nil
}

// isJSON says whether a media type is JSON in UTF-8; the empty one is.
func isJSON(contentType string) bool {
	if contentType == "" || contentType == "application/json" {
		return true
	}
	mediaType, parameters, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	if charset, ok := parameters["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return false
	}
	return mediaType == "application/json" || strings.HasSuffix(mediaType, "+json")
}
