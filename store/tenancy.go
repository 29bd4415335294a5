package store

import "errors"

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

// ExportedTable says how a table's rows are written in an export.
type ExportedTable struct {
	Name    string   `json:"name"`
	Base64  []string `json:"base64,omitempty"`  // columns whose bytes are written so
	Omitted []string `json:"omitted,omitempty"` // columns that are not written
}
