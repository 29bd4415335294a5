package events_test

import (
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

func TestRewriteChangesWhatItIsToldAndNothingElse(t *testing.T) {
	const tenant = "aaaaaaaa-0000-4000-8000-000000000001"
	values := map[string]string{"id": "new", "causationid": "old", "runid": "again \"7\""}
	binary := func(prefix string) *message.Message {
		msg := message.NewMessage("old", []byte(`{"ListPrice": 1.50}`))
		msg.Metadata = message.Metadata{"content-type": "application/json", "x-upstream": "\xff", "amqp.priority": "3"}
		for name, value := range map[string]string{
			"specversion": "1.0", "id": "old", "source": "s", "type": "reos.property.upserted.v1", "tenantid": tenant, "runid": "feed",
		} {
			msg.Metadata[prefix+name] = value
		}
		return msg
	}
	structured := message.NewMessage("old", []byte(`{"specversion":"1.0","id":"old","source":"s","type":"reos.property.upserted.v1",
		"tenantid":"`+tenant+`","runid":"feed","x":1e2,"data":{"ListPrice": 1.50}}`))
	structured.Metadata = message.Metadata{"content-type": "application/cloudevents+json; charset=utf-8", "x-upstream": "\xff", "amqp.priority": "3"}
	for name, msg := range map[string]*message.Message{
		"cloudEvents:": binary("cloudEvents:"), "ce-": binary("ce-"), "cloudEvents_": binary("cloudEvents_"), "structured": structured,
	} {
		t.Run(name, func(t *testing.T) {
			before, err := events.Decode(msg)
			require.NoError(t, err)
			changed, err := events.Rewrite(msg, values, nil)
			require.NoError(t, err)
			after, err := events.Decode(changed)
			require.NoError(t, err)
			want := before
			want.ID, want.CausationID, want.RunID = "new", "old", `again "7"`
			require.JSONEq(t, string(before.Data), string(after.Data))
			want.Data = after.Data
			require.Equal(t, want, after)
			require.Equal(t, "new", changed.UUID)
			require.Equal(t, "\xff", changed.Metadata["x-upstream"])
			require.Equal(t, "3", changed.Metadata["amqp.priority"])
			require.Equal(t, "old", msg.UUID, "the message itself stays as it is")

			edited, err := events.Rewrite(msg, values, []byte(`{"ListPrice": 2}`))
			require.NoError(t, err)
			after, err = events.Decode(edited)
			require.NoError(t, err)
			require.JSONEq(t, `{"ListPrice": 2}`, string(after.Data))
		})
	}
	broken := message.NewMessage("old", []byte(`{"specversion":`))
	broken.Metadata = message.Metadata{"content-type": "application/cloudevents+json"}
	_, err := events.Rewrite(broken, values, nil)
	require.Error(t, err)
	null := message.NewMessage("old", []byte(`null`))
	null.Metadata = broken.Metadata
	_, err = events.Rewrite(null, values, nil)
	require.Error(t, err)
	bare, err := events.Rewrite(&message.Message{Payload: []byte("x")}, values, nil)
	require.NoError(t, err)
	require.Equal(t, "new", bare.Metadata["cloudEvents:id"])
}
