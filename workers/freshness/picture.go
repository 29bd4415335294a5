package freshness

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/codybias9/real-estate-os/store"
)

// otherTenants is the label of all tenants that have none of their own.
const otherTenants = "other"

// picture is what the gauges are to show of a look: the tenants that are worst off by themselves, and sums and the worst
// of all others. Suspended tenants are not in it.
type picture struct {
	own    int               // how many tenants are shown by themselves
	worst  []store.Freshness // at most own, the worst first
	others *tenantSum        // nil where there are none
	states map[store.FreshnessState]int
	alive  map[bool]int
}

func newPicture(own int) *picture {
	return &picture{own: own, states: map[store.FreshnessState]int{}, alive: map[bool]int{}}
}

// add adds a tenant. Of those that are equally well the first ones keep their place, and so their labels.
func (p *picture) add(tenant store.Freshness) {
	if tenant.Suspended {
		return
	}
	p.states[tenant.State]++
	for _, source := range tenant.Sources {
		p.alive[source.Alive]++
	}
	at := len(p.worst)
	for at > 0 && store.WorstFirst(&tenant, &p.worst[at-1]) < 0 {
		at--
	}
	p.worst = slices.Insert(p.worst, at, tenant)
	if len(p.worst) <= p.own {
		return
	}
	if p.others == nil {
		p.others = newTenantSum()
	}
	p.others.add(&p.worst[p.own])
	p.worst[p.own] = store.Freshness{}
	p.worst = p.worst[:p.own]
}

// draw makes gauges of it, and of what was found of lanes and queues.
func (p *picture) draw(facts store.FreshnessFacts, queues map[place]int, took time.Duration) []prometheus.Metric {
	d := &drawing{}
	d.at(evaluatedDesc, facts.At)
	d.gauge(tookDesc, took.Seconds())
	for _, state := range store.FreshnessStates {
		d.gauge(tenantsDesc, float64(p.states[state]), string(state))
	}
	d.gauge(sourcesDesc, float64(p.alive[true]), "true")
	d.gauge(sourcesDesc, float64(p.alive[false]), "false")
	for i := range p.worst {
		id := p.worst[i].Tenant.String()
		d.gauge(infoDesc, 1, id, p.worst[i].Name)
		sum := newTenantSum()
		sum.add(&p.worst[i])
		d.tenant(id, sum)
	}
	if p.others != nil {
		d.tenant(otherTenants, p.others)
	}
	for place, n := range queues {
		d.gauge(queueDesc, float64(n), place.stage, place.lane)
	}
	for _, block := range facts.Blocks {
		d.at(laneDesc, block.Since, block.Lane)
	}
	return d.metrics
}
