package store

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// Act is who does something, and why: what the audit log says of it.
type Act struct {
	By  string // a person or a program; never empty
	Why string // may be empty
}

// Action is what was done, as `noun.verb`.
type Action string

// The actions.
const (
	TenantCreated       Action = "tenant.create"
	TenantMoved         Action = "tenant.lane"
	TenantStopped       Action = "tenant.suspend"
	TenantResumed       Action = "tenant.resume"
	TenantExported      Action = "tenant.export"
	TenantCredentials   Action = "tenant.credentials" // of its broker user; new ones
	TenantDeletion      Action = "tenant.delete"      // begun: from here on nothing is accepted
	TenantErased        Action = "tenant.erase"       // nothing is left
	PipelinePaused      Action = "pipeline.pause"
	PipelineResumed     Action = "pipeline.resume"
	IndexRepaired       Action = "reconcile.repair"
	SchemaMigrated      Action = "schema.migrate"
	ThresholdsSet       Action = "freshness.thresholds"
	RunPlannedAct       Action = "run.plan" // frozen, with the digest of what
	RunStartedAct       Action = "run.start"
	RunPausedAct        Action = "run.pause"
	RunResumedAct       Action = "run.resume"
	RunCancelledAct     Action = "run.cancel"
	RunStoppedAct       Action = "run.stop"            // by itself
	LettersDiscardedAct Action = "deadletters.discard" // which, as a whole
	LetterDiscardedAct  Action = "deadletter.discard"  // each of them
	LetterReplayedAct   Action = "deadletter.replay"   // each of a replay's: its new attempt
	LettersImportedAct  Action = "deadletters.import"
)

// Actions lists every action.
var Actions = []Action{
	TenantCreated, TenantMoved, TenantStopped, TenantResumed, TenantExported, TenantCredentials, TenantDeletion, TenantErased,
	PipelinePaused, PipelineResumed, IndexRepaired, SchemaMigrated, ThresholdsSet,
	RunPlannedAct, RunStartedAct, RunPausedAct, RunResumedAct, RunCancelledAct, RunStoppedAct,
	LettersDiscardedAct, LetterDiscardedAct, LetterReplayedAct, LettersImportedAct,
}

// AuditEntry is one act. Entries form a chain over all tenants: each holds the hash of the one before.
type AuditEntry struct {
	Seq      int64           `json:"seq"` // from 1, without gaps
	At       time.Time       `json:"at"`
	Tenant   uuid.UUID       `json:"tenant"` // PlatformTenant where the act concerns no tenant, or all
	Actor    string          `json:"actor"`
	Action   Action          `json:"action"`
	Subject  string          `json:"subject"` // what it was done to
	Why      string          `json:"why"`
	Details  json.RawMessage `json:"details"` // an object; no secret and no payload
	PrevHash []byte          `json:"prev_hash"`
	Hash     []byte          `json:"hash"`
}

// AuditFilter narrows a listing of the audit log; the zero value of a field does not.
type AuditFilter struct {
	Since  time.Time
	Action Action
	Before int64 // the last entry of the page before: listings are newest first
	Limit  int
}

// AuditHead is the end of the chain. Kept elsewhere, it proves later that the log still begins with the same entries.
type AuditHead struct {
	Seq  int64  `json:"seq"` // 0: there are no entries
	Hash []byte `json:"hash"`
}
