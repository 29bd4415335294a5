package main

import (
	"strings"
	"time"

	"github.com/google/uuid"
)

// unknownTenant is a tenant that nobody created.
var unknownTenant = uuid.MustParse("0ddba11e-0000-4000-8000-00000000dead")

// broken publishes messages that become dead letters, and one that no queue is bound for. None of them is about a
// home that anything else is about.
func (f *feed) broken() {
	cascade, loneStar := f.agencies[0], f.agencies[1]
	f.dead(binaryAbout(f, cascade), func(m *message) { delete(m.Headers, binary+"type") })
	f.dead(binaryAbout(f, loneStar), func(m *message) { m.Headers[binary+"tenantid"] = "lone-star-homes" })
	f.dead(binaryAbout(f, cascade), func(m *message) {
		m.Headers = map[string]string{"content-type": "application/cloudevents+json"}
		m.Body = `{"specversion":"1.0","id":"` + m.MessageID + `","type":"reos.property.upserted.v1","data":` + m.Body[:len(m.Body)/2]
	})
	f.dead(binaryAbout(f, cascade), func(m *message) { // published with one tenant's key, in another's name
		m.Headers[binary+"tenantid"] = loneStar.ledger.ID.String()
	})

	stray := binaryAbout(f, loneStar)
	stray.RoutingKey = strings.Replace(stray.RoutingKey, loneStar.ledger.ID.String(), unknownTenant.String(), 1)
	stray.Headers[binary+"tenantid"] = unknownTenant.String()
	f.scripts = append(f.scripts, script{stray})
	f.ledger.Unroutable++
}

// dead publishes a message that breaks has made unreadable.
func (f *feed) dead(m message, breaks func(*message)) {
	breaks(&m)
	f.scripts = append(f.scripts, script{m})
	f.ledger.Dead++
}

// binaryAbout writes a flawless message about a home, in binary mode.
func binaryAbout(f *feed, a *agency) message {
	h := f.home(a, a.nextKey())
	data := h.record
	data["ModificationTimestamp"] = h.at.Format(time.RFC3339)
	return envelope{
		id: uuid.NewSHA1(a.ledger.ID, []byte("broken "+h.key)).String(), source: a.source, subject: h.key, at: h.at,
		eventType: "reos.property.upserted.v1", tenant: a.ledger.ID, data: data,
	}.message(binary)
}
