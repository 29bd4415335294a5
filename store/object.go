package store

import (
	"errors"
	"time"
)

// ObjectInfo describes an object of a tenant.
type ObjectInfo struct {
	Key         string // relative to the tenant
	Bytes       int64
	ETag        string // without quotes
	Modified    time.Time
	ContentType string // empty in a listing
}

// ErrInvalidKey says that a key, a prefix or a span names something that a tenant's handle must not touch. What is wrong
// with it, a *KeyError says.
var ErrInvalidKey = errors.New("invalid object key")

// KeyError is an ErrInvalidKey with its reason.
type KeyError struct{ Why string }

func (e *KeyError) Error() string { return ErrInvalidKey.Error() + ": " + e.Why }

// Unwrap makes it an ErrInvalidKey.
func (e *KeyError) Unwrap() error { return ErrInvalidKey }
