package events

import (
	"slices"
	"strings"
)

// RecordType is a kind of record that the pipeline keeps.
type RecordType string

// The record types. Only properties are embedded and indexed; the others are ingested and judged.
const (
	Property  RecordType = "property"
	Ownership RecordType = "ownership"
	Prospect  RecordType = "prospect"
	Lease     RecordType = "lease"
	Offer     RecordType = "offer"
	Document  RecordType = "document"
)

// RecordTypes lists every record type, in the order of their documentation.
var RecordTypes = []RecordType{Property, Ownership, Prospect, Lease, Offer, Document}

// Searchable says whether records of this type get a vector and a place in the index.
func (r RecordType) Searchable() bool { return r == Property }

// Verb is what an event says happened to a record, in the past tense.
type Verb string

// The verbs. Upstreams say the first three; stages say the rest.
const (
	Upserted    Verb = "upserted"
	Deleted     Verb = "deleted"
	Received    Verb = "received" // documents: the upstream's word for upserted
	Ingested    Verb = "ingested"
	Removed     Verb = "removed" // ingestion stored a tombstone
	Passed      Verb = "passed"
	Quarantined Verb = "quarantined"
	Embedded    Verb = "embedded"
	Indexed     Verb = "indexed"   // search finds this version
	Unindexed   Verb = "unindexed" // search does not find the record: removed or quarantined
)

// TypeSLI is the type of the freshness tracker's reports.
const TypeSLI = "reos.pipeline.sli.v1"

// Type names an event type: `reos.<record type>.<verb>.v1`.
func Type(record RecordType, verb Verb) string {
	return "reos." + string(record) + "." + string(verb) + ".v1"
}

// ParseType splits a type of this contract. It reports false for any other string.
func ParseType(s string) (RecordType, Verb, bool) {
	parts := strings.Split(s, ".")
	if len(parts) != 4 || parts[0] != "reos" || parts[3] != "v1" {
		return "", "", false
	}
	record, verb := RecordType(parts[1]), Verb(parts[2])
	return record, verb, slices.Contains(RecordTypes, record)
}

// IntakeTypes lists the types that upstreams may publish.
func IntakeTypes() []string {
	types := make([]string, 0, 2*len(RecordTypes))
	for _, record := range RecordTypes {
		arrived := Upserted
		if record == Document {
			arrived = Received
		}
		types = append(types, Type(record, arrived), Type(record, Deleted))
	}
	slices.Sort(types)
	return types
}
