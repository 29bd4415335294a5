package console

import (
	"fmt"
	"strings"
	"time"

	"github.com/codybias9/real-estate-os/store"
)

// hours is a picture of how many letters died when: a bar for each span of time, those that are open still in one colour,
// and above them the others.
type hours struct {
	Words      string // the same in words
	From       time.Time
	Most       int64 // the highest bar
	Width      int
	Open, Else string // paths; empty where there is nothing to draw
}

// hoursScales are what the picture may show: how far back, and how long each bar's span is, both in words too. The first
// that reaches back far enough is taken.
var hoursScales = []struct {
	back, span   time.Duration
	before, each string
}{
	{24 * time.Hour, time.Hour, "24 hours", "an hour"},
	{72 * time.Hour, time.Hour, "3 days", "an hour"},
	{168 * time.Hour, 2 * time.Hour, "7 days", "2 hours"},
	{336 * time.Hour, 4 * time.Hour, "14 days", "4 hours"},
}

const hoursHeight = 60

// newHours draws what died by the hour.
func newHours(byHour []store.LetterHour, now time.Time) hours {
	now = now.UTC().Truncate(time.Hour).Add(time.Hour)
	scale := hoursScales[0]
	for _, wider := range hoursScales {
		scale = wider
		if len(byHour) == 0 || !byHour[len(byHour)-1].Hour.Before(now.Add(-scale.back)) {
			break
		}
	}
	h := hours{From: now.Add(-scale.back), Width: 10 * int(scale.back/scale.span)}
	open, others := make([]int64, int(scale.back/scale.span)), make([]int64, int(scale.back/scale.span))
	total, peak := int64(0), 0
	for _, one := range byHour {
		place := int(one.Hour.Sub(h.From) / scale.span)
		if one.Hour.Before(h.From) || place >= len(open) {
			continue
		}
		open[place] += one.Open
		others[place] += one.Replayed + one.Discarded
		total += one.Open + one.Replayed + one.Discarded
	}
	for i := range open {
		if sum := open[i] + others[i]; sum > h.Most {
			h.Most, peak = sum, i
		}
	}
	if h.Most == 0 {
		h.Words = "none died in the last " + scale.before
		return h
	}
	h.Open, h.Else = bars(open, nil, h.Most), bars(others, open, h.Most)
	h.Words = fmt.Sprintf("%d died in the last %s; the most within %s, %d, from %s UTC on",
		total, scale.before, scale.each, h.Most, h.From.Add(time.Duration(peak)*scale.span).Format("2006-01-02 15:04"))
	return h
}

// bars is a path of bars, each upon one below. What there is can be seen, however little.
func bars(counts, below []int64, most int64) string {
	var path strings.Builder
	for i, n := range counts {
		if n == 0 {
			continue
		}
		foot := int64(0)
		if below != nil {
			foot = below[i] * hoursHeight / most
		}
		fmt.Fprintf(&path, "M%d %dv-%d", 10*i+5, hoursHeight-foot, max(1, n*hoursHeight/most))
	}
	return path.String()
}

// Height is the picture's, in its own units.
func (hours) Height() int { return hoursHeight }
