package store

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
)

// FreshnessReader reads facts of all tenants, the dear ones on request.
type FreshnessReader interface {
	// Freshness reads what is unfinished, of all tenants that are served.
	Freshness(ctx context.Context) (FreshnessFacts, error)
	// FreshnessSigns and FreshnessRates fill in the rest of tenants' facts: whether their sources live, and what was counted.
	FreshnessSigns(ctx context.Context, tenants []TenantFacts) error
	FreshnessRates(ctx context.Context, tenants []TenantFacts) error
}

// FreshnessSurvey is the freshness of all tenants: how many are in which state, and the worst of them.
type FreshnessSurvey struct {
	FreshnessReport                        // the worst first
	States          map[FreshnessState]int `json:"states" doc:"How many tenants are in which state; suspended ones are not counted."`
}

// Worst is the worst state that a tenant is in; Fresh where there is none.
func (s FreshnessSurvey) Worst() FreshnessState {
	for _, state := range slices.Backward(FreshnessStates) {
		if s.States[state] > 0 {
			return state
		}
	}
	return Fresh
}

// SurveyFreshness judges all tenants and reports on those in one of the states, all where states is empty, at most limit.
// Rates are read for these alone.
func SurveyFreshness(ctx context.Context, reader FreshnessReader, states []FreshnessState, limit int) (FreshnessSurvey, error) {
	all, err := ReadPanorama(ctx, reader)
	if err != nil {
		return FreshnessSurvey{}, err
	}
	survey, _, err := all.Survey(ctx, reader, func(f *Freshness) bool { return len(states) == 0 || slices.Contains(states, f.State) }, 0, limit)
	return survey, err
}

// Panorama is the freshness of all tenants at one moment, without rates. Nobody changes it: many may look at it at once.
type Panorama struct {
	facts   FreshnessFacts
	judged  []judged // the worst first
	inState map[FreshnessState]int
}

type judged struct {
	facts  TenantFacts
	answer Freshness
}

// ReadPanorama judges all tenants.
func ReadPanorama(ctx context.Context, reader FreshnessReader) (*Panorama, error) {
	facts, err := reader.Freshness(ctx)
	if err != nil {
		return nil, err
	}
	if err := reader.FreshnessSigns(ctx, facts.Tenants); err != nil {
		return nil, err
	}
	all := &Panorama{facts: facts, judged: make([]judged, len(facts.Tenants)), inState: map[FreshnessState]int{}}
	all.facts.Tenants = nil
	for _, state := range FreshnessStates {
		all.inState[state] = 0
	}
	for i := range facts.Tenants {
		answer := facts.Tenants[i].Judge(facts.At)
		if !answer.Suspended {
			all.inState[answer.State]++
		}
		all.judged[i] = judged{facts.Tenants[i], answer}
	}
	slices.SortStableFunc(all.judged, func(a, b judged) int { return WorstFirst(&a.answer, &b.answer) })
	return all, nil
}

// Survey reports on the tenants that are wanted: how many these are, and on a page of them, with the rates that it reads.
func (p *Panorama) Survey(
	ctx context.Context, reader FreshnessReader, wanted func(*Freshness) bool, skip, limit int,
) (survey FreshnessSurvey, found int, err error) {
	facts := p.facts
	for i := range p.judged {
		if !wanted(&p.judged[i].answer) {
			continue
		}
		if found++; found > skip && len(facts.Tenants) < limit {
			facts.Tenants = append(facts.Tenants, p.judged[i].facts)
		}
	}
	if err := reader.FreshnessRates(ctx, facts.Tenants); err != nil {
		return FreshnessSurvey{}, 0, err
	}
	return FreshnessSurvey{FreshnessReport: facts.Judge(), States: maps.Clone(p.inState)}, found, nil
}

// Names are the tenants' names.
func (p *Panorama) Names() map[uuid.UUID]string {
	names := make(map[uuid.UUID]string, len(p.judged))
	for i := range p.judged {
		names[p.judged[i].answer.Tenant] = p.judged[i].answer.Name
	}
	return names
}

// SurveyOf is the survey of tenants whose facts are known as a whole.
func SurveyOf(facts FreshnessFacts) FreshnessSurvey {
	survey := FreshnessSurvey{FreshnessReport: facts.Judge(), States: map[FreshnessState]int{}}
	for _, tenant := range survey.Tenants {
		if !tenant.Suspended {
			survey.States[tenant.State]++
		}
	}
	return survey
}

// WorstFirst sorts by state, then by success, then by the oldest live work. Suspended tenants come last.
func WorstFirst(a, b *Freshness) int {
	return cmp.Or(
		cmp.Compare(b.badness(), a.badness()),
		cmp.Compare(b.failing(), a.failing()),
		a.oldest().Compare(b.oldest()))
}

func (f *Freshness) badness() int {
	if f.Suspended {
		return -1
	}
	return f.State.Badness()
}

// failing is the worst state of the tenant's success rates that are known.
func (f *Freshness) failing() int {
	worst := 0
	for _, success := range f.Success {
		if success.State != Unknown {
			worst = max(worst, success.State.Badness())
		}
	}
	return worst
}

// never is later than everything: tenants without live work come last.
var never = time.Unix(1<<40, 0)

func (f *Freshness) oldest() time.Time {
	due := never
	for _, stage := range f.Stages {
		if !stage.Due.IsZero() && stage.Due.Before(due) {
			due = stage.Due
		}
	}
	return due
}
