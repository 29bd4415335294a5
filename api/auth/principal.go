// Package auth says who calls the API and what they may do. It knows tokens and roles, and nothing of HTTP routes.
package auth

import (
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"
)

// Role is what a token lets its bearer do.
type Role string

// The roles. They do not include each other: a token lists all that it has.
const (
	Publisher Role = "publisher" // publish events and feeds, write documents
	Reader    Role = "reader"    // read records, receipts, runs, documents; search
	Operator  Role = "operator"  // pause, re-run, replay, and all that a reader sees
	Admin     Role = "admin"     // create, suspend, export and delete tenants
)

// Roles lists all roles.
var Roles = []Role{Publisher, Reader, Operator, Admin}

// ErrUnauthenticated says that a token is missing, or is not to be believed. It says why, and never holds the token.
var ErrUnauthenticated = errors.New("unauthenticated")

// Principal is the bearer of a token.
type Principal struct {
	Subject string    // who, as the issuer names them; goes into the audit
	Tenant  uuid.UUID // whose data; uuid.Nil only where Platform
	Roles   []Role
	// Platform says that the token is not bound to one tenant: its roles hold for every tenant.
	Platform bool
}

// Has reports whether the principal has a role, for whatever tenant.
func (p Principal) Has(role Role) bool { return slices.Contains(p.Roles, role) }

// Covers reports whether the principal's roles hold for a tenant.
//
// Invariant 4: a token of one tenant never covers another.
func (p Principal) Covers(tenant uuid.UUID) bool {
	return p.Platform || (tenant != uuid.Nil && p.Tenant == tenant)
}

// Verifier believes a token or not. Safe for concurrent use.
type Verifier interface {
	// Verify returns the bearer of a compact JWT, or an error that wraps ErrUnauthenticated.
	Verify(ctx context.Context, token string) (Principal, error)
}
