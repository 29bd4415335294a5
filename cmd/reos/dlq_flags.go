package main

import (
	"regexp"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// letterFlags say which letters are meant.
type letterFlags struct {
	tenant, stage, reason, kind, state, since, until string
	ids                                              []string
	meant                                            store.LetterSelection // complete but for the tenant, after parse
}

// addTo adds the flags to a verb. state is what the verb takes where no flag says otherwise.
func (f *letterFlags) addTo(cmd *cobra.Command, state store.LetterState) {
	flags := cmd.Flags()
	f.addGroupFlags(cmd)
	flags.StringVar(&f.meant.Fingerprint, "fingerprint", "", "only this group: `reos dlq groups` shows them")
	flags.StringVar(&f.meant.Payload, "payload", "", "only with this in the data: path or path=value, as ListPrice=450000 or Media.0.MediaURL")
	flags.StringVar(&f.state, "state", string(state), "open, replayed, discarded or all")
	flags.StringSliceVar(&f.ids, "id", nil, "only these letters; several with commas")
	flags.BoolVar(&f.meant.Overtaken, "overtaken", false, "only those that a newer version of their record has overtaken")
}

// addGroupFlags adds those that groups can be narrowed by.
func (f *letterFlags) addGroupFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.tenant, "tenant", "", "id or name of one tenant; everybody's where left out")
	flags.StringVar(&f.stage, "stage", "", "only this stage")
	flags.StringVar(&f.reason, "reason", "", "only this reason")
	flags.StringVar(&f.kind, "kind", "", "only this kind: bad_data, transient, permanent or unauthorised")
	flags.StringVar(&f.meant.Type, "type", "", "only this event type")
	flags.StringVar(&f.meant.Key, "key", "", "only this record")
	flags.StringVar(&f.meant.WorkerVersion, "worker-version", "", "only those that this version of reos gave up")
	flags.StringVar(&f.since, "since", "", "given up since: a time (2026-03-01T00:00:00Z) or how long ago (72h)")
	flags.StringVar(&f.until, "until", "", "given up before: as --since")
}

var fingerprintForm = regexp.MustCompile(`^[0-9a-f]{16}$`)

// parse checks the flags.
func (f *letterFlags) parse() (err error) {
	m := &f.meant
	m.Stage, m.Reason, m.Kind, m.State = events.Stage(f.stage), events.Reason(f.reason), store.LetterKind(f.kind), store.LetterState(f.state)
	if f.state == "all" {
		m.State = ""
	}
	_, path := store.ParsePayloadMatch(m.Payload)
	switch {
	case f.reason != "" && !slices.Contains(events.Reasons, m.Reason):
		return badInput("--reason %q must be one of %v", f.reason, events.Reasons)
	case f.stage != "" && !slices.Contains(events.Stages, m.Stage):
		return badInput("--stage %q must be one of %s", f.stage, stageNames())
	case f.kind != "" && !slices.Contains(store.LetterKinds, m.Kind):
		return badInput("--kind %q must be one of %v", f.kind, store.LetterKinds)
	case m.State != "" && !slices.Contains(store.LetterStates, m.State):
		return badInput("--state %q must be one of %v, or all", f.state, store.LetterStates)
	case m.Fingerprint != "" && !fingerprintForm.MatchString(m.Fingerprint):
		return badInput("--fingerprint %q must be 16 hexadecimal digits: `reos dlq groups` shows them", m.Fingerprint)
	case m.Payload != "" && !path:
		return badInput("--payload %q must be path or path=value, such as ListPrice=450000", m.Payload)
	}
	for _, text := range f.ids {
		id, err := letterID(text)
		if err != nil {
			return err
		}
		m.IDs = append(m.IDs, id)
	}
	if m.Since, err = momentOf("--since", f.since); err != nil {
		return err
	}
	if m.Until, err = momentOf("--until", f.until); err != nil {
		return err
	}
	return nil
}

// shortTime is a moment as tables show it.
func shortTime(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05") }
