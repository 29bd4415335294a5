package events_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

var otherTenant = uuid.MustParse("10000000-0000-4000-8000-00000000000b")

// reasonOf is a rejection's reason and field.
func reasonOf(t *testing.T, err error) string {
	t.Helper()
	rejection, ok := errors.AsType[*events.Rejection](err)
	require.True(t, ok, "%v", err)
	return string(rejection.Reason) + " " + rejection.Field
}

func TestInvariant4EventIsItsSendersOrRejected(t *testing.T) {
	sent := intakeEvent("reos.property.upserted.v1")
	msg := sent.Message()
	require.Equal(t, sent.TenantID, events.Receive(tenant, msg).Event.TenantID)

	foreign := events.Receive(otherTenant, msg)
	require.Equal(t, "tenant_mismatch tenantid", reasonOf(t, foreign.Err))
	require.Equal(t, events.Event{ID: sent.ID, Source: sent.Source, Type: sent.Type}, foreign.Event, "a receipt can still name it")

	delete(msg.Metadata, events.AttributePrefix+"tenantid")
	filled := events.Receive(otherTenant, msg)
	require.NoError(t, filled.Err)
	require.Equal(t, otherTenant, filled.Event.TenantID)

	msg.Metadata[events.AttributePrefix+"tenantid"] = "acme"
	require.Equal(t, "envelope_invalid tenantid", reasonOf(t, events.Receive(tenant, msg).Err))
}

func TestReceiveBatchJudgesEachEvent(t *testing.T) {
	const event = `{"specversion":"1.0","id":"%s","source":"s","type":"reos.property.upserted.v1","data":{"ListingKey":"K"}%s}`
	batch := "\n[ " + strings.Join([]string{
		fmt.Sprintf(event, "first", ""), `7`, fmt.Sprintf(event, "", ""),
		fmt.Sprintf(event, "theirs", `,"tenantid":"`+otherTenant.String()+`"`), fmt.Sprintf(event, "odd", `,"subject":[]`),
		fmt.Sprintf(event, "null", `,"tenantid":null`), fmt.Sprintf(event, "large", `,"more":"`+strings.Repeat("x", 2*events.MaxDataBytes)+`"`),
	}, " ,") + "]"
	received, err := events.ReceiveBatch(tenant, []byte(batch), 7)
	require.NoError(t, err)
	require.Len(t, received, 7)
	require.NoError(t, received[0].Err)
	require.Equal(t, `{"ListingKey":"K"}`, string(received[0].Event.Data))
	require.Equal(t, tenant, received[0].Event.TenantID)
	require.Equal(t, "envelope_invalid ", reasonOf(t, received[1].Err))
	require.Equal(t, "envelope_invalid id", reasonOf(t, received[2].Err))
	require.Equal(t, "tenant_mismatch tenantid", reasonOf(t, received[3].Err))
	require.Equal(t, "theirs", received[3].Event.ID)
	require.Equal(t, "envelope_invalid subject", reasonOf(t, received[4].Err))
	require.NoError(t, received[5].Err)
	require.Equal(t, "data_too_large ", reasonOf(t, received[6].Err))

	_, err = events.ReceiveBatch(tenant, []byte(batch), 6)
	require.True(t, events.IsTooMany(err))
	for _, none := range []string{"", "{}", "[", "[] []", "null", "\x00"} {
		_, err = events.ReceiveBatch(tenant, []byte(none), 6)
		require.Equal(t, "envelope_invalid ", reasonOf(t, err), none)
	}
	received, err = events.ReceiveBatch(tenant, []byte("[]"), 6)
	require.NoError(t, err)
	require.Empty(t, received)
}

// Whatever a tenant sends, an event that is received is that tenant's, and every other has a reason.
func FuzzReceive(f *testing.F) {
	for _, e := range goldenEvents(f) {
		metadata, err := json.Marshal(e.Message().Metadata)
		require.NoError(f, err)
		f.Add(metadata, e.Data)
		f.Add([]byte(`{"content-type":"application/cloudevents+json"}`), structured(f, e))
		f.Add([]byte(`{}`), append(append([]byte("["), structured(f, e)...), "]"...))
	}
	f.Fuzz(func(t *testing.T, metadata, payload []byte) {
		check := func(received events.Incoming) {
			if received.Err != nil {
				requireRejection(t, received.Err)
				return
			}
			require.Equal(t, tenant, received.Event.TenantID)
			again := events.Receive(tenant, received.Event.Message())
			require.NoError(t, again.Err, "what was received can be said again")
			require.Equal(t, received.Event.UID(), again.Event.UID())
		}
		if all, err := events.ReceiveBatch(tenant, payload, 100); err == nil {
			for _, received := range all {
				check(received)
			}
		} else if !events.IsTooMany(err) {
			requireRejection(t, err)
		}
		msg := message.NewMessage("any", payload)
		if json.Unmarshal(metadata, &msg.Metadata) != nil || msg.Metadata == nil {
			return // not metadata
		}
		check(events.Receive(tenant, msg))
	})
}
