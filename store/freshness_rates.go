package store

import (
	"slices"
	"time"

	"github.com/codybias9/real-estate-os/events"
)

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
