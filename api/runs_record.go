package api

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"github.com/codybias9/real-estate-os/events/feed"
	"github.com/codybias9/real-estate-os/store"
)

const (
	// saveRunEvery is how often a run's row says how far it is: far more often than store.RunSilence.
	saveRunEvery = 2 * time.Second
	// saveRunTimeout bounds the last word, which must not depend on the publisher's context.
	saveRunTimeout = 10 * time.Second
)

// RecordRun keeps a run's row up to date while work publishes, and ends it as work says: in a state, with why where that
// is not published. It returns the run as it ended. The error is one of starting it: store.ErrExists where it is being
// published. A row that cannot be written later does not stop the work.
func RecordRun(
	ctx context.Context, runs Runs, run store.Run, publisher *feed.Publisher, log zerolog.Logger, work func() (store.RunState, error),
) (store.Run, error) {
	var err error
	run.State = store.RunPublishing
	if run.StartedAt, err = runs.StartRun(ctx, run); err != nil {
		return run, err
	}
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		ticker := time.NewTicker(saveRunEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
			case <-watching.Done():
				return
			}
			if err := runs.SaveRun(watching, tallied(run, publisher)); err != nil && watching.Err() == nil {
				log.Warn().Err(err).Str("run_id", run.ID).Msg("run not saved")
			}
		}
	}()
	state, err := func() (store.RunState, error) {
		defer func() { // whatever becomes of the work: a run that nobody publishes must fall silent
			stop()
			<-watched
		}()
		return work()
	}()
	run = tallied(run, publisher)
	run.State, run.FinishedAt = state, time.Now().UTC()
	if err != nil {
		run.Error = err.Error()
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveRunTimeout)
	defer cancel()
	if err := runs.SaveRun(last, run); err != nil {
		log.Warn().Err(err).Str("run_id", run.ID).Msg("end of run not saved")
	}
	return run, nil
}

// tallied is the run with what its publisher has counted.
func tallied(run store.Run, publisher *feed.Publisher) store.Run {
	tally := publisher.Tally()
	run.Published, run.Known, run.Rejected = tally.Published, tally.Known, tally.Rejected
	run.Problems = nil
	for _, p := range tally.Problems {
		run.Problems = append(run.Problems, store.RunProblem(*p))
	}
	return run
}
