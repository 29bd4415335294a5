package freshness

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/store"
)

// saved is a tenant's last entry in the SLI history.
type saved struct {
	at     time.Time
	counts int // changes with everything that begins or ends
	states string
}

// unsaved is an entry that is to be written.
type unsaved struct {
	tenant uuid.UUID
	entry  saved
	rows   []store.SLI
}

// note takes a tenant's rows for the history where something has changed: a state at once, counts at intervals. A
// tenant's rows are written together, so that any of its moments is whole; what is not written is as it was before.
func (w *Watch) note(tenant store.Freshness) {
	entry := entryOf(tenant)
	last, ok := w.saved[tenant.Tenant]
	due := !entry.at.Before(last.at.Add(w.tracker.Config.History))
	if ok && entry.states == last.states && (entry.counts == last.counts || !due) {
		return
	}
	w.unsaved = append(w.unsaved, unsaved{tenant.Tenant, entry, tenant.Slis()})
}

func entryOf(tenant store.Freshness) saved {
	entry := saved{at: tenant.At}
	states := make([]byte, 0, len(tenant.Stages))
	for _, stage := range tenant.Stages {
		states = append(states, byte('0'+stage.State.Badness()))
		entry.counts += stage.Live.Events + stage.Bulk.Events + 2*stage.Ended.Total() // an end changes the sum
	}
	entry.states = string(states)
	return entry
}

// save writes what was noted. What cannot be written is noted again at the next look.
func (w *Watch) save(ctx context.Context) error {
	entries := w.unsaved
	w.unsaved = nil
	for len(entries) > 0 {
		var rows []store.SLI
		n := 0
		for ; n < len(entries) && len(rows) < saveAtOnce; n++ {
			rows = append(rows, entries[n].rows...)
		}
		if err := w.tracker.Platform.SaveSLIs(ctx, rows); err != nil {
			return fmt.Errorf("save SLI history: %w", err)
		}
		for _, one := range entries[:n] {
			w.saved[one.tenant] = one.entry
		}
		entries = entries[n:]
	}
	return nil
}
