package bench

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/codybias9/real-estate-os/events"
)

// listener notes when each event of a tenant came to its end, as anyone can see it: by a queue of its own, bound to
// what indexing says. Indexing speaks after the vector upsert is committed, so that the noted time is an upper bound.
type listener struct {
	conn *amqp.Connection

	mu      sync.Mutex
	arrived map[uuid.UUID]time.Time // by the UID of the event that was published; its first end
	err     error                   // the first message that could not be read
}

// listen binds a queue that lasts as long as the listener.
func (w *world) listen(tenant uuid.UUID) (*listener, error) {
	conn, err := amqp.Dial(w.options.RabbitMQ.URL)
	if err != nil {
		return nil, fmt.Errorf("connect to listen: %w", err)
	}
	l := &listener{conn: conn, arrived: map[uuid.UUID]time.Time{}}
	deliveries, err := l.bind(w.topology, tenant)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	go func() {
		for d := range deliveries {
			l.note(time.Now(), d.ContentType, d.Body)
		}
	}()
	return l, nil
}

func (l *listener) bind(topology events.Topology, tenant uuid.UUID) (<-chan amqp.Delivery, error) {
	channel, err := l.conn.Channel()
	if err != nil {
		return nil, fmt.Errorf("open a channel to listen: %w", err)
	}
	queue, err := channel.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		return nil, fmt.Errorf("declare a queue to listen: %w", err)
	}
	for _, verb := range []events.Verb{events.Indexed, events.Unindexed} {
		pattern := fmt.Sprintf("*.%s.%s", tenant, events.Type(events.Property, verb))
		if err := channel.QueueBind(queue.Name, pattern, topology.Events(), false, nil); err != nil {
			return nil, fmt.Errorf("bind a queue to listen: %w", err)
		}
	}
	return channel.Consume(queue.Name, "", true, true, false, false, nil)
}

func (l *listener) note(at time.Time, contentType string, body []byte) {
	origins, err := originsOf(contentType, body)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil && l.err == nil {
		l.err = err
	}
	for _, origin := range origins {
		if _, known := l.arrived[origin]; !known {
			l.arrived[origin] = at
		}
	}
}

// originsOf reads which published events a message is about: one in binary or structured mode, or a batch of them.
func originsOf(contentType string, body []byte) ([]uuid.UUID, error) {
	type step struct {
		Origin uuid.UUID `json:"origin"`
	}
	type structured struct {
		Data step `json:"data"`
	}
	var origins []uuid.UUID
	var err error
	switch {
	case strings.HasPrefix(contentType, "application/cloudevents-batch+json"):
		var batch []structured
		err = json.Unmarshal(body, &batch)
		for _, event := range batch {
			origins = append(origins, event.Data.Origin)
		}
	case strings.HasPrefix(contentType, "application/cloudevents+json"):
		var event structured
		err = json.Unmarshal(body, &event)
		origins = append(origins, event.Data.Origin)
	default:
		var data step
		err = json.Unmarshal(body, &data)
		origins = append(origins, data.Origin)
	}
	if err != nil {
		return nil, fmt.Errorf("read what indexing says: %w", err)
	}
	return origins, nil
}

// seen returns what has arrived so far.
func (l *listener) seen() (map[uuid.UUID]time.Time, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.arrived), l.err
}

func (l *listener) close() error { return l.conn.Close() }
