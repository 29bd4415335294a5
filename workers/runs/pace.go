package runs

import (
	"fmt"
	"math"
	"time"

	"golang.org/x/time/rate"

	"github.com/codybias9/real-estate-os/store"
)

const (
	// window bounds the events of a run that are on their way: the bulk lane is never filled by one run, and what goes
	// wrong goes wrong with few.
	window = 2000

	// releaseItems bounds the items of one tenant that are released at a time.
	releaseItems = 500

	// leastJudged is how many events must have ended before their share of dead ones says anything.
	leastJudged = 50
)

// pace is how fast a run goes.
type pace struct {
	limiter  *rate.Limiter // nil: as the events come
	turn     int           // whose turn it is to be first
	finished store.RunWork // the parts of tenants that are not at work any more, added up
}

// savedFor is how long what was not used of a rate is saved up: longer than a look takes on a busy machine, or the rate would
// fall short.
const savedFor = 2 // seconds

// newPace makes a pace of so many events per second; 0 = no limit.
func newPace(perSecond float64, now time.Time) *pace {
	if perSecond <= 0 {
		return &pace{}
	}
	limiter := rate.NewLimiter(rate.Limit(perSecond), max(1, int(savedFor*perSecond)))
	limiter.AllowN(now, limiter.Burst()-1) // it begins with one event, not with all that would have been saved up
	return &pace{limiter: limiter}
}

// spend says that so many events went out.
func (p *pace) spend(events int, now time.Time) {
	if p.limiter != nil {
		p.limiter.AllowN(now, events)
	}
}

// share is how many items of a member may be released now.
type share struct {
	member *member
	items  int
}

// shares deals out among a run's tenants what may go out now. Each has an equal part of the window, so that one whose
// events do not move, because it is paused, keeps no other waiting; who comes first changes from look to look.
func (p *pace) shares(members []*member, now time.Time) []share {
	allowed := p.allowance(members)
	if p.limiter != nil {
		allowed = min(allowed, int64(p.limiter.TokensAt(now)))
	}
	var ready []*member
	for _, m := range members {
		if m.Active && m.run.State == store.RunRunning && m.run.Left() > 0 {
			ready = append(ready, m)
		}
	}
	own := max(1, int64(window/len(members)))
	p.turn++
	var shares []share
	for i := range ready {
		m := ready[(i+p.turn)%len(ready)]
		left := int64(len(ready) - i)
		items := min((allowed+left-1)/left, releaseItems, own-m.run.InFlight(), m.run.Left())
		if items <= 0 {
			continue
		}
		allowed -= items
		shares = append(shares, share{m, int(items)})
	}
	return shares
}

// total is a run over all its tenants.
func (p *pace) total(members []*member) store.RunWork {
	all := p.finished
	all.Canary, all.StopAbove = members[0].run.Canary, members[0].run.StopAbove
	for _, m := range members {
		add(&all, m.run.RunWork)
	}
	return all
}

// add adds one part's counts to a total.
func add(all *store.RunWork, part store.RunWork) {
	all.Selected += part.Selected
	all.Released += part.Released
	all.Ended += part.Ended
	all.Dead += part.Dead
	all.Skipped += part.Skipped
	all.Cancelled += part.Cancelled
}

// allowance is how many items of a run may be released now, but for its rate: the canary first, and nothing beside it
// until all of it has ended; then what the window has room for.
func (p *pace) allowance(members []*member) int64 {
	all := p.total(members)
	switch {
	case all.Released < all.Canary:
		return all.Canary - all.Released
	case all.Released == all.Canary && all.InFlight() > 0:
		return 0
	}
	return max(0, window-all.InFlight())
}

// verdict says in a sentence why a run must not go on; empty where it may. What has ended is judged: the canary by itself,
// as soon as more of it died than may; later all, from leastJudged on.
func (p *pace) verdict(members []*member) string {
	all := p.total(members)
	running := false
	for _, m := range members {
		running = running || m.run.State == store.RunRunning || m.run.State == store.RunPaused
	}
	if !running || all.StopAbove <= 0 {
		return ""
	}
	of, what := all.Ended, "events that ended"
	if all.Released <= all.Canary {
		of, what = min(all.Canary, all.Selected-all.Skipped), "events that went first"
	} else if all.Ended < leastJudged {
		return ""
	}
	if of == 0 || float64(all.Dead) <= all.StopAbove*float64(of) {
		return ""
	}
	return fmt.Sprintf("%d of the %d %s died again: %s, more than the %s that it may be",
		all.Dead, of, what, percent(float64(all.Dead)/float64(of)), percent(all.StopAbove))
}

// percent writes a share as people do: 12 %, 0.5 %.
func percent(share float64) string {
	return fmt.Sprintf("%g %%", math.Round(share*1000)/10)
}
