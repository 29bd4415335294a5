package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
)

// LetterGroup is the letters that died for the same cause, as far as anybody can tell.
type LetterGroup struct {
	Fingerprint string        `json:"fingerprint"`
	Kind        LetterKind    `json:"kind" enum:"bad_data,transient,permanent,unauthorised"`
	Stage       events.Stage  `json:"stage" doc:"Where they died; empty: at the broker."`
	Reason      events.Reason `json:"reason"`
	Pattern     string        `json:"pattern" doc:"The error, without what differs from letter to letter."`
	Sample      string        `json:"sample" doc:"The error of one of them."`
	Open        int64         `json:"open"`
	Replayed    int64         `json:"replayed"`
	Discarded   int64         `json:"discarded"`
	Tenants     int64         `json:"tenants" doc:"With letters in the group that are open; with any, where none is."`
	FirstAt     time.Time     `json:"first_at" doc:"When the first of the open ones died; of all, where none is open."`
	LastAt      time.Time     `json:"last_at"`
	Versions    []string      `json:"worker_versions" doc:"Of the programs that gave them up, the first to do so first; empty ones left out."`
	Sentence    string        `json:"sentence" doc:"The group's story."`
}

// LetterGroupFilter narrows a listing of groups; the zero value of a field does not. Stage, Reason, Kind, Fingerprint,
// WorkerVersion and times, by the hour, are answered from counters; Type, Key and IDs by counting letters.
type LetterGroupFilter struct {
	DeadLetterFilter // State, Whole and After mean nothing here
	After            LetterGroupCursor
}

// LetterGroupCursor is a group's place in a listing, the largest first.
type LetterGroupCursor struct {
	Open        int64
	Fingerprint string // empty = the beginning
}

// Cursor is the group's place in a listing.
func (g LetterGroup) Cursor() LetterGroupCursor {
	return LetterGroupCursor{Open: g.Open, Fingerprint: g.Fingerprint}
}

// LetterCount is how many letters of a group a tenant has.
type LetterCount struct {
	Tenant    uuid.UUID `json:"tenant_id"`
	Open      int64     `json:"open"`
	Replayed  int64     `json:"replayed"`
	Discarded int64     `json:"discarded"`
}

// LetterHour is how many letters of a group died within an hour.
type LetterHour struct {
	Hour      time.Time `json:"hour"`
	Open      int64     `json:"open"`
	Replayed  int64     `json:"replayed"`
	Discarded int64     `json:"discarded"`
}

// LetterGroupDetail is a group, whose letters they are and when they died.
type LetterGroupDetail struct {
	LetterGroup
	ByTenant []LetterCount `json:"by_tenant" doc:"Most open ones first, at most 100."`
	ByHour   []LetterHour  `json:"by_hour" doc:"Newest first, at most 336 hours in which any died."`
}

// LetterGroupReader lists groups of dead letters: a tenant's, or everybody's.
type LetterGroupReader interface {
	LetterGroups(ctx context.Context, filter LetterGroupFilter) ([]LetterGroup, error)
	// LetterGroup shows one of them; else ErrNotFound.
	LetterGroup(ctx context.Context, fingerprint string) (LetterGroupDetail, error)
}

// Story says in one sentence what a group is.
func (g LetterGroup) Story() string {
	var s strings.Builder
	n := g.Open
	if n == 0 {
		fmt.Fprintf(&s, "None open, %d replayed and %d discarded, ", g.Replayed, g.Discarded)
		n = g.Replayed + g.Discarded
	} else {
		fmt.Fprintf(&s, "%d %s of %d %s ", n, plural(n, "event"), g.Tenants, plural(g.Tenants, "tenant"))
	}
	fmt.Fprintf(&s, "since %s", g.FirstAt.UTC().Format("2006-01-02 15:04"))
	place := "at the broker"
	if g.Stage != "" {
		place = "in " + string(g.Stage)
	}
	if n > 1 {
		place = "all " + place
	}
	s.WriteString(", " + place)
	switch len(g.Versions) {
	case 0:
	case 1:
		s.WriteString(", by worker " + g.Versions[0])
	default:
		s.WriteString(", since worker " + g.Versions[0])
	}
	s.WriteString(": " + string(g.Reason))
	if g.Pattern != "" {
		s.WriteString(": " + strings.TrimPrefix(g.Pattern, string(g.Reason)+": "))
	}
	return s.String()
}

func plural(n int64, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}
