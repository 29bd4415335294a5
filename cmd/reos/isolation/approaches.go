package isolation

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/codybias9/real-estate-os/events"
)

// An approach says how an endpoint is attacked by the victim's names.
type approach struct {
	path values                     // what stands for the parameters of the path
	fill func(w *World, r *request) // the rest of the request
	// sees is what the victim itself is shown in this way, and the attacker must not be: else it would prove nothing that
	// the attacker is not. nil where nothing is shown.
	sees func(*Canary) string
	// platform endpoints are about all tenants: no tenant's token may use them.
	platform bool
	// intrusive requests leave something of the attacker's own behind.
	intrusive bool
}

// What the victim sees, by an endpoint that shows contents, or one that only lists names.
func secretOf(c *Canary) string { return c.Secret }
func markOf(c *Canary) string   { return c.Mark }
func eventOf(c *Canary) string  { return c.event().String() }
func letterOf(c *Canary) string { return c.letter().String() }

// Paths' parameters.
type values map[string]func(*Canary) string

func constant(value string) func(*Canary) string { return func(*Canary) string { return value } }

func offerOf(c *Canary) string { return c.key(events.Offer) }

var (
	propertyPath = values{"key": (*Canary).property}
	recordPath   = values{"type": constant("property"), "key": (*Canary).property}
	tenantPath   = values{"id": func(c *Canary) string { return c.ID.String() }}
	documentPath = values{"path": func(c *Canary) string { return c.Mark + ".txt" }}
)

// saying fills in a body.
func saying(body string) func(*World, *request) {
	return func(_ *World, r *request) {
		r.header, r.body = http.Header{"Content-Type": {"application/json"}}, body
	}
}

// approaches has one for each endpoint, by its operation id. An endpoint without one is reported by name.
var approaches = map[string]approach{
	"show-event": {path: values{"id": eventOf}, sees: secretOf},
	"show-run":   {path: values{"id": (*Canary).run}, sees: secretOf},
	"list-runs":  {sees: secretOf},
	"pause-run":  {path: values{"id": (*Canary).run}, fill: saying(`{"why":"isolation"}`)},
	"resume-run": {path: values{"id": (*Canary).run}, fill: saying(`{"why":"isolation"}`)},
	"cancel-run": {path: values{"id": (*Canary).run}, fill: saying(`{"why":"isolation"}`)},
	"start-run": {intrusive: true, fill: func(w *World, r *request) {
		saying(fmt.Sprintf(`{"why":"isolation","stage":"quality","keys":[%q]}`, w.Victim.property()))(w, r)
	}},
	"list-properties":         {sees: markOf},
	"show-property":           {path: propertyPath, sees: secretOf},
	"show-property-raw":       {path: propertyPath, sees: secretOf},
	"list-property-history":   {path: propertyPath, sees: eventOf},
	"list-records":            {path: values{"type": constant("offer")}, sees: markOf},
	"show-record":             {path: values{"type": constant("offer"), "key": offerOf}, sees: secretOf},
	"show-record-raw":         {path: recordPath, sees: secretOf},
	"list-record-history":     {path: recordPath, sees: eventOf},
	"freshness":               {sees: secretOf},
	"list-dead-letters":       {sees: secretOf},
	"show-dead-letter":        {path: values{"id": letterOf}, sees: secretOf},
	"export-dead-letters":     {sees: secretOf},
	"list-dead-letter-groups": {sees: secretOf},
	"show-dead-letter-group":  {path: values{"fingerprint": (*Canary).group}, sees: secretOf},
	"discard-dead-letters": {intrusive: true, fill: func(w *World, r *request) {
		r.header = http.Header{"Content-Type": {"application/json"}}
		r.body = fmt.Sprintf(`{"letters":{"ids":[%q]},"why":"isolation","dry_run":true}`, w.Victim.letter())
	}},
	"plan-replay": {intrusive: true, fill: func(w *World, r *request) {
		r.header = http.Header{"Content-Type": {"application/json"}}
		r.body = fmt.Sprintf(`{"letters":{"ids":[%q]},"why":"isolation"}`, w.Victim.letter())
	}},
	"run-replay": {path: values{"id": (*Canary).run}, intrusive: true, fill: func(_ *World, r *request) {
		r.header, r.body = http.Header{"Content-Type": {"application/json"}}, `{"why":"isolation"}`
	}},
	"search":          {fill: func(_ *World, r *request) { r.query = url.Values{"q": {"a house"}} }, sees: secretOf},
	"list-documents":  {sees: markOf},
	"get-document":    {path: documentPath, sees: secretOf},
	"head-document":   {path: documentPath},
	"delete-document": {path: documentPath, intrusive: true},
	"put-document": {path: documentPath, intrusive: true, fill: func(_ *World, r *request) {
		r.header, r.body = http.Header{"Content-Type": {"text/plain"}}, "overwritten"
	}},
	"publish-events": {intrusive: true, fill: func(w *World, r *request) {
		r.header = http.Header{"Content-Type": {"application/cloudevents+json"}, "Idempotency-Key": {"key-" + w.Victim.Mark}}
		r.body = fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":%q,"type":"reos.property.upserted.v1","subject":%q,"tenantid":%q,"runid":%q,"data":%s}`,
			w.Victim.event(), "isolation", w.Victim.property(), w.Victim.ID, w.Victim.run(), property(w.Victim.property()))
	}},
	"list-tenants":             {platform: true},
	"create-tenant":            {platform: true},
	"show-tenant":              {path: tenantPath, platform: true},
	"suspend-tenant":           {path: tenantPath, platform: true},
	"resume-tenant":            {path: tenantPath, platform: true},
	"renew-tenant-credentials": {path: tenantPath, platform: true},
	"export-tenant":            {path: tenantPath, platform: true},
	"delete-tenant":            {path: tenantPath, platform: true},
	"publish-feed": {intrusive: true, fill: func(w *World, r *request) {
		r.header = http.Header{"Content-Type": {"application/x-ndjson"}, "Run-Id": {w.Victim.run()}}
		r.body = string(property(w.Victim.property())) + "\n"
	}},
}
