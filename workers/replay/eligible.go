package replay

import (
	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// Why a letter is not eligible.
const (
	leftDiscarded    = "discarded"
	leftReplayed     = "replayed"      // already; if that attempt died too, it has a letter of its own
	leftOvertaken    = "overtaken"     // a newer version of the record has come to its end
	leftNoTenant     = "no_tenant"     // it does not exist, or not any more
	leftSuspended    = "suspended"     // the tenant is
	leftMismatch     = "mismatch"      // the envelope names another tenant than the routing key; identity cannot be edited
	leftUnreadable   = "unreadable"    // the envelope cannot be read, so that no new id can be given
	leftUnproven     = "unproven"      // its routing key is lost: nobody can say for sure whose it is
	leftNotRecord    = "no_record"     // the message names no version of a record
	leftNotAStage    = "no_stage"      // it died where nothing waits for it: its event had come to its end
	leftNotSearched  = "not_searched"  // records of its type are neither embedded nor indexed
	leftStored       = "stored"        // the record is stored: a change of its data comes as a new version from the source
	leftEditFails    = "edit_fails"    // the patch cannot be applied
	leftEditIdentity = "edit_identity" // the edited data is of another record
	leftEditInvalid  = "edit_invalid"  // contract or suite refuse the edited data
)

// tenants knows the states of all tenants.
type tenants map[uuid.UUID]store.TenantState

// begin says at which stage a letter's replay begins, or why it is not eligible. It does no I/O.
func (all tenants) begin(l store.DeadLetter, order store.ReplayOrder) (stage events.Stage, why string) {
	switch {
	case l.State == store.LetterDiscarded:
		return "", leftDiscarded
	case l.State == store.LetterReplayed:
		return "", leftReplayed
	case l.Overtaken:
		return "", leftOvertaken
	}
	owner := l.Tenant
	fromOutside := l.Stage == "" || l.Stage == events.Ingestion
	if owner == store.PlatformTenant {
		var ok bool
		if owner, ok = events.RoutingTenant(l.RoutingKey); !ok || l.Reason != events.TenantUnknown {
			return "", leftUnproven
		}
	}
	switch all[owner] {
	case store.TenantActive:
	case store.TenantSuspended:
		return "", leftSuspended
	default:
		return "", leftNoTenant
	}
	if fromOutside {
		return events.Ingestion, outside(l, owner)
	}
	return behind(l, order)
}

// outside says why a letter cannot go in by the intake once more; empty where it can.
//
// Invariant 4: it goes in under its own routing key, and only where the envelope says the same.
func outside(l store.DeadLetter, owner uuid.UUID) (why string) {
	switch {
	case l.Reason == events.TenantMismatch:
		return leftMismatch
	case l.Event == uuid.Nil && l.Tenant != store.PlatformTenant:
		return leftUnreadable
	}
	if routed, ok := events.RoutingTenant(l.RoutingKey); !ok || routed != owner {
		return leftUnproven
	}
	return ""
}

// behind says where a letter begins whose record is stored.
func behind(l store.DeadLetter, order store.ReplayOrder) (stage events.Stage, why string) {
	stage = l.Stage
	if order.FromStage != "" {
		stage = order.FromStage
	}
	switch {
	case order.Edit != nil:
		return "", leftStored
	case stage != events.Quality && stage != events.Embedding && stage != events.Indexing:
		return "", leftNotAStage
	case l.Event == uuid.Nil || l.Key == "" || l.Version.At.IsZero():
		return "", leftNotRecord
	case stage != events.Quality && !l.RecordType.Searchable():
		return "", leftNotSearched
	}
	return stage, ""
}
