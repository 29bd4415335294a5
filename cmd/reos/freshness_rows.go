package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/codybias9/real-estate-os/store"
)

// freshnessRows writes a survey as a table; of one tenant with all its parts.
func freshnessRows(w io.Writer, survey store.FreshnessSurvey, one, colour bool) {
	if survey.TrackedAt.IsZero() || survey.At.Sub(survey.TrackedAt) > trackerSilent {
		fmt.Fprintln(w, "nobody tracks freshness: no worker runs the stage freshness. Rates, and lanes that stand still, are as they were last seen.")
	}
	var counts []string
	for _, state := range slices.Backward(store.FreshnessStates) {
		if n := survey.States[state]; n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, state))
		}
	}
	if len(counts) == 0 {
		counts = []string{"no tenant to judge"}
	}
	fmt.Fprintf(w, "%s  %s\n\n", survey.At.UTC().Format(time.RFC3339), strings.Join(counts, ", "))
	fmt.Fprintf(w, "TENANT\t%s\tFOR\tSTAGE\tWAITING\tBULK\tSUCCESS 1H\tREASON\n", paint("STATE", "", colour))
	for i := range survey.Tenants {
		tenantRow(w, &survey.Tenants[i], colour)
	}
	if one {
		for i := range survey.Tenants {
			tenantDetails(w, &survey.Tenants[i], colour)
		}
	}
}

func tenantRow(w io.Writer, t *store.Freshness, colour bool) {
	live, bulk := 0, 0
	for _, stage := range t.Stages {
		live += stage.Live.Events
		bulk += stage.Bulk.Events
	}
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n", t.Name, paint(string(t.State), t.State, colour), lasts(t.At, t.Since), dash(string(t.Stage)),
		live, bulk, successText(t.Success[0]), t.Reason)
}

// lasts says how long something has lasted; a dash where that is not known.
func lasts(now, since time.Time) string {
	if since.IsZero() {
		return "-"
	}
	return store.AgeWords(now.Sub(since))
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func successText(s store.Success) string {
	if s.Ended == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f%% of %d", 100*s.Rate, s.Ended)
}

func tenantDetails(w io.Writer, t *store.Freshness, colour bool) {
	fmt.Fprintf(w, "\nSTAGE\t%s\tWAITING\tOLDEST\tBULK\tPASSED 1H\tDEAD\tQUARANTINED\tREASON\n", paint("STATE", "", colour))
	for _, s := range t.Stages {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%d\t%d\t%d\t%d\t%s\n", s.Stage, paint(string(s.State), s.State, colour), s.Live.Events, lasts(t.At, s.Due),
			s.Bulk.Events, s.Handled, s.Ended.Dead, s.Ended.Quarantined, s.Reason)
	}
	fmt.Fprintf(w, "\nSOURCE\t%s\tLAST EVENT\tHEARTBEAT\tMAY BE SILENT\tREASON\n", paint("STATE", "", colour))
	for _, s := range t.Sources {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", s.Source, paint(string(s.State), s.State, colour), lasts(t.At, s.LastEvent), lasts(t.At, s.Heartbeat),
			store.AgeWords(time.Duration(float64(s.Silence)*float64(time.Second))), s.Reason)
	}
	fmt.Fprintln(w)
	for _, s := range t.Success {
		fmt.Fprintf(w, "success %s: %s, %d dead, %d quarantined\n", s.Window, successText(s), s.Dead, s.Quarantined)
	}
	for _, s := range t.Searchable {
		fmt.Fprintf(w, "searchable (%s): %d events, half of them within %gs, 95%% within %gs, 99%% within %gs\n", s.Entry, s.Events, s.P50, s.P95, s.P99)
	}
	if c := t.Coverage; c != nil {
		var shares []string
		for _, field := range store.CoverageFields {
			if share, ok := c.Share[field]; ok {
				shares = append(shares, fmt.Sprintf("%s %.0f%%", field, 100*share))
			}
		}
		fmt.Fprintf(w, "coverage of %d records: %s\n", c.Records, dash(strings.Join(shares, ", ")))
	}
}
