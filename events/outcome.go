package events

import "fmt"

// Stage is a logical step of the pipeline.
type Stage string

// The stages, in a message's order.
const (
	Ingestion   Stage = "ingestion"
	Quality     Stage = "quality"
	Embedding   Stage = "embedding"
	Indexing    Stage = "indexing"
	Freshness   Stage = "freshness"
	DeadLetters Stage = "deadletters"
)

// Stages lists every stage, in a message's order. Freshness takes no messages: it watches the others.
var Stages = []Stage{Ingestion, Quality, Embedding, Indexing, Freshness, DeadLetters}

// Pausable are the stages that a pause keeps a tenant's messages from.
var Pausable = []Stage{Ingestion, Quality, Embedding, Indexing}

// Outcome is what a stage made of one message.
//
// Invariant 5: the set is closed; there is no outcome "dropped".
type Outcome string

// The outcomes.
const (
	Done       Outcome = "done"        // effects committed, outputs confirmed
	Stale      Outcome = "stale"       // the record is already at this version or a newer one, or its tenant is deleted
	Quarantine Outcome = "quarantined" // judged and found wanting; kept with every failed expectation
	Retried    Outcome = "retried"     // will come back after a delay
	Dead       Outcome = "dead"        // kept as a dead letter
)

// Outcomes lists every outcome.
var Outcomes = []Outcome{Done, Stale, Quarantine, Retried, Dead}

// Reason says why an outcome is not plainly done. The same word is the metric's label, the dead-letter group, the
// alert and the runbook's heading.
type Reason string

// The reasons, by the outcome they explain.
const (
	// Dead at once: the message itself is wrong and no retry can help.
	EnvelopeInvalid Reason = "envelope_invalid" // a CloudEvents attribute is missing or malformed
	TenantMismatch  Reason = "tenant_mismatch"  // the envelope's tenant is not the routing key's
	TenantUnknown   Reason = "tenant_unknown"   // no such tenant: the message was not routable
	TypeUnknown     Reason = "type_unknown"     // not an event type of this contract
	DataEmpty       Reason = "data_empty"       // no data where a record was due
	DataTooLarge    Reason = "data_too_large"   // more than MaxDataBytes
	DataNotUTF8     Reason = "data_not_utf8"    // JSON is UTF-8
	DataNotJSON     Reason = "data_not_json"    // not one JSON object
	DataTooDeep     Reason = "data_too_deep"    // nested deeper than MaxDepth
	DataHasNUL      Reason = "data_has_nul"     // a NUL character in a string
	KeyInvalid      Reason = "key_invalid"      // the record key is missing, too long or contradicts the subject
	VersionInvalid  Reason = "version_invalid"  // ModificationTimestamp is not a time, or lies ahead of the clock
	RecordMissing   Reason = "record_missing"   // a stage was told of a record that the store does not hold

	// Retried, and dead when the attempts are used up.
	StageError   Reason = "stage_error"
	StagePanic   Reason = "stage_panic"
	StageTimeout Reason = "stage_timeout"

	// Retried when its tenant's pause at the stage ends; no attempt is used up.
	Paused Reason = "paused"

	// Dead by the broker: the message ended its worker's process too often to be tried again.
	DeliveryLimit Reason = "delivery_limit"

	// Dead elsewhere: an operator brought the message here from another dead-letter queue.
	Imported Reason = "imported"

	// Stale.
	VersionOlder     Reason = "version_older"     // arrived after a newer version
	VersionDuplicate Reason = "version_duplicate" // another event already brought this very version
	Superseded       Reason = "superseded"        // overtaken by a newer version on its way
	TenantDeleted    Reason = "tenant_deleted"    // overtaken by its tenant's deletion; see docs/decisions/0014

	// Quarantined.
	ExpectationFailed Reason = "expectation_failed"
)

// Reasons lists every reason.
var Reasons = []Reason{
	EnvelopeInvalid, TenantMismatch, TenantUnknown, TypeUnknown, DataEmpty, DataTooLarge, DataNotUTF8, DataNotJSON,
	DataTooDeep, DataHasNUL, KeyInvalid, VersionInvalid, RecordMissing, StageError, StagePanic, StageTimeout,
	Paused, DeliveryLimit, Imported, VersionOlder, VersionDuplicate, Superseded, TenantDeleted, ExpectationFailed,
}

// Rejection is the error of a message that no retry can help. It names the field and what it must be.
type Rejection struct {
	Reason Reason
	Field  string // attribute, header or data field; empty where the whole message is meant
	Must   string // what the field must be, as the end of a sentence: "must be …"
	Got    string // what was found, shortened; never a whole payload
}

// Error tells an operator everything. It repeats what was found: it belongs into the dead letter, not into a log.
func (r *Rejection) Error() string {
	if r.Got == "" {
		return r.Redacted()
	}
	return r.Redacted() + ", got " + r.Got
}

// Redacted is Error without what was found.
//
// Invariant 9: no payload in logs.
func (r *Rejection) Redacted() string {
	field := r.Field
	if field == "" {
		field = "message"
	}
	return fmt.Sprintf("%s: %s must be %s", r.Reason, field, r.Must)
}

// Reject makes a Rejection; got is shortened to what an operator needs, and so is field: attributes may have any name.
func Reject(reason Reason, field, must, got string) *Rejection {
	return &Rejection{Reason: reason, Field: Cut(field, 80), Must: must, Got: Shorten(got, 80)}
}

// Shorten cuts s to at most limit bytes on a rune's boundary and quotes it; an empty s stays empty.
func Shorten(s string, limit int) string {
	if s == "" {
		return ""
	}
	if len(s) > limit {
		cut := limit
		for cut > 0 && s[cut]&0xC0 == 0x80 {
			cut--
		}
		return fmt.Sprintf("%q… (%d bytes)", s[:cut], len(s))
	}
	return fmt.Sprintf("%q", s)
}
