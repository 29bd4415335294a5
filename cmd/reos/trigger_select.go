package main

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// selectionOptions say which records are meant.
type selectionOptions struct {
	stage, since, until  string
	types, keys, filters []string
}

func (o *selectionOptions) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&o.stage, "stage", string(events.Quality), "where records begin: ingestion, quality, embedding or indexing")
	flags.StringSliceVar(&o.types, "type", nil, "property, ownership, prospect, lease, offer or document; all that the stage works on where left out")
	flags.StringVar(&o.since, "since", "", "records accepted last since a time (2026-03-01T00:00:00Z), or how long ago (72h)")
	flags.StringVar(&o.until, "until", "", "records accepted last before a time, or how long ago")
	flags.StringSliceVar(&o.keys, "keys", nil, "these records only, with commas between")
	flags.StringArrayVar(&o.filters, "filter", nil, "Field=value of the record; or verdict=passed, verdict=quarantined (may be given several times)")
}

// selection reads the options.
func (o selectionOptions) selection() (store.RerunSelection, error) {
	selection := store.RerunSelection{Stage: events.Stage(o.stage), Keys: o.keys}
	for _, record := range o.types {
		selection.Types = append(selection.Types, events.RecordType(record))
	}
	var err error
	if selection.Since, err = momentOf("--since", o.since); err != nil {
		return selection, err
	}
	if selection.Until, err = momentOf("--until", o.until); err != nil {
		return selection, err
	}
	for _, filter := range o.filters {
		field, value, ok := strings.Cut(filter, "=")
		if !ok {
			return selection, badInput("--filter must be Field=value, got %q", filter)
		}
		if err := selection.Narrow(field, value); err != nil {
			return selection, flagError(err)
		}
	}
	return selection, flagError(selection.Check())
}

// flagError names the flag of what is wrong with a selection.
func flagError(err error) error {
	var wrong *store.SelectionError
	if !errors.As(err, &wrong) {
		return err
	}
	return badInput("--%s must be %s", strings.TrimSuffix(wrong.Field, "s"), wrong.Must)
}

// momentOf reads a moment, given as such or as its distance.
func momentOf(flag, given string) (time.Time, error) {
	if given == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(given); err == nil && ago > 0 {
		return time.Now().Add(-ago), nil
	}
	at, err := time.Parse(time.RFC3339, given)
	if err != nil {
		return time.Time{}, badInput("%s %q must be a time such as 2026-03-01T00:00:00Z or a duration such as 72h", flag, given)
	}
	return at, nil
}

// shareOf reads a share: 10%, or 0.1; empty is 0.
func shareOf(given string) (float64, error) {
	if given == "" {
		return 0, nil
	}
	number, isPercent := strings.CutSuffix(given, "%")
	share, err := strconv.ParseFloat(number, 64)
	if isPercent {
		share /= 100
	}
	if err != nil || !(share > 0 && share <= 1) {
		return 0, badInput("--stop-above must be a share above 0%% and up to 100%%, such as 10%%; got %q", given)
	}
	return share, nil
}
