package feed

import (
	"bytes"
	"encoding/json"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/codybias9/real-estate-os/events"
)

// cloudEvent reads a CloudEvent in structured mode. It keeps its id; the tenant is the feed's, which the event may
// repeat but not contradict.
func cloudEvent(line []byte, m members, o Options) (events.Event, error) {
	tenant, err := tenantOf(m)
	if err != nil {
		return events.Event{}, err
	}
	switch tenant {
	case o.Tenant.String():
	case "":
		line = withMember(line, "tenantid", o.Tenant.String())
	default:
		return events.Event{}, refuse("tenantid", "the feed's tenant "+o.Tenant.String()+", or absent", tenant)
	}
	msg := message.NewMessage("", line)
	msg.Metadata.Set(events.MetaContentType, "application/cloudevents+json")
	e, err := events.Decode(msg)
	if err == nil {
		_, err = events.Normalise(e)
	}
	if err != nil {
		return events.Event{}, refusal(err)
	}
	if e.RunID == "" {
		e.RunID = o.RunID
	}
	e.Data = bytes.Clone(e.Data)
	return e, nil
}

// tenantOf gives the event's tenant in lower case; empty where it names none.
func tenantOf(m members) (string, error) {
	raw, ok := m["tenantid"]
	if !ok {
		return "", nil
	}
	var tenant string
	if err := json.Unmarshal(raw, &tenant); err != nil { // null leaves it empty
		return "", refuse("tenantid", "the tenant's UUID", string(raw))
	}
	return string(bytes.ToLower([]byte(tenant))), nil
}

// withMember adds a member behind the others of an object that has some: the last of one name counts.
func withMember(object []byte, name, value string) []byte {
	end := bytes.LastIndexByte(object, '}')
	added := make([]byte, 0, len(object)+len(name)+len(value)+6)
	added = append(added, object[:end]...)
	added = append(added, `,"`+name+`":"`+value+`"`...)
	return append(added, '}')
}
