package reconcile

import (
	"slices"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/store"
)

// maxSamples bounds what is told one by one of a kind and tenant; the rest are counted.
const maxSamples = 20

// Report is what a comparison of the stores found.
type Report struct {
	Clean    bool           `json:"clean"`    // nothing was found, or all of it is being repaired
	Found    int            `json:"found"`    // disagreements
	Repaired int            `json:"repaired"` // of these: removed, or on their way through the stages again
	Tenants  []TenantReport `json:"tenants"`
}

// TenantReport is one tenant's part of it.
type TenantReport struct {
	Tenant     uuid.UUID    `json:"tenant_id"`
	Name       string       `json:"name"`
	Properties int          `json:"properties"` // compared with the index
	Points     int          `json:"points"`     // of the index, compared with the properties
	Objects    int          `json:"objects"`    // of the archive, compared with the events
	Findings   []KindReport `json:"findings"`
}

// KindReport is what was found of one kind.
type KindReport struct {
	Kind     store.FindingKind `json:"kind"`
	Count    int               `json:"count"`
	Repaired int               `json:"repaired"`
	Samples  []store.Finding   `json:"samples"`
}

// Count is how many findings of a kind all tenants have.
func (r Report) Count(kind store.FindingKind) int {
	n := 0
	for _, tenant := range r.Tenants {
		for _, found := range tenant.Findings {
			if found.Kind == kind {
				n += found.Count
			}
		}
	}
	return n
}

func (r *Report) add(tenant TenantReport) {
	r.Tenants = append(r.Tenants, tenant)
	for _, found := range tenant.Findings {
		r.Found += found.Count
		r.Repaired += found.Repaired
	}
	r.Clean = r.Found == r.Repaired
}

// kind finds the part of a kind, or adds it.
func (t *TenantReport) kind(kind store.FindingKind) *KindReport {
	at := slices.IndexFunc(t.Findings, func(k KindReport) bool { return k.Kind == kind })
	if at < 0 {
		at = len(t.Findings)
		t.Findings = append(t.Findings, KindReport{Kind: kind})
	}
	return &t.Findings[at]
}

func (t *TenantReport) found(finding store.Finding) {
	k := t.kind(finding.Kind)
	k.Count++
	if len(k.Samples) < maxSamples {
		k.Samples = append(k.Samples, finding)
	}
}

func (t *TenantReport) repaired(kind store.FindingKind) { t.kind(kind).Repaired++ }
