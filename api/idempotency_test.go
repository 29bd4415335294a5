package api_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store/postgrestest"
)

func TestSameKeyGetsTheSameAnswerAndPublishesOnce(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	client := f.sending(batchType).with("Idempotency-Key", "k")
	for name, body := range map[string]string{
		"accepted": batch(cloudEvent("1", record("K"))),
		"part":     batch(cloudEvent("1", record("K")), "7"),
		"none":     batch(cloudEvent("1", `{}`)),
	} {
		before := len(f.broker.events(t))
		client := client.with("Idempotency-Key", name)
		first := client.post("/v1/events", body)
		require.Empty(t, first.header.Get("Idempotency-Replayed"))
		published := len(f.broker.events(t))
		again := client.post("/v1/events", body)
		require.Equal(t, "true", again.header.Get("Idempotency-Replayed"), name)
		require.Equal(t, first.status, again.status, name)
		require.Equal(t, string(first.body), string(again.body), name)
		require.Equal(t, first.header.Get("Content-Type"), again.header.Get("Content-Type"))
		require.Len(t, f.broker.events(t), published, name)
		require.LessOrEqual(t, published-before, 1)
	}
	document := client.with("Idempotency-Key", "accepted").post("/v1/events", batch(cloudEvent("2", record("K")))).
		problem(http.StatusUnprocessableEntity, api.ProblemInvalid)
	require.Equal(t, "header.Idempotency-Key", document.Errors[0].Location)
	client.with("Idempotency-Key", "accepted").post("/v1/events?lane=bulk", batch(cloudEvent("1", record("K")))).
		problem(http.StatusUnprocessableEntity, api.ProblemInvalid)

	other := f.as(postgrestest.NewTenant(t, f.db), auth.Publisher).with("Content-Type", batchType).with("Idempotency-Key", "accepted")
	answer := other.post("/v1/events", batch(cloudEvent("1", record("K"))))
	answer.ok(nil)
	require.Empty(t, answer.header.Get("Idempotency-Replayed"), "another tenant's key is another key")
	f.binary("1").with("Idempotency-Key", "headers").post("/v1/events", record("K")).ok(nil)
	f.binary("2").with("Idempotency-Key", "headers").post("/v1/events", record("K")).problem(http.StatusUnprocessableEntity, api.ProblemInvalid)
}

func TestOneOfTwoConcurrentRequestsPublishes(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	entered, leave := make(chan struct{}), make(chan struct{})
	f.broker.set(func(b *fakeBroker) {
		b.refuse = func(context.Context, []events.Outgoing) error {
			close(entered)
			<-leave
			return nil
		}
	})
	client := f.sending(batchType).with("Idempotency-Key", "k")
	first := make(chan *answer)
	go func() { first <- client.post("/v1/events", batch(cloudEvent("1", record("K")))) }()
	<-entered
	second := client.post("/v1/events", batch(cloudEvent("1", record("K"))))
	second.problem(http.StatusConflict, api.ProblemConflict)
	require.Equal(t, "1", second.header.Get("Retry-After"))
	close(leave)
	(<-first).ok(nil)
	client.post("/v1/events", batch(cloudEvent("1", record("K")))).ok(nil)
	require.Len(t, f.broker.events(t), 1)
}

func TestKeyOfAnUnconfirmedRequestIsFree(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	f.broker.set(func(b *fakeBroker) {
		b.refuse = func(context.Context, []events.Outgoing) error { return errors.New("connection lost") }
	})
	client := f.sending(batchType).with("Idempotency-Key", "k")
	client.post("/v1/events", batch(cloudEvent("1", record("K")))).problem(http.StatusServiceUnavailable, api.ProblemUnavailable)
	f.broker.set(func(b *fakeBroker) { b.refuse = nil })
	client.post("/v1/events", batch(cloudEvent("1", record("K")))).ok(nil)
	require.Len(t, f.broker.events(t), 1)
}
