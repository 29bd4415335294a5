package workers

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// reject settles a message that the stage could not even read.
func (r *Runner) reject(m Message, err error) settlement {
	result := Result{Outcome: events.Dead, Reason: reasonFor(err), Err: err}
	var rejection *events.Rejection
	if errors.As(err, &rejection) {
		result.Reason = rejection.Reason
	}
	return settlement{result: result, tenant: m.Tenant, copied: []events.Outgoing{r.deadLetter(m.Delivery, m.Tenant, result)}}
}

// blamed is whose a message is that cannot be read: its routing key's tenant, else the platform.
func blamed(d Delivery) uuid.UUID {
	if tenant, ok := events.RoutingTenant(d.RoutingKey); ok {
		return tenant
	}
	return store.PlatformTenant
}

// retryOrDie sends a copy to the retry queue of the message's attempt, or to the dead letters when all are used up.
// The dead-letter stage has nowhere further to send a message: its own wait at the longest delay for as long as it
// takes.
func (r *Runner) retryOrDie(d Delivery, tenant uuid.UUID, result Result) (Result, []events.Outgoing) {
	attempt := d.Attempt
	if r.stage.Name() == events.DeadLetters {
		attempt = min(attempt, len(r.topology.RetryDelays))
	}
	topic, _, ok := r.topology.RetryTopic(d.Queue, attempt)
	if !ok {
		result.Outcome = events.Dead
		return result, []events.Outgoing{r.deadLetter(d, tenant, result)}
	}
	retry := copyOf(d)
	retry.Metadata[headerAttempt] = strconv.Itoa(d.Attempt + 1)
	return result, []events.Outgoing{{Topic: topic, Message: retry}}
}

// deadLetter is the message for the dead-letter queue: original bytes and headers, and ours beside them.
//
// Invariant 5: nothing is acked to get rid of it.
func (r *Runner) deadLetter(d Delivery, tenant uuid.UUID, result Result) events.Outgoing {
	letter := copyOf(d)
	letter.Metadata[headerLetter] = letterID(d).String()
	letter.Metadata[headerTenant] = tenant.String()
	letter.Metadata[headerAttempt] = strconv.Itoa(d.Attempt)
	letter.Metadata[headerStage] = string(r.stage.Name())
	letter.Metadata[headerLane] = d.Lane
	letter.Metadata[headerReason] = string(result.Reason)
	letter.Metadata[headerError] = events.Cut(fmt.Sprint(result.Err), maxErrorBytes)
	letter.Metadata[headerWorker] = r.version
	return events.Outgoing{Topic: r.topology.DeadLetterQueue(), Message: letter}
}

// maxFailures bounds how many times of failures a message carries: an attempt of the dead-letter stage may follow another
// for ever.
const maxFailures = 20

// maxErrorBytes bounds what a letter says of its error: all headers of a message share one frame.
const maxErrorBytes = 4 << 10

// copyOf copies a delivery for another queue, with the headers that tell its story.
func copyOf(d Delivery) *message.Message {
	dup := message.NewMessage(d.Raw.UUID, d.Raw.Payload)
	dup.Metadata = maps.Clone(d.Raw.Metadata)
	if dup.Metadata == nil {
		dup.Metadata = message.Metadata{}
	}
	now := time.Now().UTC().Format(time.RFC3339Nano)
	dup.Metadata[headerOriginKey] = d.RoutingKey
	dup.Metadata[headerFailed] = now
	if d.FirstFailed.IsZero() {
		dup.Metadata[headerFirstFailed] = now
	}
	switch before := dup.Metadata[headerFailures]; {
	case before == "":
		dup.Metadata[headerFailures] = now
	case strings.Count(before, ",") < maxFailures-1:
		dup.Metadata[headerFailures] = before + "," + now
	}
	return dup
}

// letterID derives a dead letter's id from the message itself, so that a redelivery makes the same letter.
//
// Invariant 2: ids are derived.
func letterID(d Delivery) uuid.UUID {
	digest := sha256.New()
	fmt.Fprintf(digest, "%s\x00%s\x00", d.Queue, d.RoutingKey)
	for _, key := range slices.Sorted(maps.Keys(d.Raw.Metadata)) {
		if !strings.HasPrefix(key, ownPrefix) && !strings.HasPrefix(key, "amqp.") { // these differ between deliveries
			fmt.Fprintf(digest, "%s\x00%s\x00", key, d.Raw.Metadata[key])
		}
	}
	digest.Write(d.Raw.Payload)
	return uuid.NewSHA1(uuid.NameSpaceOID, digest.Sum(nil))
}
