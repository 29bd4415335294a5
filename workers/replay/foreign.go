package replay

import (
	"context"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers"
)

const (
	importPart = 200                   // messages that are kept together
	importWait = 50 * time.Millisecond // for more to come to a part
	importIdle = 3 * time.Second       // without a message: the queue is empty
)

// Import is what a foreign dead-letter queue gave.
type Import struct {
	Letters  int64               `json:"dead_letters"` // that were kept, those that were there already among them
	ByTenant map[uuid.UUID]int64 `json:"by_tenant"`
}

// Foreign keeps the messages of a foreign dead-letter queue as dead letters, until the queue gives no more, or at most
// limit of them (0: all). owner says whose a message is, by its routing key.
//
// Invariant 1: a message is acked when its letter is committed. What is cut off in between comes again, and is the same
// letter.
func Foreign(
	ctx context.Context, queue string, messages <-chan *message.Message, owner func(routingKey string) uuid.UUID,
	save func(ctx context.Context, tenant uuid.UUID, letters []store.DeadLetter) error, limit int64, kept func(int),
) (Import, error) {
	result := Import{ByTenant: map[uuid.UUID]int64{}}
	for {
		room := importPart
		if limit > 0 {
			room = int(min(importPart, limit-result.Letters))
		}
		part := take(ctx, messages, room)
		if len(part) == 0 {
			return result, ctx.Err()
		}
		letters := map[uuid.UUID][]store.DeadLetter{}
		for _, msg := range part {
			tenant := owner(msg.Metadata[events.MetaRoutingKey])
			letters[tenant] = append(letters[tenant], workers.Foreign(queue, tenant, msg))
		}
		for tenant, own := range letters {
			if err := save(ctx, tenant, own); err != nil {
				return result, err
			}
			result.ByTenant[tenant] += int64(len(own))
		}
		for _, msg := range part {
			msg.Ack()
		}
		result.Letters += int64(len(part))
		kept(len(part))
	}
}

// take waits for messages, and takes what comes close together. Nothing comes: the queue is empty, or ctx has ended.
func take(ctx context.Context, messages <-chan *message.Message, room int) (part []*message.Message) {
	wait := time.NewTimer(importIdle)
	defer wait.Stop()
	for len(part) < room {
		select {
		case msg, ok := <-messages:
			if !ok {
				return part
			}
			part = append(part, msg)
			wait.Reset(importWait)
		case <-wait.C:
			return part
		case <-ctx.Done():
			return part
		}
	}
	return part
}
