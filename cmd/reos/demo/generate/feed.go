package main

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"

	"github.com/google/uuid"
)

// feed collects what the agencies publish. Messages about one home keep their order; between homes it is mixed.
type feed struct {
	random   *rand.Rand
	agencies []*agency
	scripts  []script
	ledger   ledger
}

// script is what is published about one thing, in this order.
type script []message

// ledger is what the feed calls for.
type ledger struct {
	Published       int               `json:"published"`  // messages
	Events          int               `json:"events"`     // distinct events that are accepted, stale ones among them
	Duplicates      int               `json:"duplicates"` // messages that bring an event again
	Stale           int               `json:"stale"`      // events whose version is not newer than what is there
	Dead            int               `json:"dead"`
	Unroutable      int               `json:"unroutable"`
	Records         int               `json:"records"` // properties that are not deleted
	Deleted         int               `json:"deleted"` // properties that are
	Indexed         int               `json:"indexed"` // of Records: search finds them
	Quarantined     int               `json:"quarantined"`
	QuarantinedKeys map[string]string `json:"quarantined_keys"` // key → what is wrong with it
	Tenants         []*tenantLedger   `json:"tenants"`
}

type tenantLedger struct {
	ID          uuid.UUID  `json:"id"`
	Name        string     `json:"name"`
	Records     int        `json:"records"`
	Indexed     int        `json:"indexed"`
	Quarantined int        `json:"quarantined"`
	Search      searchable `json:"search"`
}

// searchable is a query and the home that it must find among the first three.
type searchable struct {
	Query  string `json:"query"`
	TopKey string `json:"top_key"`
}

// fate is what remains of a home.
type fate int

const (
	indexed fate = iota
	quarantined
	deleted
)

// generate makes both files.
func generate() (messages, expected []byte, err error) {
	f := &feed{
		random: rand.New(rand.NewPCG(20260601, 424242)), agencies: agencies(),
		ledger: ledger{QuarantinedKeys: map[string]string{}},
	}
	for _, a := range f.agencies {
		f.ledger.Tenants = append(f.ledger.Tenants, &a.ledger)
		f.stories(a)
		f.others(a)
	}
	f.flaws()
	f.broken()

	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	encoder.SetEscapeHTML(false)
	for _, m := range f.mixed() {
		f.ledger.Published++
		if err := encoder.Encode(m); err != nil {
			return nil, nil, err
		}
	}
	expected, err = json.MarshalIndent(f.ledger, "", "  ")
	return lines.Bytes(), append(expected, '\n'), err
}

// settle closes a home's script and its account.
func (f *feed) settle(h *home, end fate) {
	f.scripts = append(f.scripts, h.sent)
	mine := &h.agency.ledger
	if end == deleted {
		f.ledger.Deleted++
		return
	}
	f.ledger.Records++
	mine.Records++
	if end == quarantined {
		f.ledger.Quarantined++
		mine.Quarantined++
		return
	}
	f.ledger.Indexed++
	mine.Indexed++
}

// mixed deals the scripts into one sequence, each in its own order.
func (f *feed) mixed() []message {
	var deck []int
	for i, script := range f.scripts {
		for range script {
			deck = append(deck, i)
		}
	}
	f.random.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
	all := make([]message, 0, len(deck))
	next := make([]int, len(f.scripts))
	for _, i := range deck {
		all = append(all, f.scripts[i][next[i]])
		next[i]++
	}
	return all
}

// pick chooses one of several.
func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// between chooses a whole number, both ends included.
func between(r *rand.Rand, low, high int) int { return low + r.IntN(high-low+1) }
