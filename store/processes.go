package store

import (
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
)

// The kinds of processes.
const (
	ProcessWorker = "worker"
	ProcessAPI    = "api"
	ProcessUp     = "up" // everything in one
)

// Process is one running reos. It says every few seconds that it lives, and takes its entry back when it ends.
type Process struct {
	ID        uuid.UUID      `json:"id"`
	Kind      string         `json:"kind"`
	Stages    []events.Stage `json:"stages"` // that it runs; empty for an API
	Host      string         `json:"host"`
	PID       int            `json:"pid"`
	Version   string         `json:"version"`
	AdminURL  string         `json:"admin_url"`
	APIURL    string         `json:"api_url,omitempty"`
	StartedAt time.Time      `json:"started_at"`
	BeatAt    time.Time      `json:"beat_at"`
	// Silent is how long it has not been heard of, by the database's clock.
	Silent time.Duration `json:"-"`
}
