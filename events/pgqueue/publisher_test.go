package pgqueue

import (
	"context"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

// Invariant 1: no error means that the message is in its queue. The answer and the end of the caller's context may come
// at the same moment, and the caller may see the answer first.
func TestInvariant1WhatIsNotWrittenIsNotConfirmed(t *testing.T) {
	ctx, leave := context.WithCancel(context.Background())
	r := newRequest(ctx, []events.Outgoing{{Topic: "q", Message: message.NewMessage("1", nil)}})
	leave()
	newPublisher(&Transport{}).write([]*request{r})
	<-r.done
	require.ErrorIs(t, r.errs[0], context.Canceled)
}
