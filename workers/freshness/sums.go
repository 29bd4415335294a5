package freshness

import (
	"time"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// tenantSum is what the gauges show of one tenant, or of several together: the worst state, sums, and the oldest work.
type tenantSum struct {
	state   store.FreshnessState
	stages  []store.StageFreshness
	success map[string]store.Success // by window
	records int
	present map[string]float64 // records that have a field
}

func newTenantSum() *tenantSum {
	return &tenantSum{success: map[string]store.Success{}, present: map[string]float64{}}
}

func (s *tenantSum) add(tenant *store.Freshness) {
	if tenant.State.Worse(s.state) {
		s.state = tenant.State
	}
	s.addStages(tenant.Stages)
	for _, success := range tenant.Success {
		all := s.success[success.Window]
		all.Ended += success.Ended
		all.Dead += success.Dead
		all.Quarantined += success.Quarantined
		s.success[success.Window] = all
	}
	if tenant.Coverage != nil && tenant.Coverage.Records > 0 {
		s.records += tenant.Coverage.Records
		for field, share := range tenant.Coverage.Share {
			s.present[field] += share * float64(tenant.Coverage.Records)
		}
	}
}

func (s *tenantSum) addStages(stages []store.StageFreshness) {
	if s.stages == nil {
		s.stages = make([]store.StageFreshness, len(stages))
	}
	for i, stage := range stages {
		all := &s.stages[i]
		all.Stage = stage.Stage
		if stage.State.Worse(all.State) {
			all.State = stage.State
		}
		all.Due = earlier(all.Due, stage.Due)
		addBacklog(&all.Live, stage.Live)
		addBacklog(&all.Bulk, stage.Bulk)
	}
}

func addBacklog(all *store.Backlog, one store.Backlog) {
	all.Events += one.Events
	all.OldestOccurred = earlier(all.OldestOccurred, one.OldestOccurred)
	all.OldestAccepted = earlier(all.OldestAccepted, one.OldestAccepted)
}

// earlier is the earlier of two times; the zero time is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// place is a queue as the gauges name it.
type place struct{ stage, lane string }

// placesOf names queues by stage and lane.
func placesOf(depths map[string]int, topology events.Topology) map[place]int {
	names := map[string]place{topology.Unroutable(): {stage: "unroutable"}}
	for _, stage := range events.Stages {
		for _, source := range topology.Sources(stage) {
			if source.Queue != topology.Unroutable() {
				names[source.Queue] = place{string(stage), source.Lane}
			}
		}
	}
	for attempt, delay := range topology.RetryDelays {
		if topic, _, ok := topology.RetryTopic("", attempt+1); ok {
			queue, _ := events.SplitTopic(topic)
			names[queue] = place{"retry", events.DelayName(delay)}
		}
	}
	places := make(map[place]int, len(names))
	for queue, n := range depths {
		if at, ok := names[queue]; ok {
			places[at] = n
		}
	}
	return places
}
