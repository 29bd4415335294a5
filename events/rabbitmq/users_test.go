package rabbitmq

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

// userWorld is a declared topology with one bound tenant that has a user.
type userWorld struct {
	t        *testing.T
	topology events.Topology
	users    *Users
	tenant   uuid.UUID
	given    events.Credentials
}

func newUserWorld(t *testing.T) *userWorld {
	t.Helper()
	management := os.Getenv("RABBITMQ_MANAGEMENT_URL")
	require.NotEmpty(t, management, `RABBITMQ_MANAGEMENT_URL is not set: compose/services up --management rabbitmq && eval "$(compose/services env)"`)
	transport := declared(t)
	w := &userWorld{t: t, topology: transport.topology, tenant: uuid.New()}
	require.NoError(t, transport.BindTenant(within(t), w.tenant, "a"))
	var err error
	w.users, err = NewUsers(Config{URL: sharedBroker(t), ManagementURL: management}, w.topology)
	require.NoError(t, err)
	w.given, err = w.users.Grant(within(t), w.tenant, true)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.users.Remove(context.Background(), w.tenant)) })
	return w
}

// channel connects as the tenant.
func (w *userWorld) channel(credentials events.Credentials) *amqp.Channel {
	w.t.Helper()
	conn, err := amqp.Dial(credentials.URL)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = conn.Close() })
	channel, err := conn.Channel()
	require.NoError(w.t, err)
	require.NoError(w.t, channel.Confirm(false))
	return channel
}

// publish returns what the broker says to a mandatory publish: nil for a confirm.
func publishAs(channel *amqp.Channel, exchange, key string, message amqp.Publishing) error {
	closed := channel.NotifyClose(make(chan *amqp.Error, 1))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	confirm, err := channel.PublishWithDeferredConfirmWithContext(ctx, exchange, key, true, false, message)
	if err != nil {
		return err
	}
	if acked, err := confirm.WaitContext(ctx); err != nil || acked {
		return err
	}
	// A channel that closes takes what it has not confirmed for nacked, at any moment around telling why it closed.
	select {
	case refusal := <-closed:
		return refusal
	case <-ctx.Done():
		return fmt.Errorf("nacked")
	}
}

func (w *userWorld) key(tenant uuid.UUID) string {
	return tenant.String() + ".reos.property.upserted.v1"
}

func (w *userWorld) refused(code int, err error, what string) {
	w.t.Helper()
	var refusal *amqp.Error
	require.ErrorAs(w.t, err, &refusal, what)
	require.Equal(w.t, code, refusal.Code, "%s: %v", what, err)
}

func TestInvariant4ABrokerUserPublishesUnderItsOwnKeyOnly(t *testing.T) {
	t.Parallel()
	w := newUserWorld(t)
	require.NoError(t, publishAs(w.channel(w.given), w.topology.Intake(), w.key(w.tenant), amqp.Publishing{UserId: w.given.User}))
	// One is not enough: a channel remembers what it may do.
	own := w.channel(w.given)
	require.NoError(t, publishAs(own, w.topology.Intake(), w.key(w.tenant), amqp.Publishing{}))
	w.refused(amqp.AccessRefused, publishAs(own, w.topology.Intake(), w.key(uuid.New()), amqp.Publishing{}), "a foreign key after an own one")

	for what, to := range map[string]struct{ exchange, key string }{
		"a foreign key":                 {w.topology.Intake(), w.key(uuid.New())},
		"a key that begins likewise":    {w.topology.Intake(), w.tenant.String() + "0.reos.property.upserted.v1"},
		"a key that holds the own":      {w.topology.Intake(), "x." + w.key(w.tenant)},
		"an empty key":                  {w.topology.Intake(), ""},
		"the intake of backfills":       {w.topology.BulkIntake(), w.key(w.tenant)},
		"what stages say":               {w.topology.Events(), "a." + w.key(w.tenant)},
		"the dead letters":              {w.topology.DeadLetterQueue(), ""},
		"a stage's queue":               {"", w.topology.StageQueue(events.Quality, "a")},
		"an exchange of the broker's":   {"amq.topic", w.key(w.tenant)},
		"what cannot be routed":         {w.topology.Unroutable(), ""},
		"a foreign key in another case": {w.topology.Intake(), "A" + w.key(w.tenant)[1:]},
	} {
		w.refused(amqp.AccessRefused, publishAs(w.channel(w.given), to.exchange, to.key, amqp.Publishing{}), what)
	}
	w.refused(amqp.PreconditionFailed,
		publishAs(w.channel(w.given), w.topology.Intake(), w.key(w.tenant), amqp.Publishing{UserId: "reos"}), "a foreign user-id")
}

func TestInvariant4ABrokerUserNeitherDeclaresNorReads(t *testing.T) {
	t.Parallel()
	w := newUserWorld(t)
	queue, intake := w.topology.StageQueue(events.Ingestion, "a"), w.topology.Intake()
	for what, attempt := range map[string]func(*amqp.Channel) error{
		"declare a queue": func(c *amqp.Channel) error {
			_, err := c.QueueDeclare("mine", true, false, false, false, nil)
			return err
		},
		"declare a queue for itself": func(c *amqp.Channel) error {
			_, err := c.QueueDeclare("", false, true, true, false, nil)
			return err
		},
		"declare an exchange": func(c *amqp.Channel) error {
			return c.ExchangeDeclare("mine", "fanout", true, false, false, false, nil)
		},
		"bind a queue": func(c *amqp.Channel) error { return c.QueueBind(queue, "#", intake, false, nil) },
		"unbind a queue": func(c *amqp.Channel) error {
			return c.QueueUnbind(queue, w.tenant.String()+".#", intake, nil)
		},
		"bind an exchange": func(c *amqp.Channel) error { return c.ExchangeBind(intake, "#", w.topology.Events(), false, nil) },
		"consume": func(c *amqp.Channel) error {
			_, err := c.Consume(queue, "", false, false, false, false, nil)
			return err
		},
		"get": func(c *amqp.Channel) error {
			_, _, err := c.Get(queue, false)
			return err
		},
		"purge": func(c *amqp.Channel) error {
			_, err := c.QueuePurge(queue, false)
			return err
		},
		"delete a queue": func(c *amqp.Channel) error {
			_, err := c.QueueDelete(queue, false, false, false)
			return err
		},
		"delete an exchange": func(c *amqp.Channel) error { return c.ExchangeDelete(intake, false, false) },
	} {
		w.refused(amqp.AccessRefused, attempt(w.channel(w.given)), what)
	}
	at, err := url.Parse(w.given.URL)
	require.NoError(t, err)
	at.Path = "/another"
	_, err = amqp.Dial(at.String())
	require.Error(t, err, "another virtual host")
}

func TestNewCredentialsStopTheOld(t *testing.T) {
	t.Parallel()
	w := newUserWorld(t)
	old := w.channel(w.given)
	require.NoError(t, publishAs(old, w.topology.Intake(), w.key(w.tenant), amqp.Publishing{}))
	gone := old.NotifyClose(make(chan *amqp.Error, 1))
	renewed, err := w.users.Grant(within(t), w.tenant, true)
	require.NoError(t, err)
	require.NotEqual(t, w.given.Password, renewed.Password)
	requireClosed(t, gone)
	_, err = amqp.Dial(w.given.URL)
	w.refused(amqp.AccessRefused, err, "the old password")
	require.NoError(t, publishAs(w.channel(renewed), w.topology.Intake(), w.key(w.tenant), amqp.Publishing{}))
}

func requireClosed(t *testing.T, gone <-chan *amqp.Error) {
	t.Helper()
	select {
	case refusal := <-gone:
		require.NotNil(t, refusal)
	case <-time.After(patience):
		t.Fatal("whoever is connected is not cut off")
	}
}

func TestABrokerUserMayBeKeptFromPublishing(t *testing.T) {
	t.Parallel()
	w := newUserWorld(t)
	open := w.channel(w.given)
	require.NoError(t, publishAs(open, w.topology.Intake(), w.key(w.tenant), amqp.Publishing{}))
	gone := open.NotifyClose(make(chan *amqp.Error, 1))
	require.NoError(t, w.users.Permit(within(t), w.tenant, false))
	requireClosed(t, gone)
	w.refused(amqp.AccessRefused, publishAs(w.channel(w.given), w.topology.Intake(), w.key(w.tenant), amqp.Publishing{}), "kept from it")
	renewed, err := w.users.Grant(within(t), w.tenant, false)
	require.NoError(t, err)
	w.refused(amqp.AccessRefused, publishAs(w.channel(renewed), w.topology.Intake(), w.key(w.tenant), amqp.Publishing{}), "new credentials do not help")
	require.NoError(t, w.users.Permit(within(t), w.tenant, true))
	require.NoError(t, publishAs(w.channel(renewed), w.topology.Intake(), w.key(w.tenant), amqp.Publishing{}))
}

func TestABrokerUserIsRemoved(t *testing.T) {
	t.Parallel()
	w := newUserWorld(t)
	gone := w.channel(w.given).NotifyClose(make(chan *amqp.Error, 1))
	for range 2 {
		require.NoError(t, w.users.Remove(within(t), w.tenant))
	}
	requireClosed(t, gone)
	exists, err := w.users.Exists(within(t), w.tenant)
	require.NoError(t, err)
	require.False(t, exists)
	require.Error(t, w.users.Permit(within(t), w.tenant, true), "a user that does not exist")
	_, err = amqp.Dial(w.given.URL)
	w.refused(amqp.AccessRefused, err, "the user is gone")
}

func TestInvariant9CredentialsAreNotPrinted(t *testing.T) {
	t.Parallel()
	given := events.Credentials{User: "reos.x", Password: "hunter2", URL: "amqp://reos.x:hunter2@host/"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		require.NotContains(t, fmt.Sprintf(verb, given), "hunter2", verb)
	}
	for _, management := range []string{"", "hunter2", "http://reos:hunter2@", "ftp://reos:hunter2@host", "http://host:%zz", "http://host"} {
		_, err := NewUsers(Config{URL: "amqp://a:b@host/", ManagementURL: management}, newTopology())
		require.ErrorContains(t, err, "RABBITMQ_MANAGEMENT_URL must be", management)
		require.NotContains(t, err.Error(), "hunter2")
	}
}
