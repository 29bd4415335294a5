package api

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// sentenceOf says in words where an event is.
func sentenceOf(t Timeline, trail store.Trail) string {
	switch t.State {
	case EventReceived:
		return "In a queue since " + second(t.Waiting.Since) + "; ingestion has not taken it yet" + held(t.Waiting) + "."
	case EventWorking:
		return fmt.Sprintf("Waits at %s since %s%s.", t.Waiting.Stage, second(t.Waiting.Since), held(t.Waiting))
	case EventStale:
		return staleSentence(t, trail)
	case EventQuarantined:
		return quarantinedSentence(t)
	case EventDead:
		return deadSentence(t)
	}
	p := trail.Progress
	began := p.AcceptedAt
	if trail.Receipt != nil && trail.Receipt.ReceivedAt.Before(began) {
		began = trail.Receipt.ReceivedAt
	}
	sentence := fmt.Sprintf("Done after %s: %s", p.FinishedAt.Sub(began).Round(time.Millisecond), ending(*p))
	if trail.Newest != nil && trail.Newest.Version.Compare(p.Version) > 0 {
		sentence += "; the record has moved on since, to version " + versionOf(trail.Newest.Version).String()
	}
	return sentence + "."
}

func second(at time.Time) string { return at.Format(time.RFC3339) }

func held(w *TimelineWaiting) string {
	if w.Pause == nil {
		return ""
	}
	return fmt.Sprintf("; the stage is paused for the tenant since %s by %s: %s", second(w.Pause.Since), w.Pause.By, w.Pause.Why)
}

func staleSentence(t Timeline, trail store.Trail) string {
	now := ""
	if t.StaleAgainst != nil {
		now = "; it is at " + t.StaleAgainst.String() + " now"
	}
	switch trail.Progress.Reason {
	case events.VersionDuplicate:
		return "Stale: another event had already brought this very version of the record" + now + "."
	case events.Superseded:
		return "Stale: a newer version of the record overtook it on its way" + now + "."
	}
	return "Stale: the record was at a newer version already" + now + "."
}

func quarantinedSentence(t Timeline) string {
	var failed []string
	for _, f := range t.Failures {
		if f.Severity == store.SeverityError {
			failed = append(failed, f.Expectation+" of "+f.Field)
		}
	}
	if len(failed) == 0 {
		return "Quarantined; a newer version of the record has been judged since."
	}
	return "Quarantined, not searchable until a better version comes: failed " + strings.Join(failed, ", ") + "."
}

func deadSentence(t Timeline) string {
	if len(t.DeadLetters) == 0 {
		return "Dead: its dead letter is gone."
	}
	last := t.DeadLetters[len(t.DeadLetters)-1]
	return fmt.Sprintf("Dead at %s after %d attempts: %s. Its bytes are kept as dead letter %s.",
		cmp.Or(string(last.Stage), "the broker"), last.Attempts, last.Error, last.ID)
}
