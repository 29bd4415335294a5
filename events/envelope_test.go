package events_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

func TestAttributesAreTakenUnderEveryPrefix(t *testing.T) {
	want := intakeEvent("reos.lease.upserted.v1")
	for _, prefix := range []string{"cloudEvents:", "cloudEvents_", "ce-"} {
		t.Run(prefix, func(t *testing.T) {
			msg := message.NewMessage("any", want.Data)
			for name, value := range want.Message().Metadata {
				msg.Metadata[strings.Replace(name, events.AttributePrefix, prefix, 1)] = value
			}
			e, err := events.Decode(msg)
			require.NoError(t, err)
			require.Equal(t, want, e)
		})
	}
}

func TestOurOwnPrefixWins(t *testing.T) {
	msg := intakeEvent("reos.lease.upserted.v1").Message()
	msg.Metadata["ce-source"] = "another"
	msg.Metadata["cloudEvents_source"] = "a third"
	e, err := events.Decode(msg)
	require.NoError(t, err)
	require.Equal(t, "mls/kingcounty", e.Source)
}

func TestStructuredModeTakesBase64(t *testing.T) {
	want := intakeEvent("reos.lease.upserted.v1")
	var members map[string]any
	require.NoError(t, json.Unmarshal(structured(t, want), &members))
	delete(members, "data")
	members["data_base64"] = base64.StdEncoding.EncodeToString(want.Data)
	members["sequence"] = 7 // CloudEvents allows a number
	members["runid"] = nil
	e, err := events.Decode(structuredMessage(pretty(t, members)))
	require.NoError(t, err)
	want.RunID = ""
	require.Equal(t, want, e)
}

func TestStructuredModeRejectsWhatIsNoEvent(t *testing.T) {
	for name, payload := range map[string]string{
		"no JSON": `{`, "array": `[]`, "null": `null`, "base64 that is none": `{"data_base64":"!"}`,
		"base64 that is a number": `{"data_base64":1}`, "attribute that is an object": `{"id":{}}`,
		"attribute that is a list": `{"source":[1]}`, "nothing": ``,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := events.Decode(structuredMessage([]byte(payload)))
			rejection, ok := errors.AsType[*events.Rejection](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, events.EnvelopeInvalid, rejection.Reason)
		})
	}
	_, err := events.Decode(structuredMessage(make([]byte, 2*events.MaxDataBytes+1)))
	rejection, ok := errors.AsType[*events.Rejection](err)
	require.True(t, ok)
	require.Equal(t, events.DataTooLarge, rejection.Reason)
}

func TestEveryMalformedAttributeIsNamed(t *testing.T) {
	long := strings.Repeat("x", events.MaxAttributeBytes+1)
	cases := []struct{ attribute, value string }{
		{"specversion", ""},
		{"specversion", "0.3"},
		{"id", ""},
		{"id", long},
		{"id", "a\x00b"},
		{"id", "\xff"},
		{"source", ""},
		{"source", long},
		{"type", ""},
		{"type", long},
		{"tenantid", ""},
		{"tenantid", "acme"},
		{"tenantid", uuid.Nil.String()},
		{"tenantid", "{10000000-0000-4000-8000-00000000000a}"},
		{"time", "yesterday"},
		{"time", "2026-13-01T00:00:00Z"},
		{"time", "0000-01-01T00:00:00Z"},
		{"time", "9999-12-31T23:59:59-14:00"},
		{"time", "0001-01-01T00:00:00+14:00"},
		{"sequence", "-1"},
		{"sequence", "1.5"},
		{"sequence", "9223372036854775808"},
		{"runid", long},
		{"traceparent", long},
		{"causationid", "\xff"},
	}
	for _, c := range cases {
		t.Run(c.attribute+" "+events.Shorten(c.value, 10), func(t *testing.T) {
			msg := intakeEvent("reos.lease.upserted.v1").Message()
			msg.Metadata[events.AttributePrefix+c.attribute] = c.value
			_, err := events.Decode(msg)
			rejection, ok := errors.AsType[*events.Rejection](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, events.EnvelopeInvalid, rejection.Reason)
			require.Equal(t, c.attribute, rejection.Field)
			require.Contains(t, err.Error(), c.attribute+" must be ")
		})
	}
	msg := intakeEvent("reos.lease.upserted.v1").Message()
	msg.Metadata[events.MetaContentType] = long
	_, err := events.Decode(msg)
	require.ErrorContains(t, err, "datacontenttype")
}

func TestUIDIsTheIdWhereThatIsAUUIDElseDerived(t *testing.T) {
	id := uuid.NewString()
	require.Equal(t, id, events.Event{ID: id, Source: "a"}.UID().String())
	plain := events.Event{ID: "17", Source: "a"}
	require.Equal(t, plain.UID(), events.Event{ID: "17", Source: "a"}.UID())
	require.NotEqual(t, plain.UID(), events.Event{ID: "17", Source: "b"}.UID())
	require.NotEqual(t, uuid.Nil, plain.UID())
}

func TestRoutingTenant(t *testing.T) {
	id, ok := events.RoutingTenant(tenant.String() + ".reos.property.upserted.v1")
	require.True(t, ok)
	require.Equal(t, tenant, id)
	for _, key := range []string{"", "acme.reos", uuid.Nil.String() + ".x", strings.Repeat("z", 36) + ".x"} {
		_, ok := events.RoutingTenant(key)
		require.False(t, ok, key)
	}
}

func TestDecodeStepReadsWhatStagesSay(t *testing.T) {
	for _, eventType := range stageTypes() {
		step, err := events.DecodeStep(goldenEvents(t)[eventType])
		require.NoError(t, err)
		require.Equal(t, "KEY-1", step.Key)
		require.Equal(t, events.NewVersion(occurred, 7), step.Version())
	}
	for _, data := range []string{"", "[]", "{}", `{"record_key":"K"}`, `{"version_at":"never"}`} {
		_, err := events.DecodeStep(events.Event{Data: []byte(data)})
		requireRejection(t, err)
	}
}

// Invariant 2: a redelivery says the same again under the same id; another stage's word has an id of its own.
func TestInvariant2OutputIDsAreDerived(t *testing.T) {
	step := events.Step{RecordType: events.Property, Key: "K", VersionAt: occurred, Origin: origin}
	cause := intakeEvent("reos.property.upserted.v1")
	first := step.Event(events.Quality, events.Passed, cause)
	require.Equal(t, first.ID, step.Event(events.Quality, events.Passed, cause).ID)
	require.NotEqual(t, first.ID, step.Event(events.Quality, events.Quarantined, cause).ID)
	require.Equal(t, cause.ID, first.CausationID)
	require.Equal(t, cause.TenantID, first.TenantID)
}
