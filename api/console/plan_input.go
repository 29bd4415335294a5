package console

import (
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// planInput is what was put into the form that plans a replay, as it was typed.
type planInput struct{ Rate, Canary, StopAbove, FromStage, Why, Ticket string }

// usualPlan is what the form proposes: a cause that was not mended is found out by a few.
var usualPlan = planInput{Canary: "10", StopAbove: "10"}

// beginnings are the stages at which letters may begin whose records are stored.
var beginnings = []events.Stage{events.Quality, events.Embedding, events.Indexing}

// The bounds of what may be put in; the API has the same.
const (
	maxRate      = 100_000
	maxCanary    = 100_000
	maxWhyRunes  = 1000
	maxTicketLen = 255
)

func planInputOf(form url.Values) planInput {
	text := func(name string) string { return strings.TrimSpace(form.Get(name)) }
	return planInput{
		Rate: text("rate"), Canary: text("canary"), StopAbove: text("stop_above"), FromStage: text("from_stage"),
		Why: text("why"), Ticket: text("ticket"),
	}
}

// order is what was put in; wrong says what must be otherwise, by field.
func (p planInput) order() (order store.ReplayOrder, wrong map[string]string) {
	wrong = map[string]string{}
	refuse := func(field, must string, ok bool) {
		if !ok {
			wrong[field] = must
		}
	}
	var ok bool
	order.Rate, ok = numberBetween(p.Rate, 0, maxRate)
	refuse("rate", "Must be a number of events per second, at most 100 000; or empty: as fast as live events allow.", ok && (p.Rate == "" || order.Rate > 0))
	canary, ok := numberBetween(p.Canary, 0, maxCanary)
	order.Canary = int64(canary)
	refuse("canary", "Must be a whole number of letters, at most 100 000; or empty: none goes first.", ok && canary == math.Trunc(canary))
	share, ok := numberBetween(p.StopAbove, 0, 100)
	order.StopAbove = share / 100
	refuse("stop_above", "Must be a share from 0 to 100 per cent.", ok)
	if _, bad := wrong["stop_above"]; !bad && order.Canary > 0 && share == 0 {
		wrong["stop_above"] = "Say when those that go first have failed: above 0 per cent."
	}
	order.FromStage = events.Stage(p.FromStage)
	refuse("from_stage", "Must be quality, embedding or indexing.", p.FromStage == "" || slices.Contains(beginnings, order.FromStage))
	order.Act.Why, order.Ticket = p.Why, p.Ticket
	refuse("why", "Must not be longer than 1000 characters.", utf8.RuneCountInString(p.Why) <= maxWhyRunes)
	if p.Why == "" {
		wrong["why"] = "Say what was mended: it goes into the audit log."
	}
	refuse("ticket", "Must not be longer than 255 characters.", len(p.Ticket) <= maxTicketLen)
	return order, wrong
}

// numberBetween reads a number; an empty text is 0. It reports false for what is none, or not from least to most.
func numberBetween(text string, least, most float64) (float64, bool) {
	if text == "" {
		return 0, true
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(text, "%")), 64)
	if err != nil || math.IsNaN(n) || n < least || n > most {
		return 0, false
	}
	return n, true
}
