package console

import (
	"net/url"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
)

func tenantURL(tenant uuid.UUID) string { return "/tenants/" + tenant.String() }

func eventURL(tenant uuid.UUID, event string) string {
	return tenantURL(tenant) + "/events/" + segment(event)
}

func recordURL(tenant uuid.UUID, record events.RecordType, key string) string {
	return tenantURL(tenant) + "/records/" + string(record) + "/" + segment(key)
}

// runsURL leads to the runs of a tenant; of all where it is uuid.Nil, as with those below.
func runsURL(tenant uuid.UUID) string {
	if tenant == uuid.Nil {
		return "/runs"
	}
	return tenantURL(tenant) + "/runs"
}

func runURL(tenant uuid.UUID, run string) string { return runsURL(tenant) + "/" + segment(run) }

func lettersURL(tenant uuid.UUID) string {
	if tenant == uuid.Nil {
		return "/dead-letters"
	}
	return tenantURL(tenant) + "/dead-letters"
}

func groupURL(tenant uuid.UUID, fingerprint string) string {
	return lettersURL(tenant) + "/groups/" + segment(fingerprint)
}

func letterURL(tenant, letter uuid.UUID) string { return lettersURL(tenant) + "/" + letter.String() }

// segment is a text as one segment of a path.
func segment(text string) string { return url.PathEscape(text) }

// addressable says whether a text can be a segment of a path at all: . and .. mean something else there.
func addressable(text string) bool { return text != "" && text != "." && text != ".." }

// place writes where a listing goes on: behind an item of a time and an id.
func place(at time.Time, id string) string {
	return url.Values{"before": {strconv.FormatInt(at.UnixMicro(), 10)}, "id": {id}}.Encode()
}

// placeOf reads what place wrote; what it cannot have written is the beginning.
func placeOf(query url.Values) (at time.Time, id string) {
	micros, err := strconv.ParseInt(query.Get("before"), 10, 64)
	if err != nil || micros <= 0 || micros > lastMicro {
		return time.Time{}, ""
	}
	return time.UnixMicro(micros).UTC(), query.Get("id")
}

// lastMicro is that of the year 9999.
const lastMicro = 253_402_300_799_999_999
