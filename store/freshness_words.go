package store

import (
	"fmt"
	"time"
)

// What a state says in words, where there are no figures in it.
const (
	nothingWaits  = "nothing waits"
	onItsWay      = "work is on its way, and none of it is late"
	heardOf       = "it was heard of in time"
	allFinished   = "all is finished, and the sources live"
	unheard       = "no source has been heard of"
	onlyBackfills = "only backfills have come from it"
)

func waitingWords(work Work, at time.Time) string {
	noun, verb := "events", "wait"
	if work.Events == 1 {
		noun, verb = "event", "waits"
	}
	text := fmt.Sprintf("%d %s of %s %s at %s, the oldest for %s", work.Events, noun, work.Source, verb, work.Stage, AgeWords(at.Sub(work.OldestDue)))
	if work.Redriven > 0 {
		text += fmt.Sprintf(" (%d driven again in vain)", work.Redriven)
	}
	return text
}

func laneWords(block LaneBlock) string {
	return fmt.Sprintf("%d messages wait in lane %s, and none has been accepted from it since %s",
		block.Messages, block.Lane, block.Since.UTC().Format(time.RFC3339))
}

func silentWords(l life, at time.Time) string {
	if l.sign.IsZero() {
		return "never heard of"
	}
	return fmt.Sprintf("silent for %s, more than the %s that are usual", AgeWords(at.Sub(l.sign)), AgeWords(l.silence))
}

// AgeWords writes an age as people say it: 45s, 12m, 3h12m, 2d4h.
func AgeWords(age time.Duration) string {
	minutes := int(age.Minutes())
	days, hours := minutes/(24*60), minutes/60%24
	switch {
	case minutes < 1:
		return fmt.Sprintf("%ds", max(0, int(age.Seconds())))
	case minutes < 60:
		return fmt.Sprintf("%dm", minutes)
	case days == 0:
		return fmt.Sprintf("%dh%02dm", hours, minutes%60)
	}
	return fmt.Sprintf("%dd%dh", days, hours)
}
