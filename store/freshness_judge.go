package store

import (
	"slices"
	"time"

	"github.com/codybias9/real-estate-os/events"
)

// Judge says how fresh every tenant's data is.
func (f FreshnessFacts) Judge() FreshnessReport {
	report := FreshnessReport{At: f.At, TrackedAt: f.EvaluatedAt, Tenants: make([]Freshness, len(f.Tenants))}
	for i := range f.Tenants {
		report.Tenants[i] = f.Tenants[i].Judge(f.At)
	}
	return report
}

// Judge says how fresh the tenant's data is at a moment. It depends on the facts alone: a restart, or a tracker that was
// down, changes no state.
//
// Invariant 7: freshness is the age of the oldest unfinished live work, not of the last write. Without work, it is the
// source's life; without any sign of that, it is unknown.
func (t *TenantFacts) Judge(at time.Time) Freshness {
	answer := Freshness{
		At: at, Tenant: t.Tenant.ID, Name: t.Tenant.Name,
		Success: t.success(at), Searchable: t.searchable(), Coverage: t.Coverage.share(), Runs: t.Runs,
	}
	j := judgement{facts: t, at: at, blocked: t.blocked()}
	j.sources()
	answer.Sources, answer.Stages = j.answers, j.stages()
	answer.due = j.due
	if t.Tenant.State == TenantSuspended {
		answer.suspend(t.Tenant)
		return answer
	}
	answer.sum(j.judged)
	return answer
}

// judgement is what is made of one tenant's facts.
type judgement struct {
	facts   *TenantFacts
	at      time.Time
	blocked *block
	answers []SourceFreshness
	judged  int           // of the answers: the first ones, which count for the tenant
	alive   bool          // one source at least
	owed    bool          // a source was alive when ingestion came to stand still
	due     time.Duration // until the first state becomes worse by itself; 0 = none does
}

// block is why nothing of the tenant can be accepted.
type block struct {
	since  time.Time
	reason string
}

// blocked says why ingestion stands still for the tenant; nil where it does not. A pause of the tenant's own comes before
// what holds its whole lane.
func (t *TenantFacts) blocked() *block {
	for _, pause := range t.Pauses {
		if pause.Stage == events.Ingestion && pause.ResumedAt.IsZero() {
			return &block{since: pause.At, reason: "paused by " + pause.By + ": " + pause.Why}
		}
	}
	if t.Block != nil {
		return &block{since: t.Block.Since, reason: laneWords(*t.Block)}
	}
	return nil
}

// thresholds are those of a source; of the tenant where source is empty.
func (t *TenantFacts) thresholds(source string) Thresholds {
	found := DefaultThresholds
	for _, set := range t.Thresholds {
		switch set.Source {
		case source:
			return set.Thresholds
		case "":
			found = set.Thresholds
		}
	}
	return found
}

// soon notes that a state becomes worse by itself after a while.
func (j *judgement) soon(after time.Duration) {
	if after > 0 && (j.due == 0 || after < j.due) {
		j.due = after
	}
}

// aged judges work that is as old as since.
func (j *judgement) aged(thresholds Thresholds, since time.Time) (FreshnessState, time.Time) {
	age := j.at.Sub(since)
	if next := thresholds.NextAfter(age); next > 0 {
		j.soon(next - age + time.Millisecond)
	}
	state, lasted := thresholds.State(age)
	if state == Fresh {
		return state, time.Time{}
	}
	return state, j.at.Add(-lasted)
}

// stages judges every stage over all sources.
func (j *judgement) stages() []StageFreshness {
	all := make([]StageFreshness, len(events.Pausable))
	for i, name := range events.Pausable {
		stage := StageFreshness{Stage: name, State: Unknown, Reason: unheard}
		if j.alive {
			stage.State, stage.Reason = Fresh, nothingWaits
		}
		stage.Paused = j.facts.pausedAt(name)
		for _, ended := range j.facts.Ended {
			if ended.Stage == name {
				stage.Ended.Add(ended.Outcome, ended.Count)
			}
		}
		all[i] = stage
	}
	for _, work := range j.facts.Work {
		if i := slices.Index(events.Pausable, work.Stage); i >= 0 {
			all[i].add(j, work)
		}
	}
	if j.owed {
		all[0].block(j)
	}
	handled := j.facts.endedSince("1h", j.at)
	for i := len(all) - 2; i >= 0; i-- {
		handled[i] += handled[i+1]
	}
	for i := range all {
		all[i].Handled = handled[i]
	}
	return all
}

// add counts work in, and judges it where it is live.
func (s *StageFreshness) add(j *judgement, work Work) {
	if work.Entry == BulkEntry {
		s.Bulk.add(work)
		return
	}
	s.Live.add(work)
	if s.Due.IsZero() || work.OldestDue.Before(s.Due) {
		s.Due = work.OldestDue
	}
	state, since := j.aged(j.facts.thresholds(work.Source), work.OldestDue)
	if s.Live.Events == work.Events || state.Worse(s.State) { // the first work speaks in place of the sources
		s.State, s.Since, s.Reason = state, since, onItsWay
		if state != Fresh {
			s.Reason = waitingWords(work, j.at)
		}
		if s.Paused != "" {
			s.Reason += "; " + s.Paused
		}
	}
}

// block judges ingestion by how long it has stood still.
func (s *StageFreshness) block(j *judgement) {
	s.Due = j.blocked.since
	s.State, s.Since = j.aged(j.facts.thresholds(""), s.Due)
	s.Reason = j.blocked.reason
}

func (b *Backlog) add(work Work) {
	if b.Events == 0 || work.OldestOccurred.Before(b.OldestOccurred) {
		b.OldestOccurred = work.OldestOccurred
	}
	if b.Events == 0 || work.OldestAccepted.Before(b.OldestAccepted) {
		b.OldestAccepted = work.OldestAccepted
	}
	b.Events += work.Events
	b.Redriven += work.Redriven
}

func (t *TenantFacts) pausedAt(stage events.Stage) string {
	for _, pause := range t.Pauses {
		if pause.Stage == stage && pause.ResumedAt.IsZero() {
			return "paused by " + pause.By + ": " + pause.Why
		}
	}
	return ""
}

// sum makes the tenant's state of those of its first sources: the worst, and of several the one that lasts longest.
func (f *Freshness) sum(judged int) {
	f.State, f.Reason = Unknown, unheard
	for i, source := range f.Sources[:judged] {
		if i == 0 || source.State.Worse(f.State) || source.State == f.State && source.Since.Before(f.Since) {
			f.State, f.Since, f.Reason, f.Source, f.Stage = source.State, source.Since, source.Reason, source.Source, source.Stage
		}
	}
	if f.State == Fresh {
		f.Source, f.Stage = "", ""
		f.Reason = allFinished
		if slices.ContainsFunc(f.Stages, func(s StageFreshness) bool { return s.Live.Events > 0 }) {
			f.Reason = onItsWay
		}
	}
}

// suspend says that nothing is expected of a suspended tenant. Its work and rates stay visible.
func (f *Freshness) suspend(tenant Tenant) {
	f.Suspended = true
	f.State, f.Since, f.Reason, f.due = Unknown, tenant.StateSince, "suspended by "+tenant.StateBy+": "+tenant.StateWhy, 0
	for i := range f.Stages {
		f.Stages[i].State, f.Stages[i].Since, f.Stages[i].Reason = Unknown, tenant.StateSince, f.Reason
	}
	for i := range f.Sources {
		f.Sources[i].State, f.Sources[i].Since, f.Sources[i].Reason = Unknown, tenant.StateSince, f.Reason
	}
}

// WorseAt is when the state of the tenant, or of a part of it, becomes worse if nothing happens; zero where it does not.
func (f *Freshness) WorseAt() time.Time {
	if f.due == 0 {
		return time.Time{}
	}
	return f.At.Add(f.due)
}
