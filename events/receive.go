package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
)

// Incoming is one event that a tenant sent, or why it is none.
type Incoming struct {
	Event Event // where Err is set: what can be read of id, source and type, as it came
	Err   error // a *Rejection
}

// Receive reads the event of a message that is known to come from a tenant, in binary or structured mode. An event that
// names no tenant is that tenant's. What Decode says holds but for that.
//
// Invariant 4: an event that names another tenant is rejected.
func Receive(tenant uuid.UUID, msg *message.Message) Incoming {
	found, data, err := split(msg)
	return receive(tenant, found, data, err)
}

func receive(tenant uuid.UUID, found attributes, data []byte, err error) Incoming {
	if err != nil {
		return Incoming{Err: err}
	}
	const attributeName = "tenantid"
	if found.value(attributeName) == "" {
		found = append(attributes{{attributeName, tenant.String()}}, found...)
	}
	e, err := read(found, data)
	if err == nil && e.TenantID != tenant {
		err = Reject(TenantMismatch, attributeName, tenant.String()+", for whom it is sent, or absent", e.TenantID.String())
	}
	if err != nil {
		e = Event{ID: found.value("id"), Source: found.value("source"), Type: found.value("type")}
	}
	return Incoming{Event: e, Err: err}
}

// errTooMany says that a batch holds more events than were allowed.
var errTooMany = errors.New("too many events")

// IsTooMany reports whether ReceiveBatch found more events than it was allowed to.
func IsTooMany(err error) bool { return errors.Is(err, errTooMany) }

// ReceiveBatch reads CloudEvents' JSON batch format as Receive reads one event: an array of events in structured mode,
// at most limit of them. The error is about the whole: nothing in it was read. It is a *Rejection where it is no array.
func ReceiveBatch(tenant uuid.UUID, batch []byte, limit int) ([]Incoming, error) {
	if !json.Valid(batch) || trimJSONSpace(batch)[0] != '[' {
		return nil, Reject(EnvelopeInvalid, "", "CloudEvents as one JSON array (batch mode)", syntaxProblem(batch))
	}
	objects := items(trimJSONSpace(batch))
	if len(objects) > limit {
		return nil, fmt.Errorf("%w: %d, at most %d", errTooMany, len(objects), limit)
	}
	received := make([]Incoming, len(objects))
	for i, object := range objects {
		received[i] = receiveObject(tenant, object)
	}
	return received, nil
}

func receiveObject(tenant uuid.UUID, object []byte) Incoming {
	switch {
	case object[0] != '{':
		return Incoming{Err: Reject(EnvelopeInvalid, "", "a CloudEvent as a JSON object", kindName(object[0]))}
	case len(object) > 2*MaxDataBytes:
		return Incoming{Err: Reject(DataTooLarge, "", fmt.Sprintf("at most %d bytes in structured mode", 2*MaxDataBytes),
			strconv.Itoa(len(object)))}
	}
	found, data, err := splitObject(object)
	return receive(tenant, found, data, err)
}
