package events

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// Step is the data of every event between stages: thin. It says which record at which version is to be worked on,
// and on whose behalf; the state itself lies in Postgres.
type Step struct {
	RecordType RecordType `json:"record_type"`
	Key        string     `json:"record_key"`
	VersionAt  time.Time  `json:"version_at"`
	VersionSeq int64      `json:"version_sequence"`
	Origin     uuid.UUID  `json:"origin"`      // UID of the accepted event, the key of its progress
	OccurredAt time.Time  `json:"occurred_at"` // event time of the accepted event
	AcceptedAt time.Time  `json:"accepted_at"` // when ingestion committed it
}

// Version of the record that the step is about.
func (s Step) Version() Version { return Version{At: s.VersionAt, Sequence: s.VersionSeq} }

// Event wraps the step as what stage says about it. cause is the event that the stage was working on.
//
// Invariant 2: the id is derived from the accepted event and what is said, so a redelivery says it again under the
// same id.
func (s Step) Event(stage Stage, verb Verb, cause Event) Event {
	eventType := Type(s.RecordType, verb)
	return Event{
		ID:          uuid.NewSHA1(s.Origin, []byte(eventType)).String(),
		Source:      "reos/" + string(stage),
		Type:        eventType,
		Subject:     s.Key,
		Time:        time.Now(),
		TenantID:    cause.TenantID,
		Sequence:    s.VersionSeq,
		RunID:       cause.RunID,
		TraceParent: cause.TraceParent,
		CausationID: cause.ID,
		Data:        s.append(make([]byte, 0, 320)),
	}
}

func (s Step) append(dst []byte) []byte {
	dst = appendString(append(dst, `{"record_type":`...), string(s.RecordType))
	dst = appendString(append(dst, `,"record_key":`...), s.Key)
	dst = s.VersionAt.AppendFormat(append(dst, `,"version_at":"`...), time.RFC3339Nano)
	dst = strconv.AppendInt(append(dst, `","version_sequence":`...), s.VersionSeq, 10)
	dst = append(append(dst, `,"origin":"`...), s.Origin.String()...)
	dst = s.OccurredAt.AppendFormat(append(dst, `","occurred_at":"`...), time.RFC3339Nano)
	dst = s.AcceptedAt.AppendFormat(append(dst, `","accepted_at":"`...), time.RFC3339Nano)
	return append(dst, `"}`...)
}

// DecodeStep reads the step from an event between stages. The error is a *Rejection.
func DecodeStep(e Event) (Step, error) {
	var step Step
	if err := json.Unmarshal(e.Data, &step); err != nil {
		return Step{}, Reject(DataNotJSON, "", "a step between stages", err.Error())
	}
	if step.Key == "" || step.Origin == uuid.Nil || step.VersionAt.IsZero() {
		return Step{}, Reject(DataNotJSON, "", "a step with record_key, origin and version_at", "")
	}
	step.VersionAt = step.VersionAt.UTC()
	return step, nil
}
