package events_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

// requireRejection checks that an error is one that a dead letter can be grouped by.
func requireRejection(t *testing.T, err error) {
	t.Helper()
	rejection, ok := errors.AsType[*events.Rejection](err)
	require.True(t, ok, "%v", err)
	require.True(t, slices.Contains(events.Reasons, rejection.Reason), rejection.Reason)
	require.NotEmpty(t, rejection.Must)
}

func FuzzDecode(f *testing.F) {
	for _, e := range goldenEvents(f) {
		metadata, err := json.Marshal(e.Message().Metadata)
		require.NoError(f, err)
		f.Add(metadata, e.Data)
		f.Add([]byte(`{"content-type":"application/cloudevents+json"}`), structured(f, e))
	}
	f.Add([]byte(`{"content-type":"application/cloudevents+json"}`), []byte(`{"data_base64":"e30=","specversion":"1.0","id":7}`))
	f.Fuzz(func(t *testing.T, metadata, payload []byte) {
		msg := message.NewMessage("any", payload)
		if json.Unmarshal(metadata, &msg.Metadata) != nil || msg.Metadata == nil {
			return // not metadata
		}
		e, err := events.Decode(msg)
		if err != nil {
			requireRejection(t, err)
			return
		}
		again, err := events.Decode(e.Message())
		require.NoError(t, err, "what was accepted can be said again")
		require.Equal(t, e.ID, again.ID)
		require.Equal(t, e.UID(), again.UID())
		require.Equal(t, e.TenantID, again.TenantID)
		require.True(t, e.Time.Equal(again.Time))
		if _, err := events.NormaliseAt(e, clock); err != nil {
			requireRejection(t, err)
		}
	})
}

func FuzzNormalise(f *testing.F) {
	for _, eventType := range events.IntakeTypes() {
		e := intakeEvent(eventType)
		f.Add(eventType, e.Subject, e.Data)
	}
	for _, data := range []string{
		`{"ListPrice":1e999,"City":1e5,"a":[1e300,-0.0e-5]}`, `{"ListingKey":"\ud800"}`, `{"\ud800":1,"\ufffd":2}`,
		`{"View":",a , b","WaterfrontYN":"\u0079"}`, `{"ListPrice":"\u0020"}`, `{"a":"\\u0000"}`, `[[[[`, `{"CloseDate":"0000-01-01"}`,
	} {
		f.Add("reos.property.upserted.v1", "K", []byte(data))
	}
	f.Fuzz(func(t *testing.T, eventType, subject string, data []byte) {
		e := intakeEvent("reos.property.upserted.v1")
		e.Type, e.Subject, e.Data = eventType, subject, data
		record, err := events.NormaliseAt(e, clock)
		if err != nil {
			requireRejection(t, err)
			return
		}
		require.NotEmpty(t, record.Key)
		require.LessOrEqual(t, len(record.Faults), events.MaxFaults)
		if record.Deleted {
			require.Nil(t, record.Doc)
			return
		}
		require.True(t, json.Valid(record.Doc))
		require.True(t, utf8.Valid(record.Doc))
		sameAsEncodingJSON(t, e.Data, record.Doc)

		e.Data = record.Doc
		again, err := events.NormaliseAt(e, clock)
		if len(record.Doc) > events.MaxDataBytes {
			requireRejection(t, err)
			return
		}
		require.NoError(t, err)
		require.Equal(t, string(record.Doc), string(again.Doc), "a normalised record is a fixed point")
		require.Equal(t, record.Key, again.Key)
		require.Equal(t, record.Version, again.Version)
	})
}

// sameAsEncodingJSON checks the hand-written reader against the standard library's: no member is lost or invented.
func sameAsEncodingJSON(t *testing.T, came, doc []byte) {
	t.Helper()
	var before, after map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(came, &before))
	require.NoError(t, json.Unmarshal(doc, &after))
	for name := range before {
		require.Contains(t, after, name)
	}
	for name := range after {
		if _, ok := before[name]; !ok {
			require.True(t, name == events.ModificationTimestamp || isKeyField(name), name)
		}
	}
}

func isKeyField(name string) bool {
	return slices.ContainsFunc(events.RecordTypes, func(r events.RecordType) bool { return events.KeyField(r) == name })
}
