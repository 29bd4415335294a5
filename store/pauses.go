package store

import (
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
)

// Pause keeps a tenant's messages from a stage. They are held on the broker, and come back to the stage when it ends.
type Pause struct {
	Tenant    uuid.UUID    `json:"tenant"`
	Stage     events.Stage `json:"stage"`
	At        time.Time    `json:"at"`
	By        string       `json:"by"` // who paused: a person, or the breaker
	Why       string       `json:"why"`
	ResumedAt time.Time    `json:"resumed_at,omitzero"` // since then what was held is let go; zero while the pause lasts
}
