package feed

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
)

// DeletedMember marks a bare record as gone: `"@deleted": true` beside its key and ModificationTimestamp. A property
// may say the same in RESO's words, by StandardStatus "Delete".
const DeletedMember = "@deleted"

const (
	statusField   = "StandardStatus"
	statusDeleted = "Delete"
)

// members are the members of a JSON object by name.
type members map[string]json.RawMessage

// parseMembers takes a record's JSON text apart. Numbers and nested values stay as they are written.
func parseMembers(record []byte) (members, error) {
	var m members
	if err := json.Unmarshal(record, &m); err != nil {
		return nil, refuse("", "one JSON object", err.Error())
	}
	if m == nil {
		return nil, refuse("", "one JSON object", "null")
	}
	return m, nil
}

// bareEvent makes the event of a bare record. What ingestion would reject is refused here, where the publisher can
// still mend it.
//
// Invariant 2: the id is derived from tenant, type, key, version and content, so that a feed published twice says
// the same events twice.
func bareEvent(data []byte, m members, sequence int64, o Options) (events.Event, error) {
	if len(data) > events.MaxDataBytes {
		return events.Event{}, refuse("", fmt.Sprintf("at most %d bytes", events.MaxDataBytes), strconv.Itoa(len(data)))
	}
	eventType, err := typeOf(m, o.RecordType)
	if err != nil {
		return events.Event{}, err
	}
	e := events.Event{
		Source: o.Source, Type: eventType, DataContentType: "application/json", TenantID: o.Tenant,
		Sequence: sequence, RunID: o.RunID, Data: bytes.Clone(data),
	}
	record, err := events.Normalise(e)
	if err != nil {
		return events.Event{}, refusal(err)
	}
	content, err := contentHash(m)
	if err != nil {
		return events.Event{}, err
	}
	e.Subject, e.Time = record.Key, record.Version.At
	e.ID = uuid.NewSHA1(o.Tenant, []byte(strings.Join([]string{
		eventType, record.Key, record.Version.At.Format(time.RFC3339Nano), strconv.FormatInt(sequence, 10), content,
	}, "\x00"))).String()
	return e, nil
}

// typeOf says what a bare record tells: that it is there, or that it is gone.
func typeOf(m members, record events.RecordType) (string, error) {
	deleted := false
	if raw, ok := m[DeletedMember]; ok {
		if err := json.Unmarshal(raw, &deleted); err != nil {
			return "", refuse(DeletedMember, "true or false", string(raw))
		}
	}
	if record == events.Property && !deleted {
		var status string
		err := json.Unmarshal(m[statusField], &status) // whatever is no text is for quality to judge
		deleted = err == nil && strings.TrimSpace(status) == statusDeleted
	}
	switch {
	case deleted:
		return events.Type(record, events.Deleted), nil
	case record == events.Document:
		return events.Type(record, events.Received), nil
	}
	return events.Type(record, events.Upserted), nil
}

// contentHash is the SHA-256 of the record with its members sorted and without space between tokens.
func contentHash(m members) (string, error) {
	canonical, err := json.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("hash record: %w", err) // every value in m was read from valid JSON
	}
	digest := sha256.Sum256(canonical)
	return string(digest[:]), nil
}
