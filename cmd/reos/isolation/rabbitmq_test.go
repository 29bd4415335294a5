package isolation

import (
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/events/rabbitmq"
)

// onRabbitMQ moves a fixture's queues to a namespace of its own on a real broker.
func (f *fixture) onRabbitMQ(t *testing.T) {
	t.Helper()
	url := os.Getenv("RABBITMQ_URL")
	require.NotEmpty(t, url, "RABBITMQ_URL: run ./task test, or compose/services up and eval its env")
	f.Topology.Namespace, f.Topology.Lanes = "isolation_"+uuid.NewString()[:8], []string{"a"}
	transport, err := rabbitmq.Open(t.Context(), rabbitmq.Config{URL: url}, f.Topology, zerolog.Nop())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, transport.Close()) })
	t.Cleanup(func() { removeTopology(t, url, f.Topology) })
	require.NoError(t, transport.Declare(t.Context()))
	f.Transport = transport
	f.Tenants = plainTenants{db: f.DB, transport: transport}
}

func removeTopology(t *testing.T, url string, topology events.Topology) {
	conn, err := amqp.Dial(url)
	require.NoError(t, err)
	defer conn.Close()
	channel, err := conn.Channel()
	require.NoError(t, err)
	for _, queue := range topology.Queues() {
		_, err := channel.QueueDelete(queue.Name, false, false, false)
		require.NoError(t, err)
	}
	for _, exchange := range topology.Exchanges() {
		require.NoError(t, channel.ExchangeDelete(exchange.Name, false, false))
	}
}

func TestInvariant4HostileMessagesStayTheirPublishers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.onRabbitMQ(t)
	f.work(t)
	report := attack(t, f.Installation, Broker)
	require.Empty(t, of(report, Leaked))
	require.Empty(t, of(report, Fault))
	for _, r := range report.Results {
		if strings.HasPrefix(r.Name, "publish under its own key") {
			require.Equal(t, Refused, r.Verdict, "%+v", r)
		}
	}
}

// The service's own user may do everything: as a tenant's, it is a leak wherever it gets through.
func TestABrokerUserThatMayDoEverythingIsALeak(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.onRabbitMQ(t)
	f.Tenants = plainTenants{db: f.DB, transport: f.Transport, connection: os.Getenv("RABBITMQ_URL")}
	report, err := Verify(t.Context(), f.Installation, Options{only: func(a Attempt) bool {
		return strings.HasSuffix(a.Name, "with its broker user") && !strings.Contains(a.Name, "delete")
	}})
	require.NoError(t, err)
	require.Equal(t, []Layer{Broker}, leaky(report))
	told := strings.Join(of(report, Leaked), "\n")
	for _, attempt := range []string{"the victim's routing key", "a stage's word on the victim's record", "take a message from any queue", "consume any queue"} {
		require.Contains(t, told, attempt)
	}
}
