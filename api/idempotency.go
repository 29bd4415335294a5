package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/store"
)

// KeepKeys is how long an idempotency key keeps its answer.
const KeepKeys = 24 * time.Hour

// inHandFor is what the second of two equal requests should wait for the first.
const inHandFor = time.Second

// once publishes an outbox for one of all requests with its key, and answers the others as it did.
//
// What is published twice all the same (a process that dies between publishing and answering leaves a claim that ends
// after two request timeouts) is the same events, which changes nothing (Invariant 2).
func (in *intake) once(ctx context.Context, tenant uuid.UUID, key string, fingerprint [32]byte, out outbox) (*eventsOut, error) {
	records := in.receipts(tenant)
	claim := store.KeyClaim{
		Key: key, Fingerprint: fingerprint, Claim: uuid.New(), Keep: KeepKeys, Lease: 2 * in.config.RequestTimeout,
	}
	state, err := records.ClaimKey(ctx, claim)
	switch {
	case err != nil:
		return nil, err
	case !state.Mine:
		return replay(state, fingerprint)
	}
	result := in.publish(ctx, out)
	if result.Unconfirmed > 0 {
		in.keep(ctx, tenant, result)
		if err := records.ReleaseKey(ctx, key, claim.Claim); err != nil {
			in.log.Warn().Err(err).Stringer("tenant_id", tenant).Msg("idempotency key not released: it comes free by itself")
		}
		return result.out()
	}
	body, err := result.encode()
	if err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	answer := store.KeyAnswer{Status: result.status(), Body: body}
	if err := records.AnswerKey(ctx, key, claim.Claim, answer, result.receipts); err != nil {
		in.log.Warn().Err(err).Stringer("tenant_id", tenant).Msg("receipts and answer not kept")
	}
	return result.out()
}

// replay answers a request whose key is another's.
func replay(state store.KeyState, fingerprint [32]byte) (*eventsOut, error) {
	switch {
	case state.Fingerprint != fingerprint:
		return nil, invalid("header.Idempotency-Key", "was used for another request: use a new one")
	case state.Answer == nil:
		return nil, retryLater(http.StatusConflict, ProblemConflict, "a request with this Idempotency-Key is in hand", inHandFor)
	}
	earlier, err := decodePublication(state.Answer.Body)
	if err != nil {
		return nil, err
	}
	return replayed(earlier.out())
}

// replayed marks an answer as an earlier one.
func replayed(out *eventsOut, err error) (*eventsOut, error) {
	if err != nil {
		return nil, huma.ErrorWithHeaders(err, http.Header{"Idempotency-Replayed": {"true"}})
	}
	out.Replayed = "true"
	return out, nil
}
