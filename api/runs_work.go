package api

import (
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// RunWorkView says how a rerun or replay goes, and how far its items are.
type RunWorkView struct {
	Stage     events.Stage    `json:"stage,omitempty" doc:"Where its items begin; left out where each begins at its own."`
	Why       string          `json:"why"`
	Ticket    string          `json:"ticket,omitempty"`
	Rate      float64         `json:"rate,omitempty" doc:"Events per second at most; left out where there is no limit."`
	Canary    int64           `json:"canary,omitempty" doc:"So many items go first, and must end before any other goes."`
	StopAbove float64         `json:"stop_above,omitempty" doc:"The share of dead events above which the run stops by itself."`
	Selection json.RawMessage `json:"selection,omitempty" doc:"What was asked for."`
	Digest    string          `json:"digest" doc:"SHA-256 over the frozen ids, sorted."`
	Selected  int64           `json:"selected" doc:"Items."`
	Released  int64           `json:"released" doc:"Of them: on their way, or ended."`
	Ended     int64           `json:"ended" doc:"Of the released."`
	Dead      int64           `json:"dead" doc:"Of the ended."`
	Skipped   int64           `json:"skipped" doc:"There was nothing to do for them any more."`
	Cancelled int64           `json:"cancelled"`
	SettledAt *time.Time      `json:"settled_at,omitempty" doc:"When nothing was on its way any more."`
}

func newRunWorkView(w store.RunWork) *RunWorkView {
	view := &RunWorkView{
		Stage: w.Stage, Why: w.Why, Ticket: w.Ticket, Rate: w.Rate, Canary: w.Canary, StopAbove: w.StopAbove, Selection: w.Selection,
		Digest: hex.EncodeToString(w.Digest), Selected: w.Selected, Released: w.Released, Ended: w.Ended, Dead: w.Dead,
		Skipped: w.Skipped, Cancelled: w.Cancelled,
	}
	if !w.SettledAt.IsZero() {
		view.SettledAt = &w.SettledAt
	}
	return view
}

// percent is how much of what was selected has come to its end.
func (w *RunWorkView) percent() *float64 {
	percent := 100.0
	if w.Selected > 0 {
		percent = float64((w.Ended+w.Skipped+w.Cancelled)*1000/w.Selected) / 10 // down to a tenth: 100 is all
	}
	return &percent
}
