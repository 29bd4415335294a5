package store

import (
	"cmp"
	"context"
	"slices"
	"time"
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
	facts, err := reader.Freshness(ctx)
	if err != nil {
		return FreshnessSurvey{}, err
	}
	if err := reader.FreshnessSigns(ctx, facts.Tenants); err != nil {
		return FreshnessSurvey{}, err
	}
	survey := FreshnessSurvey{States: map[FreshnessState]int{}}
	for _, state := range FreshnessStates {
		survey.States[state] = 0
	}
	type found struct {
		facts  TenantFacts
		answer Freshness
	}
	var shown []found
	for i := range facts.Tenants {
		answer := facts.Tenants[i].Judge(facts.At)
		if !answer.Suspended {
			survey.States[answer.State]++
		}
		if len(states) == 0 || slices.Contains(states, answer.State) {
			shown = append(shown, found{facts.Tenants[i], answer})
		}
	}
	slices.SortStableFunc(shown, func(a, b found) int { return WorstFirst(&a.answer, &b.answer) })
	facts.Tenants = nil
	for _, one := range shown[:min(limit, len(shown))] {
		facts.Tenants = append(facts.Tenants, one.facts)
	}
	if err := reader.FreshnessRates(ctx, facts.Tenants); err != nil {
		return FreshnessSurvey{}, err
	}
	survey.FreshnessReport = facts.Judge()
	return survey, nil
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
