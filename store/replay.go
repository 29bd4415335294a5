package store

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
)

// ErrSecondNeeded says that so much is only done when a second person agrees.
var ErrSecondNeeded = errors.New("a second person must agree")

// DiscardOrder asks for letters to be given up.
type DiscardOrder struct {
	Meant  LetterSelection
	Act    Act
	Second string // who agrees, beside Act.By; empty = nobody was asked
	DryRun bool   // only say which
}

// DiscardReport says what a discard did, or would do.
type DiscardReport struct {
	Letters   int64         `json:"letters" doc:"That are meant."`
	Discarded int64         `json:"discarded" doc:"Of them: now. Others were, by somebody else, meanwhile; or it is a dry run."`
	Digest    string        `json:"digest" doc:"SHA-256 over their ids, sorted, in hexadecimal digits."`
	ByTenant  []TenantShare `json:"by_tenant"`
	DryRun    bool          `json:"dry_run"`
}

const (
	// expectedRate is what a replay without a limit is taken to do, in events per second; canaryWait what a canary takes
	// that meets no further fault.
	expectedRate = 1000
	canaryWait   = 2 * time.Second
)

// PredictReplay is how long a replay of so many letters may take, at most at a rate in events per second (0: as they come).
func PredictReplay(letters int64, rate float64, canary int64) time.Duration {
	if rate <= 0 || rate > expectedRate {
		rate = expectedRate
	}
	predicted := time.Duration(float64(letters) / rate * float64(time.Second))
	if canary > 0 {
		predicted += canaryWait
	}
	return predicted
}

// TenantShare is how many letters are a tenant's.
type TenantShare struct {
	Tenant  uuid.UUID `json:"tenant_id"`
	Letters int64     `json:"letters"`
}

// ReplayOrder asks for a replay plan: which letters, and how they shall go.
type ReplayOrder struct {
	Meant     LetterSelection
	Edit      json.RawMessage // JSON Patch (RFC 6902) on the data of each; nil = none
	FromStage events.Stage    // of letters that died behind ingestion; empty = where each died
	Rate      float64         // events per second, over all tenants; 0 = as they come
	Canary    int64
	StopAbove float64 // share of dead among ended events, from 0 to 1; 0 = never
	Act       Act
	Ticket    string
}

// ReplayReport says what a plan would do. Nothing is done before it is run.
type ReplayReport struct {
	RunID            string        `json:"run_id" doc:"The plan: a run that is planned."`
	Letters          int64         `json:"letters" doc:"That are meant."`
	Selected         int64         `json:"selected" doc:"Of them: will be replayed."`
	Digest           string        `json:"digest" doc:"SHA-256 over the ids of the selected, sorted, in hexadecimal digits."`
	ByTenant         []TenantShare `json:"by_tenant" doc:"The selected."`
	ByStage          []StageShare  `json:"by_stage" doc:"Where the selected begin."`
	LeftOut          []LeftOut     `json:"left_out" doc:"Not eligible, by why."`
	Sample           []ReplayItem  `json:"sample" doc:"The first of the selected."`
	PredictedSeconds float64       `json:"predicted_seconds" doc:"From run to end, without what the canary's retries may take."`
}

// StageShare is how many letters begin at a stage.
type StageShare struct {
	Stage   events.Stage `json:"stage"`
	Letters int64        `json:"letters"`
}

// LeftOut is how many letters are not eligible for a reason, and one of them.
type LeftOut struct {
	Why     string    `json:"why"`
	Letters int64     `json:"letters"`
	Example uuid.UUID `json:"example"`
	Detail  string    `json:"detail,omitempty" doc:"Of the example: what stands in the way."`
}

// ReplayItem is a letter that is selected.
type ReplayItem struct {
	Letter uuid.UUID     `json:"id"`
	Tenant uuid.UUID     `json:"tenant_id"`
	Stage  events.Stage  `json:"stage"`
	Reason events.Reason `json:"reason"`
	Key    string        `json:"record_key,omitempty"`
	Error  string        `json:"error"`
}

// Edit is what a replay changes in the data of one letter.
type Edit struct {
	Run           string
	Letter        uuid.UUID
	Patch         []byte // JSON Patch
	Before, After [32]byte
}
