package api

import "github.com/danielgtaylor/huma/v2"

// eventsBody describes what may be sent to publish events. No validation comes of it: decodeEvents is the contract.
func eventsBody() *huma.RequestBody {
	return &huma.RequestBody{
		Required:    true,
		Description: "In binary mode, the record is the body and the event's attributes are headers: ce-specversion, ce-id, ce-source, ce-type, …",
		Content: map[string]*huma.MediaType{
			structuredType: {Schema: eventSchema(), Example: exampleEvent("evt-1", "NW-1042")},
			batchType: {
				Schema:  &huma.Schema{Type: huma.TypeArray, Items: eventSchema()},
				Example: []any{exampleEvent("evt-1", "NW-1042"), exampleEvent("evt-2", "NW-1043")},
			},
			"application/json": {Schema: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}, Example: exampleRecord("NW-1042")},
		},
	}
}

func eventSchema() *huma.Schema {
	text := func(description string) *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, Description: description}
	}
	return &huma.Schema{
		Type: huma.TypeObject, Required: []string{"specversion", "id", "source", "type"}, AdditionalProperties: true,
		Properties: map[string]*huma.Schema{
			"specversion": {Type: huma.TypeString, Enum: []any{"1.0"}},
			"id":          text("With source it names the event: the same again is a duplicate and changes nothing."),
			"source":      text("Who says so, such as mls/northwest."),
			"type":        text("Such as reos.property.upserted.v1."),
			"subject":     text("The record's key, where the data does not hold it."),
			"time":        text("RFC 3339; the record's version where the data has no ModificationTimestamp."),
			"sequence":    text("A whole number that orders events of one record with the same ModificationTimestamp."),
			"runid":       text("The feed or backfill that the event belongs to."),
			"tenantid":    text("The tenant; must be the token's. Best left out."),
			"traceparent": text("W3C trace context."),
			"data":        {Type: huma.TypeObject, AdditionalProperties: true, Description: "The record: RESO Data Dictionary names."},
		},
	}
}

func exampleEvent(id, key string) map[string]any {
	return map[string]any{
		"specversion": "1.0", "id": id, "source": "mls/northwest", "type": "reos.property.upserted.v1", "data": exampleRecord(key),
	}
}

func exampleRecord(key string) map[string]any {
	return map[string]any{
		"ListingKey": key, "ModificationTimestamp": "2026-01-31T12:00:00Z", "StandardStatus": "Active", "ListPrice": 450000,
		"UnparsedAddress": "12 Lake St, Kirkland, WA 98033", "City": "Kirkland", "BedroomsTotal": 3,
	}
}
