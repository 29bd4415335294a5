package ingestion

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers"
)

// heartbeats notes the heartbeats of a batch, the newest of each source, and fills in their results. They end here: no
// row in progress, no raw object, nothing for the stages behind. One that comes twice, or late, changes nothing.
func (s *Stage) heartbeats(ctx context.Context, tenant uuid.UUID, batch []workers.Message, results []workers.Result) error {
	newest := map[string]store.Heartbeat{}
	for i, m := range batch {
		if m.Event.Type != events.TypeHeartbeat {
			continue
		}
		every, err := events.DecodeHeartbeat(m.Event)
		var rejection *events.Rejection
		if errors.As(err, &rejection) {
			results[i] = workers.Rejected(rejection)
			continue
		}
		results[i] = workers.Done()
		heartbeat := store.Heartbeat{Source: m.Event.Source, At: m.Event.Time, Every: every}
		if heartbeat.At.IsZero() {
			heartbeat.At = time.Now()
		}
		if known, ok := newest[heartbeat.Source]; !ok || known.At.Before(heartbeat.At) {
			newest[heartbeat.Source] = heartbeat
		}
	}
	if len(newest) == 0 {
		return nil
	}
	list := make([]store.Heartbeat, 0, len(newest))
	for _, heartbeat := range newest {
		list = append(list, heartbeat)
	}
	return s.records(tenant).Heartbeats(ctx, list)
}
