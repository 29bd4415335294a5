package isolation

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/codybias9/real-estate-os/events"
)

func brokerAttempts(w *World) []Attempt {
	return slices.Concat(envelopeAttempts(), userAttempts(w), rawAttempts())
}

// rawAttempts publish what no client of ours would, by the attacker's own broker user and under its own key. RabbitMQ 3.10
// does not check the keys that a message is copied to: ingestion has to.
func rawAttempts() []Attempt {
	var all []Attempt
	for _, r := range []struct {
		name    string
		headers func(w *World) amqp.Table
	}{
		{"with a copy to the victim's key", func(w *World) amqp.Table { return amqp.Table{"CC": []any{w.victimKey()}} }},
		{"with a blind copy to the victim's key", func(w *World) amqp.Table { return amqp.Table{"BCC": []any{w.victimKey()}} }},
		{"with a forged history of deaths", func(w *World) amqp.Table {
			return amqp.Table{"x-death": []any{amqp.Table{
				"count": int64(1), "reason": "rejected", "queue": w.Topology.StageQueue(events.Ingestion, w.Victim.Lane),
				"exchange": w.Topology.Intake(), "routing-keys": []any{w.victimKey()},
			}}, "x-first-death-queue": w.Topology.StageQueue(events.Ingestion, w.Victim.Lane)}
		}},
		{"with forged headers of ours", func(w *World) amqp.Table {
			return amqp.Table{
				"reos-origin-key": w.victimKey(), "reos-letter-tenant": w.Victim.ID.String(), "reos-attempt": "99",
				events.MetaRoutingKey: w.victimKey(), events.MetaExchange: w.Topology.Events(),
			}
		}},
	} {
		all = append(all, Attempt{Name: "publish as the victim " + r.name, Layer: Broker, Intrusive: true, Try: func(ctx context.Context, w *World) Outcome {
			if w.Attacker.Connection == "" {
				return notApplicable(noUsers)
			}
			return w.publishRaw(ctx, r.headers(w))
		}})
	}
	return all
}

func (w *World) victimKey() string {
	return w.Victim.ID.String() + "." + events.Type(events.Property, events.Upserted)
}

// publishRaw sends an event that says it is the victim's, with headers beside it, and waits for what becomes of it.
func (w *World) publishRaw(ctx context.Context, headers amqp.Table) Outcome {
	msg := hostile{forge: asVictim}.message(w)
	for name, value := range msg.Metadata {
		if _, forged := headers[name]; !forged && name != events.MetaContentType {
			headers[name] = value
		}
	}
	conn, hangUp, err := w.dial(ctx)
	if err != nil {
		return fault(err)
	}
	defer hangUp()
	channel, err := conn.Channel()
	if err != nil {
		return fault(err)
	}
	key := w.Attacker.ID.String() + "." + events.Type(events.Property, events.Upserted)
	err = publishConfirmed(channel, w.Topology.Intake(), key, amqp.Publishing{
		MessageId: msg.UUID, DeliveryMode: amqp.Persistent, ContentType: "application/json", Headers: headers, Body: msg.Payload,
		ReplyTo: w.Topology.HeldQueue(events.Ingestion, w.Victim.ID),
	})
	if err != nil { // this broker checks the keys of copies, too
		var into tally
		judgeBroker(key, err, &into)
		return into.outcome()
	}
	return w.await(ctx, msg.UUID, w.diedAsOwn)
}

// userAttempts are made by the attacker's own broker user.
func userAttempts(w *World) []Attempt {
	victim, t := w.Victim, w.Topology
	key := victim.ID.String() + "." + events.Type(events.Property, events.Upserted)
	var all []Attempt
	for _, p := range []struct{ name, exchange, key string }{
		{"the victim's routing key", t.Intake(), key},
		{"the victim's routing key of backfills", t.BulkIntake(), key},
		{"a key that only begins like its own", t.Intake(), w.Attacker.ID.String()[:35] + "x.y"},
		{"its own key behind the victim's", t.Intake(), key + "." + w.Attacker.ID.String()},
		{"a pattern for a key", t.Intake(), "#"},
		{"no key", t.Intake(), ""},
		{"a stage's word on the victim's record", t.Events(), victim.Lane + "." + victim.ID.String() + "." + events.Type(events.Property, events.Passed)},
		{"a report on the victim's freshness", t.SLI(), victim.ID.String()},
		{"a dead letter", t.DeadLetterQueue(), key},
		{"an unroutable message", t.Unroutable(), key},
		{"a redelivery to a stage's queue", t.Namespace + ".redeliver", t.StageQueue(events.Quality, victim.Lane)},
		{"a stage's queue by the default exchange", "", t.StageQueue(events.Ingestion, victim.Lane)},
		{"the victim's held queue by the default exchange", "", t.HeldQueue(events.Ingestion, victim.ID)},
		{"another client's reply queue", "", "amq.rabbitmq.reply-to.g1h2AA"},
	} {
		all = append(all, byUser("publish to "+p.name, func(channel *amqp.Channel) error {
			return publishConfirmed(channel, p.exchange, p.key, amqp.Publishing{Body: []byte("{}")})
		}))
	}
	own := w.Attacker.ID.String() + "." + events.Type(events.Property, events.Upserted)
	all = append(all, byUser("publish as another user", func(channel *amqp.Channel) error {
		return publishConfirmed(channel, t.Intake(), own, amqp.Publishing{UserId: "somebody", Body: []byte("{}")})
	}))
	for name, do := range map[string]func(*amqp.Channel) error{
		"declare a queue": func(c *amqp.Channel) error {
			_, err := c.QueueDeclare("", false, true, true, false, nil)
			return err
		},
		"declare an exchange": func(c *amqp.Channel) error {
			return c.ExchangeDeclare(t.Namespace+".stolen", "topic", false, true, false, false, nil)
		},
		// What is bound here is unbound at once: that it can be is a leak, and must not become an accident.
		"bind the intake to an exchange of the broker": func(c *amqp.Channel) error {
			if err := c.ExchangeBind("amq.topic", key, t.Intake(), false, nil); err != nil {
				return err
			}
			return c.ExchangeUnbind("amq.topic", key, t.Intake(), false, nil)
		},
		"delete the intake": func(c *amqp.Channel) error { return permitted(c.ExchangeDelete(t.Intake(), true, false)) },
		"consume the broker's own log": func(c *amqp.Channel) error {
			queue := t.StageQueue(events.Ingestion, victim.Lane)
			if err := c.QueueBind(queue, key, "amq.rabbitmq.log", false, nil); err != nil {
				return err
			}
			return c.QueueUnbind(queue, key, "amq.rabbitmq.log", nil)
		},
	} {
		all = append(all, byUser(name, do))
	}
	var queues []string
	for _, queue := range t.Queues() {
		queues = append(queues, queue.Name)
	}
	return append(all,
		byUserOn("take a message from any queue", queues, func(c *amqp.Channel, queue string) error {
			_, _, err := c.Get(queue, false)
			return err
		}),
		byUserOn("consume any queue", queues, func(c *amqp.Channel, queue string) error {
			_, err := c.Consume(queue, "", false, false, false, false, nil)
			return err
		}),
		// Whoever may take a message may empty the queue: where that is a leak, proving it would lose everybody's messages.
		byUser("empty the victim's held queue", func(c *amqp.Channel) error {
			_, err := c.QueuePurge(t.HeldQueue(events.Ingestion, victim.ID), false)
			return err
		}),
		byUserOn("bind any queue to the intake", queues, func(c *amqp.Channel, queue string) error {
			if err := c.QueueBind(queue, key, t.Intake(), false, nil); err != nil {
				return err
			}
			return c.QueueUnbind(queue, key, t.Intake(), nil)
		}),
		byUserOn("delete any queue", queues, func(c *amqp.Channel, queue string) error {
			_, err := c.QueueDelete(queue, true, true, false)
			return permitted(err)
		}))
}

const noUsers = "tenants have no broker users here (RABBITMQ_MANAGEMENT_URL makes them)"

// byUser makes an attempt on a channel of the attacker's own broker user. Only the broker's refusal will do.
func byUser(name string, do func(*amqp.Channel) error) Attempt {
	return byUserOn(name, []string{""}, func(channel *amqp.Channel, _ string) error { return do(channel) })
}

// byUserOn makes an attempt on each of several queues.
func byUserOn(name string, queues []string, do func(channel *amqp.Channel, queue string) error) Attempt {
	return Attempt{Name: name + " with its broker user", Layer: Broker, Try: func(ctx context.Context, w *World) Outcome {
		if w.Attacker.Connection == "" {
			return notApplicable(noUsers)
		}
		conn, hangUp, err := w.dial(ctx)
		if err != nil {
			return fault(err)
		}
		defer hangUp()
		var into tally
		for _, queue := range queues {
			channel, err := conn.Channel() // a refusal closes it
			if err != nil {
				into.fail("open a channel: %v", err)
				break
			}
			judgeBroker(queue, do(channel, queue), &into)
		}
		return into.outcome()
	}}
}

const (
	dialWithin = 10 * time.Second
	// hangUpWithin is what the broker gets to answer a goodbye: one that is short of memory answers nobody who publishes.
	hangUpWithin = time.Second
)

// dial connects as the attacker's own broker user. The line is cut when ctx ends, whatever the broker leaves unanswered.
func (w *World) dial(ctx context.Context) (conn *amqp.Connection, hangUp func(), err error) {
	var line net.Conn
	conn, err = amqp.DialConfig(w.Attacker.Connection, amqp.Config{
		Dial: func(network, address string) (net.Conn, error) {
			var err error
			line, err = amqp.DefaultDial(dialWithin)(network, address)
			return line, err
		},
	})
	if err != nil {
		return nil, nil, errors.New("the attacker's own broker user cannot connect") // the error may hold its password
	}
	cut := func() { _ = line.Close() }
	stop := context.AfterFunc(ctx, cut)
	return conn, func() {
		late := time.AfterFunc(hangUpWithin, cut)
		_ = conn.Close()
		late.Stop()
		stop()
	}, nil
}

// permitted is no error where the broker would have deleted something, were it not in use, or could quorum queues be deleted
// on conditions: it looks at permissions before.
func permitted(err error) error {
	var refused *amqp.Error
	if errors.As(err, &refused) && (refused.Code == amqp.PreconditionFailed || refused.Code == amqp.NotImplemented) {
		return nil
	}
	return err
}

func judgeBroker(queue string, err error, into *tally) {
	var refused *amqp.Error
	switch {
	case err == nil:
		into.leak("the broker let it %s", queue)
	case errors.As(err, &refused) && slices.Contains([]int{amqp.AccessRefused, amqp.PreconditionFailed, amqp.NotAllowed}, refused.Code):
		into.refuse()
	default:
		into.fail("%s: %v", queue, err)
	}
}

var errUnconfirmed = errors.New("the broker said nothing")

// publishConfirmed publishes and waits for the broker's word: a confirm, or the channel's end.
func publishConfirmed(channel *amqp.Channel, exchange, key string, message amqp.Publishing) error {
	if err := channel.Confirm(false); err != nil {
		return fmt.Errorf("ask for confirms: %w", err)
	}
	closed := channel.NotifyClose(make(chan *amqp.Error, 1))
	confirm, err := channel.PublishWithDeferredConfirm(exchange, key, false, false, message)
	if err != nil {
		return err
	}
	select {
	case err := <-closed:
		if err != nil {
			return err
		}
		return errUnconfirmed
	case <-confirm.Done():
		if !confirm.Acked() {
			return errUnconfirmed
		}
		return nil
	}
}
