package store

import (
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
)

// SLI is one tenant's state at one stage at one time: a row of the SLI history.
type SLI struct {
	Tenant         uuid.UUID
	At             time.Time
	Stage          events.Stage
	Waiting        int       // unfinished events that wait at the stage
	OldestOccurred time.Time // zero where nothing waits
	OldestAccepted time.Time // zero where nothing waits
	// Ended counts the events that ended at the stage since the beginning, by outcome.
	Done, Stale, Quarantined, Dead int
}
