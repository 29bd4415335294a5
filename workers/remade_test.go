package workers

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

func TestInvariant3NobodyOutsideCanClaimThatAVersionIsMadeAnew(t *testing.T) {
	topology := events.DefaultTopology()
	tenant, cause := uuid.New(), uuid.New()
	event := events.Event{ID: uuid.NewString(), Source: "mls", Type: events.Type(events.Property, events.Upserted), TenantID: tenant}
	out := Remade(topology, event, cause)
	exchange, key := events.SplitTopic(out.Topic)
	require.False(t, topology.FromIntake(exchange))
	require.Equal(t, topology.StageQueue(events.Ingestion, events.BulkLane), key)

	source := events.Source{Queue: key, Lane: events.BulkLane}
	out.Message.Metadata[events.MetaExchange], out.Message.Metadata[events.MetaRoutingKey] = exchange, key
	d := newDeliveries(topology, source, out.Message)[0]
	require.Equal(t, cause, d.RemadeOf())
	message, err := Intake{}.Accept(d)
	require.NoError(t, err, "the tenant is that of the routing key that it would have had")
	require.Equal(t, tenant, message.Tenant)
	require.Equal(t, cause, newDelivery(source, nil, copyOf(d)).RemadeOf(), "a retried one still is")

	forged := Remade(topology, event, cause).Message
	forged.Metadata[events.MetaExchange], forged.Metadata[events.MetaRoutingKey] = topology.BulkIntake(), tenant.String()+"."+event.Type
	require.Equal(t, uuid.Nil, newDeliveries(topology, source, forged)[0].RemadeOf())
}
