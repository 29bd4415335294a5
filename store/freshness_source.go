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

// success says what share of events ended well within each window.
func (t *TenantFacts) success(at time.Time) []Success {
	answers := make([]Success, len(SLIWindows))
	for i, window := range SLIWindows {
		ended, known := t.endedWithin(window, at)
		answer := Success{Window: window.Name, State: Unknown, Ended: ended.Total(), Dead: ended.Dead, Quarantined: ended.Quarantined, Rate: 1}
		if known && answer.Ended > 0 {
			answer.Rate = 1 - float64(ended.Dead)/float64(answer.Ended)
			answer.State = SuccessState(answer.Rate, answer.Ended)
		}
		answers[i] = answer
	}
	return answers
}

// endedWithin counts what ended within a window; it reports false where nobody knows what had ended before. All that a
// tenant has which is younger than the window ended within it.
func (t *TenantFacts) endedWithin(window SLIWindow, at time.Time) (ended Endings, known bool) {
	for _, count := range t.Ended {
		ended.Add(count.Outcome, count.Count)
	}
	known = !t.Tenant.CreatedAt.Before(at.Add(-window.Back))
	for _, before := range t.Before {
		if before.Window == window.Name {
			ended, known = ended.Minus(before.Ended), true
		}
	}
	if !known {
		return Endings{}, false
	}
	return Endings{Done: max(ended.Done, 0), Stale: max(ended.Stale, 0), Quarantined: max(ended.Quarantined, 0), Dead: max(ended.Dead, 0)}, true
}

// endedSince counts what ended within a window at each stage.
func (t *TenantFacts) endedSince(window string, at time.Time) []int {
	counts := make([]int, len(events.Pausable))
	known := !t.Tenant.CreatedAt.Before(at.Add(-time.Hour))
	for _, before := range t.Before {
		if i := slices.Index(events.Pausable, before.Stage); before.Window == window && i >= 0 {
			counts[i] -= before.Ended.Total()
			known = true
		}
	}
	if !known {
		return counts
	}
	for _, count := range t.Ended {
		if i := slices.Index(events.Pausable, count.Stage); i >= 0 {
			counts[i] += count.Count
		}
	}
	for i := range counts {
		counts[i] = max(counts[i], 0)
	}
	return counts
}

// searchable sums up the histograms by the way in.
func (t *TenantFacts) searchable() []Searchable {
	answers := []Searchable{}
	for _, entry := range []EntryLane{LiveEntry, BulkEntry} {
		sums := make([]int64, len(TimeBuckets)+1)
		total := int64(0)
		for _, times := range t.Searchable {
			for i, n := range times.Buckets {
				if times.Entry == entry && i < len(sums) {
					sums[i] += n
					total += n
				}
			}
		}
		if total > 0 {
			answers = append(answers, Searchable{
				Entry: entry, Events: total, P50: quantile(sums, total, 0.50), P95: quantile(sums, total, 0.95), P99: quantile(sums, total, 0.99),
			})
		}
	}
	return answers
}

// quantile is the upper bound of the bucket that a quantile falls into; of the last, open one it is twice the bound before.
func quantile(buckets []int64, total int64, q float64) Seconds {
	rank := int64(float64(total)*q) + 1
	for i, n := range buckets {
		if rank -= n; rank <= 0 && i < len(TimeBuckets) {
			return Seconds(TimeBuckets[i].Seconds())
		}
	}
	return Seconds(2 * TimeBuckets[len(TimeBuckets)-1].Seconds())
}

// share turns counts into shares; nil where there are none.
func (c *Coverage) share() *CoverageShare {
	if c == nil {
		return nil
	}
	answer := &CoverageShare{MeasuredAt: c.MeasuredAt, Records: c.Records, Share: map[string]float64{}}
	for field, n := range c.Present {
		if c.Records > 0 {
			answer.Share[field] = float64(n) / float64(c.Records)
		}
	}
	return answer
}

// Slis are the history rows of a tenant: one for each stage that an event waits at or has ended at.
func (f *Freshness) Slis() []SLI {
	var rows []SLI
	for _, stage := range f.Stages {
		row := SLI{Tenant: f.Tenant, At: f.At, Stage: stage.Stage, State: stage.State, Endings: stage.Ended}
		row.Waiting = stage.Live.Events + stage.Bulk.Events
		row.OldestOccurred = earlier(stage.Live.OldestOccurred, stage.Bulk.OldestOccurred)
		row.OldestAccepted = earlier(stage.Live.OldestAccepted, stage.Bulk.OldestAccepted)
		if row.Waiting+row.Total() > 0 || stage.State.Worse(Unknown) {
			rows = append(rows, row)
		}
	}
	return rows
}

// earlier is the earlier of two times; the zero time is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
