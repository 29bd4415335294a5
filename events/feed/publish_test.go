package feed_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/events/feed"
)

// broker confirms what it gets, unless refuse says otherwise.
type broker struct {
	mu     sync.Mutex
	topics []string
	refuse func(batch []events.Outgoing) error
}

func (b *broker) send(_ context.Context, batch []events.Outgoing) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse != nil {
		if err := b.refuse(batch); err != nil {
			return err
		}
	}
	for _, out := range batch {
		b.topics = append(b.topics, out.Topic)
	}
	return nil
}

func topic(event events.Event) string { return "intake/" + event.Subject }

func homes(n int) string {
	var text strings.Builder
	for i := range n {
		text.WriteString(home(fmt.Sprint("H", i)) + "\n")
	}
	return text.String()
}

func TestPublisherCountsWhatBecameOfEachRecord(t *testing.T) {
	var b broker
	confirmed, known := 0, 0
	p := feed.NewPublisher(feed.Outlet{
		Send: b.send, Topic: topic, Confirmed: func() { confirmed++ },
		Known: func(_ context.Context, uids []uuid.UUID) int64 {
			b.mu.Lock()
			defer b.mu.Unlock()
			known += len(uids)
			return 1
		},
	})
	options := feed.Options{Tenant: tenantA}
	require.NoError(t, p.Publish(t.Context(), strings.NewReader(homes(1200)), feed.NDJSON, options))
	require.NoError(t, p.Publish(t.Context(), strings.NewReader(strings.Repeat("{}\n", 30)+home("last")), feed.NDJSON, options))
	tally := p.Tally()
	require.EqualValues(t, 1201, tally.Published)
	require.EqualValues(t, 4, tally.Known)
	require.EqualValues(t, 30, tally.Rejected)
	require.Len(t, tally.Problems, feed.MaxProblems)
	require.Equal(t, 4, confirmed)
	require.Equal(t, 1201, known)
	require.Len(t, b.topics, 1201)
	require.Contains(t, b.topics, "intake/H1199")
}

func TestPublisherCountsWhatIsSaidTwice(t *testing.T) {
	var b broker
	asked := 0
	p := feed.NewPublisher(feed.Outlet{
		Send: b.send, Topic: topic,
		Known: func(_ context.Context, uids []uuid.UUID) int64 { asked += len(uids); return 0 },
	})
	require.NoError(t, p.Publish(t.Context(), strings.NewReader(homes(3)+homes(3)), feed.NDJSON, feed.Options{Tenant: tenantA}))
	require.EqualValues(t, 6, p.Tally().Published)
	require.EqualValues(t, 3, p.Tally().Known)
	require.Equal(t, 3, asked)
}

func TestPublisherBoundsABatchInBytes(t *testing.T) {
	largest := 0
	b := broker{refuse: func(batch []events.Outgoing) error {
		size := 0
		for _, out := range batch {
			size += len(out.Message.Payload)
		}
		largest = max(largest, size)
		return nil
	}}
	p := feed.NewPublisher(feed.Outlet{Send: b.send, Topic: topic})
	var text strings.Builder
	for i := range 12 {
		fmt.Fprintf(&text, `{"ListingKey":"H%d","ModificationTimestamp":"2026-01-31T12:00:00Z","More":"%s"}`+"\n", i, strings.Repeat("x", 900_000))
	}
	require.NoError(t, p.Publish(t.Context(), strings.NewReader(text.String()), feed.NDJSON, feed.Options{Tenant: tenantA}))
	require.EqualValues(t, 12, p.Tally().Published)
	require.Less(t, largest, 3<<20+1)
}

func TestPublisherStopsWhenTheBrokerDoes(t *testing.T) {
	down := errors.New("connection lost")
	sent := 0
	b := broker{refuse: func(batch []events.Outgoing) error {
		if sent++; sent < 3 {
			return nil
		}
		errs := make(events.PublishErrors, len(batch))
		errs[0] = down
		return errs
	}}
	read := &counting{r: strings.NewReader(homes(100_000))}
	p := feed.NewPublisher(feed.Outlet{Send: b.send, Topic: topic})
	err := p.Publish(t.Context(), read, feed.NDJSON, feed.Options{Tenant: tenantA})
	require.ErrorIs(t, err, feed.ErrUnconfirmed)
	require.ErrorIs(t, err, down)
	require.Less(t, read.n, 4<<20, "it reads no further than what is on its way")
	require.EqualValues(t, int64(sent)*500-int64(sent-2), p.Tally().Published, "the others of each batch were confirmed")

	p = feed.NewPublisher(feed.Outlet{Topic: topic, Send: func(context.Context, []events.Outgoing) error { return down }})
	require.ErrorIs(t, p.Publish(t.Context(), strings.NewReader(homes(1)), feed.NDJSON, feed.Options{Tenant: tenantA}), feed.ErrUnconfirmed)
	require.Zero(t, p.Tally().Published)
}

func TestPublisherKeepsWhatCameBeforeABreak(t *testing.T) {
	var b broker
	p := feed.NewPublisher(feed.Outlet{Send: b.send, Topic: topic})
	broken := io.MultiReader(strings.NewReader(homes(7)), &failing{})
	err := p.Publish(t.Context(), broken, feed.NDJSON, feed.Options{Tenant: tenantA})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.NotErrorIs(t, err, feed.ErrUnconfirmed)
	require.EqualValues(t, 7, p.Tally().Published)
}

type failing struct{}

func (*failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

type counting struct {
	r io.Reader
	n int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}
