package store

import (
	"crypto/rand"
	"strings"

	"github.com/google/uuid"
)

const (
	// CanaryPrefix begins the name of every canary. Not every tenant whose name it begins is one: see Canary.
	CanaryPrefix = "reos-canary-"

	// CanaryVerify names the canaries of one verification, which it removes; CanaryProbe those that a prober keeps.
	CanaryVerify = "verify"
	CanaryProbe  = "probe"
)

// canaries is the name space of the ids of canaries.
var canaries = uuid.MustParse("5d0d52ac-6d3e-5c52-9a43-0f0c3f1f2b77")

// NewCanary names a tenant that exists only to prove that tenants are isolated. It is nobody's customer: no SLI and no
// status counts it. purpose is CanaryVerify or CanaryProbe.
func NewCanary(purpose string) Tenant {
	name := CanaryPrefix + purpose + "-" + strings.ToLower(rand.Text()[:12])
	return Tenant{ID: uuid.NewSHA1(canaries, []byte(name)), Name: name}
}

// Canary says for what purpose the tenant is a canary; empty where it is a customer. The name alone makes none: a
// canary's id follows from its name, so that a customer cannot be taken for one.
func (t Tenant) Canary() (purpose string) {
	rest, ok := strings.CutPrefix(t.Name, CanaryPrefix)
	if !ok || t.ID != uuid.NewSHA1(canaries, []byte(t.Name)) {
		return ""
	}
	purpose, _, _ = strings.Cut(rest, "-")
	return purpose
}
