package main

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

const goodHome = `{"ListingKey":%q,"ModificationTimestamp":"2026-01-31T12:00:00Z","StandardStatus":"Active","ListPrice":450000,
	"UnparsedAddress":"12 Lake Street, Kirkland, WA 98033","City":"Kirkland","PostalCode":"98033","BedroomsTotal":3,
	"BathroomsTotalInteger":2,"LivingArea":1500,"YearBuilt":1987,"Latitude":47.68,"Longitude":-122.2}`

// hostile is one message that somebody might send.
type hostile struct {
	name    string
	body    string
	change  func(headers amqp.Table)
	key     string // routing key; the tenant's own where empty
	reason  events.Reason
	mention string // what the error must name
}

func (w *world) hostiles() []hostile {
	set := func(name string, value any) func(amqp.Table) {
		return func(headers amqp.Table) { headers["cloudEvents:"+name] = value }
	}
	other := uuid.New()
	home := fmt.Sprintf(goodHome, "H-1")
	return []hostile{
		{name: "a message of 1 MiB", body: `{"ListingKey":"H-1","PublicRemarks":"` + strings.Repeat("x", 1<<20) + `"}`, reason: events.DataTooLarge},
		{name: "an empty message", body: "", reason: events.DataEmpty},
		{name: "invalid UTF-8", body: "{\"ListingKey\":\"H-1\",\"City\":\"\xff\xfe\"}", reason: events.DataNotUTF8},
		{name: "no JSON", body: "ListingKey=H-1", reason: events.DataNotJSON},
		{name: "two JSON objects", body: home + home, reason: events.DataNotJSON},
		{name: "deeply nested JSON", body: `{"ListingKey":"H-1","x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, reason: events.DataTooDeep},
		{name: "a NUL character in a string", body: `{"ListingKey":"H-1","City":"Kirk\u0000land"}`, reason: events.DataHasNUL},
		{name: "a raw NUL byte", body: "{\"ListingKey\":\"H-1\",\"City\":\"Kirk\x00land\"}", reason: events.DataHasNUL},
		{name: "a key of 300 characters", body: fmt.Sprintf(goodHome, strings.Repeat("k", 300)), change: func(h amqp.Table) { delete(h, "cloudEvents:subject") }, reason: events.KeyInvalid, mention: "ListingKey"},
		{name: "a key that contradicts the subject", body: fmt.Sprintf(goodHome, "H-2"), reason: events.KeyInvalid},
		{name: "a version of the year 2999", body: strings.Replace(home, "2026-01-31", "2999-01-31", 1), reason: events.VersionInvalid, mention: "ModificationTimestamp"},
		{name: "a version that is no time", body: strings.Replace(home, "2026-01-31T12:00:00Z", "yesterday", 1), reason: events.VersionInvalid, mention: "ModificationTimestamp"},
		{name: "a wrong tenant", body: home, change: set("tenantid", other.String()), reason: events.TenantMismatch, mention: "tenantid"},
		{name: "a tenant that is no UUID", body: home, change: set("tenantid", "acme"), reason: events.EnvelopeInvalid, mention: "tenantid"},
		{name: "an unknown tenant", body: home, key: other.String() + ".reos.property.upserted.v1", change: set("tenantid", other.String()), reason: events.TenantUnknown, mention: other.String()},
		{name: "an unknown type", body: home, change: set("type", "reos.castle.upserted.v1"), reason: events.TypeUnknown, mention: "type"},
		{name: "no attributes at all", body: home, change: func(h amqp.Table) { clear(h) }, reason: events.EnvelopeInvalid, mention: "specversion"},
		{name: "attributes that are tables", body: home, change: set("time", amqp.Table{"a": int32(1)}), reason: events.EnvelopeInvalid, mention: "time"},
		{name: "headers of a dead letter", body: home, change: func(h amqp.Table) {
			h["x-death"] = []any{amqp.Table{"count": int64(9), "queue": "q"}}
			h["x-delivery-count"] = int64(99)
			h["reos-attempt"] = "99"
			h["cloudEvents:sequence"] = "many"
		}, reason: events.EnvelopeInvalid, mention: "sequence"},
	}
}

func TestHostileMessagesEndAsNamedReasonsAndHarmNoOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start("worker", "all")
	channel, done := w.channel()
	defer done()
	require.NoError(t, channel.Confirm(false))
	publish := func(key, id, body string, change func(amqp.Table)) {
		headers := amqp.Table{
			"cloudEvents:specversion": "1.0", "cloudEvents:id": id, "cloudEvents:source": "hostile", "cloudEvents:subject": "H-1",
			"cloudEvents:type": "reos.property.upserted.v1", "cloudEvents:tenantid": w.tenant.String(),
		}
		if change != nil {
			change(headers)
		}
		if key == "" {
			key = w.tenant.String() + ".reos.property.upserted.v1"
		}
		confirm, err := channel.PublishWithDeferredConfirm(w.topology.Intake(), key, true, false, amqp.Publishing{
			ContentType: "application/json", DeliveryMode: amqp.Persistent, Headers: headers, Body: []byte(body), MessageId: id,
		})
		require.NoError(t, err)
		require.True(t, confirm.Wait())
	}
	hostiles := w.hostiles()
	for i, h := range hostiles {
		publish(h.key, fmt.Sprintf("hostile-%d", i), h.body, h.change)
		next := fmt.Sprintf("next-%d", i)
		publish("", next, fmt.Sprintf(goodHome, next), func(headers amqp.Table) { headers["cloudEvents:subject"] = next })
	}
	// Numbers out of range do not make an event invalid: in a field of the contract the record is quarantined, in any
	// other it is warned of.
	publish("", "price", strings.Replace(fmt.Sprintf(goodHome, "H-price"), "450000", "1e400", 1), func(h amqp.Table) { h["cloudEvents:subject"] = "H-price" })
	publish("", "unknown-number", strings.Replace(fmt.Sprintf(goodHome, "H-number"), `"City"`, `"x_Score":-1e99999,"City"`, 1), func(h amqp.Table) { h["cloudEvents:subject"] = "H-number" })

	status := w.settled()
	tenant := status.Tenants[tenantAt(status)]
	require.Equal(t, "H-price", w.text("SELECT string_agg(record_key, ' ') FROM verdicts WHERE NOT passed"))
	require.Equal(t, len(hostiles)+1, tenant.Indexed, "the message after each hostile one is processed")
	require.Equal(t, 1, tenant.Quarantined)
	require.Equal(t, 1, w.number(`SELECT count(*) FROM verdicts WHERE record_key = 'H-price' AND failures @> '[{"field":"ListPrice"}]'`))
	require.Equal(t, 1, w.number(`SELECT count(*) FROM verdicts WHERE record_key = 'H-number' AND failures @> '[{"field":"x_Score"}]'`))

	var listed struct {
		DeadLetters []letter `json:"dead_letters"`
	}
	w.okJSON(&listed, "dlq", "list", "--limit", "100")
	require.Len(t, listed.DeadLetters, len(hostiles))
	for i, h := range hostiles {
		t.Run(h.name, func(t *testing.T) { w.requireLetter(t, listed.DeadLetters, fmt.Sprintf("hostile-%d", i), h) })
	}
}

// requireLetter finds a hostile message's dead letter by its message id and looks at it as an operator would.
func (w *world) requireLetter(t *testing.T, letters []letter, id string, h hostile) {
	for _, listed := range letters {
		var shown letter
		stdout, stderr, code := runReos(t, w.env, "dlq", "show", listed.ID.String(), "--json")
		require.Equal(t, exitOK, code, stderr)
		decode(t, stdout, &shown)
		if shown.EventID != id {
			continue
		}
		require.Equal(t, h.reason, shown.Reason, shown.Error)
		require.Contains(t, shown.Error, h.mention)
		require.NotContains(t, shown.Error, strings.Repeat("x", 200), "no payload in errors")
		if shown.Payload != nil {
			require.Equal(t, h.body, *shown.Payload)
		} else {
			raw, err := base64.StdEncoding.DecodeString(shown.PayloadBase64)
			require.NoError(t, err)
			require.Equal(t, h.body, string(raw))
		}
		return
	}
	require.Fail(t, "no dead letter", h.name)
}
