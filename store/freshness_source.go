package store

import (
	"slices"
	"time"

	"github.com/codybias9/real-estate-os/events"
)

const (
	// heartbeatEvery is what a source is taken to promise whose heartbeats do not say.
	heartbeatEvery = 5 * time.Minute
	// heartbeatsMissed is after how many promised intervals a source counts as silent.
	heartbeatsMissed = 3

	// A source that sends no heartbeats is taken to live for one and a half times as long as it has been silent of late,
	// within these bounds.
	silenceShortest = 30 * time.Minute
	silenceLongest  = 72 * time.Hour

	// retiredAfter is when a source that gave no sign of life is no longer waited for.
	retiredAfter = 30 * 24 * time.Hour
)

// life is what a source's signs say.
type life struct {
	sign    time.Time     // the newest; zero where there is none
	silence time.Duration // that is allowed after it
}

// alive says whether the source is known to live at a moment.
func (l life) alive(at time.Time) bool { return !l.sign.IsZero() && at.Sub(l.sign) <= l.silence }

// life judges a source's signs. Heartbeats count while they come, and events alone where they have outlived them.
func (s SourceSigns) life(thresholds Thresholds) life {
	promised := heartbeatsMissed * s.HeartbeatEvery
	if s.HeartbeatEvery == 0 {
		promised = heartbeatsMissed * heartbeatEvery
	}
	if thresholds.Silence > 0 {
		promised = thresholds.Silence
	}
	if !s.Heartbeat.IsZero() && !s.LastLive.After(s.Heartbeat.Add(promised)) {
		return life{sign: later(s.Heartbeat, s.LastLive), silence: promised}
	}
	expected := thresholds.Late
	switch {
	case thresholds.Silence > 0:
		expected = thresholds.Silence
	case s.LongestSilence > 0:
		expected = min(max(s.LongestSilence*3/2, silenceShortest), silenceLongest)
	}
	return life{sign: s.LastLive, silence: expected}
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// sources judges every source: those that count for the tenant first.
func (j *judgement) sources() {
	work := map[string][]Work{}
	for _, w := range j.facts.Work {
		work[w.Source] = append(work[w.Source], w)
	}
	var beside []SourceFreshness
	for _, signs := range j.facts.Sources {
		live := slices.ContainsFunc(work[signs.Source], func(w Work) bool { return w.Entry != BulkEntry })
		life := signs.life(j.facts.thresholds(signs.Source))
		answer := j.source(signs, life, work[signs.Source])
		switch {
		case live, !life.sign.IsZero() && j.at.Sub(life.sign) <= retiredAfter:
			j.answers = append(j.answers, answer)
		case len(answer.Work) > 0:
			answer.State, answer.Since, answer.Reason = Unknown, time.Time{}, onlyBackfills
			beside = append(beside, answer)
		}
	}
	j.judged = len(j.answers)
	j.answers = append(j.answers, beside...)
}

// source judges one source.
func (j *judgement) source(signs SourceSigns, life life, work []Work) SourceFreshness {
	answer := SourceFreshness{
		Source: signs.Source, LastEvent: signs.LastLive, Heartbeat: signs.Heartbeat,
		Silence: Seconds(life.silence.Seconds()), Alive: life.alive(j.at), Work: make([]WorkAt, 0, len(work)),
	}
	if answer.Alive {
		j.alive = true
		j.soon(life.silence - j.at.Sub(life.sign) + time.Millisecond)
		answer.State, answer.Reason = Fresh, heardOf
	} else {
		answer.State, answer.Reason = Unknown, silentWords(life, j.at)
		if !life.sign.IsZero() {
			answer.Since = life.sign.Add(life.silence)
		}
	}
	thresholds := j.facts.thresholds(signs.Source)
	if j.blocked != nil && life.alive(j.blocked.since) && !answer.Alive {
		j.owed = true
		answer.State, answer.Since = j.aged(thresholds, j.blocked.since)
		answer.Reason, answer.Stage = j.blocked.reason, events.Ingestion
	}
	waits := false
	for _, w := range work {
		at := WorkAt{Stage: w.Stage, Entry: w.Entry, Events: w.Events, OldestOccurred: w.OldestOccurred, OldestAccepted: w.OldestAccepted}
		if w.Entry != BulkEntry {
			var since time.Time
			at.State, since = j.aged(thresholds, w.OldestDue)
			if at.State.Worse(answer.State) || !waits && answer.State == Unknown {
				answer.State, answer.Since, answer.Reason, answer.Stage = at.State, since, onItsWay, w.Stage
				if at.State != Fresh {
					answer.Reason = waitingWords(w, j.at)
				}
			}
			waits = true
		}
		answer.Work = append(answer.Work, at)
	}
	return answer
}
