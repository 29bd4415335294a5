package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// PropertyIn names a property. In a path, a slash within a key is written %2F.
type PropertyIn struct {
	Key string `path:"key" doc:"The record's key, percent-encoded; a slash in it is %2F. One that has a segment . or .. is in listings only." example:"NW-1042"`
}

func (in *PropertyIn) ref() (store.Ref, error) { return refOf(events.Property, in.Key) }

// RecordIn names a record of any type.
type RecordIn struct {
	Type events.RecordType `path:"type" enum:"property,ownership,prospect,lease,offer,document"`
	Key  string            `path:"key" doc:"The record's key, percent-encoded; a slash in it is %2F. One that has a segment . or .. is in listings only." example:"LEASE-7"`
}

func (in *RecordIn) ref() (store.Ref, error) { return refOf(in.Type, in.Key) }

// refOf is the record that is meant. What cannot be a key names none.
func refOf(record events.RecordType, key string) (store.Ref, error) {
	if !isKey(key) {
		return store.Ref{}, store.ErrNotFound
	}
	return store.Ref{Type: record, Key: key}, nil
}

type (
	propertyHistoryIn struct {
		PropertyIn
		PageIn
	}
	recordHistoryIn struct {
		RecordIn
		PageIn
	}
	propertyRawIn struct {
		PropertyIn
		RawIn
	}
	recordRawIn struct {
		RecordIn
		RawIn
	}
)

// naming is a request that names a record.
type naming[In any] interface {
	*In
	ref() (store.Ref, error)
}

type namingPage[In any] interface {
	naming[In]
	page() *PageIn
}

type namingRaw[In any] interface {
	naming[In]
	event() (uuid.UUID, error)
}

// record is everything that is known of a record.
type record struct {
	Type events.RecordType `json:"type" example:"property"`
	Key  string            `json:"key"`
	RecordVersion
	EventUID  uuid.UUID       `json:"event_uid" doc:"The event that brought this version."`
	Deleted   bool            `json:"deleted"`
	UpdatedAt time.Time       `json:"updated_at" doc:"When this version was stored."`
	Record    json.RawMessage `json:"record" doc:"RESO names, exact decimals, unknown fields kept; null where deleted."`
	Faults    []events.Fault  `json:"faults,omitempty" doc:"Fields whose values are not what the contract says: they are kept as they came."`
	Verdict   *recordVerdict  `json:"verdict" doc:"Of the newest version that was judged; null where none was."`
	Index     *recordIndex    `json:"index,omitempty" doc:"Of properties: what the search index was told last; left out where it never was."`
	History   eventPage       `json:"history" doc:"The newest events of the record."`
}

// recordVerdict is what the tenant's suite of expectations says.
type recordVerdict struct {
	Verdict verdictWord `json:"verdict" enum:"passed,quarantined"`
	RecordVersion
	Current  bool            `json:"current" doc:"It is the verdict on the record's newest version."`
	Suite    string          `json:"suite" example:"property/1"`
	Failures []store.Failure `json:"failures" doc:"Failed expectations; warnings quarantine nothing."`
	JudgedAt time.Time       `json:"judged_at"`
}

// recordIndex is what the search index holds.
type recordIndex struct {
	Searchable bool `json:"searchable" doc:"False where it was taken out, or never put in: deleted or quarantined."`
	RecordVersion
	Current   bool      `json:"current" doc:"It is at the record's newest version."`
	IndexedAt time.Time `json:"indexed_at"`
}

// recordEvent is an event of a record.
type recordEvent struct {
	EventUID uuid.UUID `json:"event_uid"`
	ID       string    `json:"id" doc:"As the upstream gave it."`
	Source   string    `json:"source,omitempty"`
	Type     string    `json:"type" example:"reos.property.upserted.v1"`
	RecordVersion
	OccurredAt time.Time      `json:"occurred_at" doc:"When it happened at the upstream."`
	AcceptedAt time.Time      `json:"accepted_at"`
	RunID      string         `json:"run_id,omitempty"`
	Waiting    events.Stage   `json:"waiting,omitempty" doc:"The stage at which it waits."`
	Outcome    events.Outcome `json:"outcome,omitempty" enum:"done,stale,quarantined,dead" doc:"Left out while it waits."`
	Reason     events.Reason  `json:"reason,omitempty" example:"version_older"`
	EndedIn    events.Stage   `json:"ended_in,omitempty"`
	FinishedAt *time.Time     `json:"finished_at,omitempty"`
}

// eventPage is a page of a record's events.
type eventPage struct {
	Items []recordEvent `json:"items" doc:"Newest first, by acceptance."`
	Next  string        `json:"next,omitempty" doc:"The cursor of the page behind, at …/history; left out where this is the last."`
}

type (
	recordOut  struct{ Body record }
	historyOut struct{ Body eventPage }
)

// firstEvents is how many events a record is shown with.
const firstEvents = 20

// registerRecord adds what shows one record under a path, its history and its raw bytes.
func registerRecord[One, History, Bytes any, O naming[One], H namingPage[History], R namingRaw[Bytes]](
	s *Server, l *library, name, path, tag string,
) {
	describe := func(id, path, summary, text string) operation {
		return operation{
			ID: id, Method: http.MethodGet, Path: path, Tag: tag, Roles: readers, Summary: summary, Description: text,
			Errors: []int{http.StatusNotFound}, WhileSuspended: true,
		}
	}
	register(s, describe("show-"+name, path, "Show a "+name, "The newest version, its verdict, its place in the index and its newest events."),
		func(ctx context.Context, who caller, request *One) (*recordOut, error) {
			ref, err := O(request).ref()
			if err != nil {
				return nil, err
			}
			return l.show(ctx, who, ref)
		})
	register(s, describe("list-"+name+"-history", path+"/history", "List the events of a "+name, "Every event that was accepted for it, and what became of each."),
		func(ctx context.Context, who caller, request *History) (*historyOut, error) {
			ref, err := H(request).ref()
			if err != nil {
				return nil, err
			}
			return l.history(ctx, who, ref, H(request).page())
		})
	register(s, describe("show-"+name+"-raw", path+"/raw", "Show a "+name+" as it came", rawText),
		func(ctx context.Context, who caller, request *Bytes) (*rawOut, error) {
			ref, err := R(request).ref()
			if err != nil {
				return nil, err
			}
			event, err := R(request).event()
			if err != nil {
				return nil, err
			}
			return l.bytes(ctx, who, ref, event)
		})
	s.huma.OpenAPI().Paths[path+"/raw"].Get.Responses["200"].Content = rawContent
}

func (l *library) show(ctx context.Context, who caller, ref store.Ref) (*recordOut, error) {
	view, err := l.records(who.Owner.ID).RecordView(ctx, ref, firstEvents)
	if err != nil {
		return nil, err
	}
	out := &recordOut{Body: showRecord(view)}
	out.Body.History, err = showEvents(view.History)
	return out, err
}

func showRecord(view store.RecordView) record {
	r := record{
		Type: view.Record.Ref.Type, Key: view.Record.Ref.Key, RecordVersion: showVersion(view.Record.Version), EventUID: view.Event,
		Deleted: view.Record.Deleted, UpdatedAt: view.UpdatedAt, Record: view.Record.Doc, Faults: view.Record.Faults,
	}
	if v := view.Verdict; v != nil {
		r.Verdict = &recordVerdict{
			Verdict: wordFor(false, &v.Passed), RecordVersion: showVersion(v.Version),
			Current: v.Version.Compare(view.Record.Version) == 0, Suite: v.Suite, Failures: v.Failures, JudgedAt: v.JudgedAt,
		}
	}
	if i := view.Indexed; i != nil {
		r.Index = &recordIndex{
			Searchable: i.Present, RecordVersion: showVersion(i.Version),
			Current: i.Version.Compare(view.Record.Version) == 0, IndexedAt: i.IndexedAt,
		}
	}
	return r
}

// eventCursor is a place in a record's history.
type eventCursor struct {
	At    time.Time `json:"at"`
	Event uuid.UUID `json:"event"`
}

func (l *library) history(ctx context.Context, who caller, ref store.Ref, request *PageIn) (*historyOut, error) {
	var after eventCursor
	if err := readCursor(request.Cursor, &after); err != nil {
		return nil, err
	}
	page, err := l.records(who.Owner.ID).RecordHistory(ctx, ref, store.EventCursor{AcceptedAt: after.At, Event: after.Event}, request.Limit)
	if err != nil {
		return nil, err
	}
	shown, err := showEvents(page)
	return &historyOut{Body: shown}, err
}

func showEvents(page store.EventPage) (eventPage, error) {
	shown := eventPage{Items: make([]recordEvent, len(page.Events))}
	for i, e := range page.Events {
		shown.Items[i] = recordEvent{
			EventUID: e.Event, ID: e.ID, Source: e.Source, Type: e.Type, RecordVersion: showVersion(e.Version), OccurredAt: e.OccurredAt,
			AcceptedAt: e.AcceptedAt, RunID: e.RunID, Waiting: e.Waiting, Outcome: e.Outcome, Reason: e.Reason, EndedIn: e.EndedIn,
		}
		if !e.FinishedAt.IsZero() {
			shown.Items[i].FinishedAt = &e.FinishedAt
		}
	}
	if !page.More {
		return shown, nil
	}
	last := page.Events[len(page.Events)-1]
	var err error
	shown.Next, err = writeCursor(eventCursor{At: last.AcceptedAt, Event: last.Event})
	return shown, err
}
