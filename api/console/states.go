package console

import (
	"fmt"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// A state shows as a word, a shape and a tone. Tones are colours; no two states of one kind have the same shape, so that
// nobody needs to see colours.

// The tones.
const (
	good  = "good"
	quiet = "quiet"
	info  = "info"
	warn  = "warn"
	bad   = "bad"
)

type looks struct{ tone, shape string }

var (
	freshLooks = map[store.FreshnessState]looks{
		store.Fresh: {good, "check"}, store.Unknown: {quiet, "question"}, store.Late: {info, "clock"},
		store.Warning: {warn, "triangle"}, store.Critical: {bad, "octagon"},
	}
	eventLooks = map[api.EventState]looks{
		api.EventReceived: {quiet, "inbox"}, api.EventWorking: {info, "dots"}, api.EventDone: {good, "check"},
		api.EventStale: {quiet, "skip"}, api.EventQuarantined: {warn, "triangle"}, api.EventDead: {bad, "octagon"},
	}
	letterLooks = map[store.LetterState]looks{
		store.LetterOpen: {bad, "octagon"}, store.LetterReplayed: {info, "dots"}, store.LetterDiscarded: {quiet, "skip"},
	}
	kindLooks = map[store.LetterKind]looks{
		store.BadData: {quiet, "inbox"}, store.Transient: {info, "clock"}, store.Permanent: {warn, "triangle"}, store.Unauthorised: {bad, "octagon"},
	}
	// Of runs, by the word.
	runLooks = map[string]looks{
		"planned": {quiet, "inbox"}, "publishing": {info, "dots"}, "published": {info, "dots"}, "working": {info, "dots"}, "running": {info, "dots"},
		"paused": {warn, "pause"}, "done": {good, "check"}, "interrupted": {warn, "triangle"}, "cancelled": {quiet, "skip"},
		"stopped": {bad, "octagon"}, "failed": {bad, "octagon"},
	}
)

func looksOf(state any) looks {
	found, known := looks{}, false
	switch state := state.(type) {
	case renamed:
		return eventLooks[state.state]
	case store.FreshnessState:
		found, known = freshLooks[state]
	case api.EventState:
		found, known = eventLooks[state]
	case store.LetterState:
		found, known = letterLooks[state]
	case store.LetterKind:
		found, known = kindLooks[state]
	case events.Outcome:
		found, known = eventLooks[api.EventState(state)]
	case store.Severity:
		if known = true; state == store.SeverityError {
			found = looks{bad, "octagon"}
		} else {
			found = looks{warn, "triangle"}
		}
	default:
		found, known = runLooks[fmt.Sprint(state)]
	}
	if !known {
		return looks{quiet, "question"}
	}
	return found
}

func tone(state any) string  { return looksOf(state).tone }
func shape(state any) string { return looksOf(state).shape }

// renamed is the state of an event that is called by another word.
type renamed struct {
	state api.EventState
	word  string
}

func (r renamed) String() string { return r.word }

func named(state api.EventState, word string) renamed { return renamed{state, word} }
