// Package events is the contract: what a message looks like, which types there are, where each goes and what may
// become of it. It does no I/O.
//
// An event is a CloudEvent 1.0. It travels as a Watermill message whose metadata are the transport's headers and
// whose payload is the event's data (binary mode) or the whole event as JSON (structured mode).
//
// Reading order: types.go (what is said), envelope.go (how), record.go (about what), step.go (between stages),
// topology.go (where it goes), outcome.go (what becomes of it).
package events
