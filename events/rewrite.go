package events

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ThreeDotsLabs/watermill/message"
)

// Rewrite is a message in the mode in which it came, with other values for some attributes, by name, and with other data
// where data is not nil. Headers and members that are not named keep their bytes. The error says that a message in
// structured mode is no JSON object: no attribute of it can be changed.
func Rewrite(msg *message.Message, values map[string]string, data []byte) (*message.Message, error) {
	changed := message.NewMessage(msg.UUID, msg.Payload)
	changed.Metadata = maps.Clone(msg.Metadata)
	if changed.Metadata == nil {
		changed.Metadata = message.Metadata{}
	}
	if id, ok := values["id"]; ok {
		changed.UUID = id
	}
	if strings.HasPrefix(msg.Metadata[MetaContentType], StructuredContentType) {
		payload, err := rewriteStructured(msg.Payload, values, data)
		changed.Payload = payload
		return changed, err
	}
	for name, value := range values {
		for _, prefix := range acceptedPrefixes {
			delete(changed.Metadata, prefix+name)
		}
		changed.Metadata[AttributePrefix+name] = value
	}
	if data != nil {
		changed.Payload = data
	}
	return changed, nil
}

func rewriteStructured(payload []byte, values map[string]string, data []byte) ([]byte, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(payload, &members); err != nil || members == nil {
		return nil, fmt.Errorf("rewrite event in structured mode: %s", jsonProblem(payload))
	}
	for name, value := range values {
		members[name] = appendString(nil, value)
	}
	if data != nil {
		delete(members, "data_base64")
		members["data"] = slices.Clone(data)
	}
	return json.Marshal(members)
}
