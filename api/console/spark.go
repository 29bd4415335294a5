package console

import (
	"fmt"
	"strings"
	"time"

	"github.com/codybias9/real-estate-os/store"
)

// A spark is a small picture of a tenant's states: a bar for every half hour of a day, the higher the worse.
type spark struct {
	Words string // the same in words
	Bars  []sparkBars
}

// sparkBars are the bars of one state, as one path.
type sparkBars struct {
	State store.FreshnessState
	Path  string
}

const (
	sparkStep  = 30 * time.Minute
	sparkBack  = 24 * time.Hour
	sparkWidth = int(sparkBack / sparkStep) // bars
)

// sparkHeights are the bars' heights, of 20.
var sparkHeights = map[store.FreshnessState]int{store.Unknown: 2, store.Fresh: 5, store.Late: 10, store.Warning: 15, store.Critical: 20}

// sparkWindow is the day before a moment. It begins on a whole step, so that the picture changes with the states, and else
// every half hour.
func sparkWindow(at time.Time) (from, to time.Time) {
	to = at.UTC().Truncate(sparkStep).Add(sparkStep)
	return to.Add(sparkStep - sparkBack), to
}

// newSpark draws samples that were taken at every step since from.
func newSpark(samples []store.FreshnessSample, from time.Time) spark {
	paths := map[store.FreshnessState]*strings.Builder{}
	counts := map[store.FreshnessState]int{}
	for _, sample := range samples {
		place := int(sample.At.Sub(from) / sparkStep)
		height, known := sparkHeights[sample.State]
		if !known || place < 0 || place >= sparkWidth {
			continue
		}
		if paths[sample.State] == nil {
			paths[sample.State] = &strings.Builder{}
		}
		counts[sample.State]++
		fmt.Fprintf(paths[sample.State], "M%d 20v-%d", 3*place+1, height)
	}
	if len(counts) == 0 {
		return spark{Words: "no history yet"}
	}
	var s spark
	var shares []string
	for i := len(store.FreshnessStates) - 1; i >= 0; i-- {
		state := store.FreshnessStates[i]
		if n := counts[state]; n > 0 {
			s.Bars = append(s.Bars, sparkBars{state, paths[state].String()})
			shares = append(shares, fmt.Sprintf("%s for %s", state, store.AgeWords(time.Duration(n)*sparkStep)))
		}
	}
	s.Words = "of the last 24 hours: " + strings.Join(shares, ", ")
	return s
}

// Width is the picture's, in its own units.
func (spark) Width() int { return 3 * sparkWidth }
