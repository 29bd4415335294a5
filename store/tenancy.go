package store

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
)

// TenantState says what may be done for a tenant.
type TenantState string

// The states. A tenant is active or suspended until somebody deletes it; from then on there is no way back, and its id
// is never used again.
const (
	TenantActive    TenantState = "active"
	TenantSuspended TenantState = "suspended" // its events are held at ingestion; what was accepted is finished
	TenantDeleting  TenantState = "deleting"  // nothing is accepted or written any more; what is there is being removed
	TenantDeleted   TenantState = "deleted"   // a tombstone: nothing is left but its id, so that late messages are known as its
)

// Served says whether work is done for the tenant: its events are let in, or will be when a suspension ends.
func (s TenantState) Served() bool { return s == TenantActive || s == TenantSuspended }

// ErrTenantDeleted says that nothing is done for this tenant any more: it is deleted, or just being.
var ErrTenantDeleted = errors.New("the tenant is deleted")

// Leftover counts what is left of a tenant at one place, such as a table.
type Leftover struct {
	Place string `json:"place"`
	Count int    `json:"count"`
}

// TenantOrder is a tenant to be created. An empty Lane stands for the one with the fewest tenants.
type TenantOrder struct {
	ID   uuid.UUID
	Name string
	Lane string
}

// maxTenantName is what Postgres takes, in bytes.
const maxTenantName = 255

// CheckTenantName says what a tenant's name must be, where it is something else. A tenant is found by its id or by its name,
// and one that is deleted has its id for a name.
func CheckTenantName(name string) error {
	switch {
	case name == "", len(name) > maxTenantName, !utf8.ValidString(name), strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("1 to %d bytes of UTF-8 without control characters", maxTenantName)
	case uuid.Validate(name) == nil:
		return errors.New("something else than a UUID, which would be taken for an id")
	}
	return nil
}

// TenantDetail is all that is known of a tenant.
type TenantDetail struct {
	TenantStatus
	Pauses []Pause        `json:"pauses"` // a suspension is one at ingestion
	Held   map[string]int `json:"held"`   // messages that pauses hold, by queue
}

// Erasure is what became of a tenant's deletion.
type Erasure struct {
	Tenant   Tenant         `json:"tenant"`   // as it was
	Complete bool           `json:"complete"` // nothing is left, and nothing can come any more
	Removed  map[string]int `json:"removed"`  // by place; by this call
	Left     []Leftover     `json:"left"`
	Queues   []QueueRest    `json:"queues"` // that may still hold messages of it
}

// QueueRest is a queue that may still hold messages of a tenant.
type QueueRest struct {
	Queue    string `json:"queue"`
	Messages int    `json:"messages"` // of whatever tenant
}

// ExportedTable says how a table's rows are written in an export.
type ExportedTable struct {
	Name    string   `json:"name"`
	Base64  []string `json:"base64,omitempty"`  // columns whose bytes are written so
	Omitted []string `json:"omitted,omitempty"` // columns that are not written
}
