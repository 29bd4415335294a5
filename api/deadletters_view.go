package api

import (
	"encoding/base64"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// DeadLetterView is a dead letter as operators see it.
type DeadLetterView struct {
	ID            uuid.UUID            `json:"id"`
	Tenant        uuid.UUID            `json:"tenant_id" doc:"All zeros: it belongs to no known tenant."`
	State         store.LetterState    `json:"state" enum:"open,replayed,discarded"`
	Kind          store.LetterKind     `json:"kind" enum:"bad_data,transient,permanent,unauthorised" doc:"What has to be done about it: the sender mends it; replay it when the fault is over; replay it when the bug is mended; find out who sends it."`
	Fingerprint   string               `json:"fingerprint" doc:"Names its group."`
	Stage         events.Stage         `json:"stage,omitempty" doc:"Where it died; left out: at the broker."`
	Lane          string               `json:"lane,omitempty"`
	Reason        events.Reason        `json:"reason"`
	Error         string               `json:"error"`
	Attempts      int                  `json:"attempts"`
	FailedTimes   []time.Time          `json:"failed_times,omitempty" doc:"Of its attempts, as far as known."`
	WorkerVersion string               `json:"worker_version,omitempty" doc:"Of the program that gave it up."`
	EventID       string               `json:"event_id,omitempty"`
	EventUID      *uuid.UUID           `json:"event_uid,omitempty"`
	EventType     string               `json:"event_type,omitempty"`
	Key           string               `json:"record_key,omitempty"`
	VersionAt     *time.Time           `json:"version_at,omitempty"`
	RunID         string               `json:"run_id,omitempty"`
	TraceParent   string               `json:"traceparent,omitempty"`
	RoutingKey    string               `json:"routing_key"`
	FirstFailedAt time.Time            `json:"first_failed_at"`
	FailedAt      time.Time            `json:"failed_at"`
	Overtaken     bool                 `json:"overtaken" doc:"A newer version of the record has come to its end: a replay would change nothing. Discard it."`
	Discard       *store.LetterDiscard `json:"discard,omitempty"`
	Replay        *store.LetterReplay  `json:"replay,omitempty" doc:"Its new attempt, and what became of that."`
	PayloadBytes  int                  `json:"payload_bytes"`
	Headers       map[string]string    `json:"headers,omitempty" doc:"As received. Operators only, and of a single letter only; so is the payload."`
	Payload       *string              `json:"payload,omitempty" doc:"Where it is text."`
	PayloadBase64 string               `json:"payload_base64,omitempty" doc:"Where it is not."`
}

// NewDeadLetterView shows a letter, with headers and payload where they were asked for.
func NewDeadLetterView(l store.DeadLetter) DeadLetterView {
	view := DeadLetterView{
		ID: l.ID, Tenant: l.Tenant, State: l.State, Kind: l.Kind, Fingerprint: l.Fingerprint, Stage: l.Stage, Lane: l.Lane,
		Reason: l.Reason, Error: l.Error, Attempts: l.Attempts, FailedTimes: l.Failures, WorkerVersion: l.WorkerVersion,
		EventID: l.EventID, EventType: l.EventType, Key: l.Key, RunID: l.RunID, TraceParent: l.TraceParent,
		RoutingKey: l.RoutingKey, FirstFailedAt: l.FirstFailedAt, FailedAt: l.FailedAt, Overtaken: l.Overtaken,
		Discard: l.Discard, Replay: l.Replay, PayloadBytes: l.PayloadBytes, Headers: l.Headers,
	}
	if l.Event != uuid.Nil {
		view.EventUID = &l.Event
	}
	if !l.Version.At.IsZero() {
		view.VersionAt = &l.Version.At
	}
	switch {
	case l.Payload == nil:
	case utf8.Valid(l.Payload):
		text := string(l.Payload)
		view.Payload = &text
	default:
		view.PayloadBase64 = base64.StdEncoding.EncodeToString(l.Payload)
	}
	return view
}
