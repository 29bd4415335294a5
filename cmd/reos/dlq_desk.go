package main

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers/quality"
	"github.com/codybias9/real-estate-os/workers/reconcile"
	"github.com/codybias9/real-estate-os/workers/replay"
)

// newDesk wires the dead-letter desk to Postgres.
func (in *installation) newDesk() *replay.Desk {
	return &replay.Desk{
		Platform: in.db.Platform(), Of: in.deskLetters, Model: in.embedder.Model(), DiscardLimit: in.config.DiscardLimit,
		Judge: func(record store.StoredRecord) store.Verdict { return quality.Builtin(record.Ref.Type).Judge(record) },
	}
}

func (in *installation) deskLetters(tenant uuid.UUID) replay.Letters { return in.db.Tenant(tenant) }

// purgingLetters removes letters that somebody has dealt with, and that were kept long enough.
func (in *installation) purgingLetters() reconcile.Task {
	return reconcile.Task{Name: "purge dead letters", First: purgeEvery / 10, Every: purgeEvery, Run: func(ctx context.Context) error {
		_, err := in.db.Platform().PurgeLetters(ctx, in.config.DiscardedKept)
		return err
	}}
}

// errSecond says what is missing of a second person.
var errSecond = errors.New("--second-token must be a good token of another person, with the role operator, for these letters")

// second is the subject of another operator's token for the same letters. The API's rules hold.
func (in *installation) second(ctx context.Context, token string, meant store.LetterSelection) (string, error) {
	if token == "" {
		return "", nil
	}
	if err := in.config.adoptTokens(); err != nil {
		return "", err
	}
	verifier, err := in.verifier(ctx)
	if err != nil {
		return "", err
	}
	bounded, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	principal, err := verifier.Verify(bounded, token)
	covers := principal.Platform || meant.Tenant != nil && principal.Covers(*meant.Tenant)
	if err != nil || !principal.Has("operator") || !covers || principal.Subject == in.config.actor() {
		return "", badInput("%w", errSecond)
	}
	return principal.Subject, nil
}
