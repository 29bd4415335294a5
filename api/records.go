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

// Records is a tenant's part of Postgres, as it takes to look at records.
type Records interface {
	// ListRecords lists a page of records of a type, in the order of their keys.
	ListRecords(ctx context.Context, record events.RecordType, filter store.RecordFilter) (store.RecordPage, error)
	// RecordView says everything that is known of a record, with the first part of its history; else store.ErrNotFound.
	RecordView(ctx context.Context, ref store.Ref, historyLimit int) (store.RecordView, error)
	// RecordHistory lists a page of a record's events, newest first; store.ErrNotFound where there is no such record.
	RecordHistory(ctx context.Context, ref store.Ref, after store.EventCursor, limit int) (store.EventPage, error)
	// EventOfRecord finds an event among those of a record, uuid.Nil asks for the one that brought the newest version;
	// else store.ErrNotFound.
	EventOfRecord(ctx context.Context, ref store.Ref, event uuid.UUID) (uuid.UUID, error)
}

// PageIn asks for a page of a listing.
type PageIn struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"Items at most; a page may have fewer, and yet not be the last."`
	Cursor string `query:"cursor" maxLength:"2048" doc:"The next of the page before."`
}

func (in *PageIn) page() *PageIn { return in }

// RecordsIn narrows a listing of records of any type.
type RecordsIn struct {
	PageIn
	Deleted      string    `query:"deleted" enum:"exclude,include,only" default:"exclude" doc:"What to do with records that a delete ended."`
	Quarantined  string    `query:"quarantined" enum:"any,true,false" default:"any" doc:"Narrow to what the verdict on the newest version keeps from search, or to the rest."`
	UpdatedSince time.Time `query:"updated_since" doc:"Narrow to records that got a version at this time or later."`
	WithRecord   bool      `query:"with_record" doc:"Show the records themselves too. Such pages end early when they get large."`
}

// propertiesIn narrows a listing of properties.
type propertiesIn struct {
	RecordsIn
	HomeFilter
}

// typedIn narrows a listing of another record type.
type typedIn struct {
	RecordsIn
	Type events.RecordType `path:"type" enum:"property,ownership,prospect,lease,offer,document"`
}

// verdictWord says in a word how a version was judged.
type verdictWord string

const (
	verdictPassed      verdictWord = "passed"
	verdictQuarantined verdictWord = "quarantined"
	verdictPending     verdictWord = "pending"
)

// recordItem is a record in a listing.
type recordItem struct {
	Key string `json:"key"`
	RecordVersion
	EventUID  uuid.UUID       `json:"event_uid" doc:"The event that brought this version."`
	Deleted   bool            `json:"deleted"`
	UpdatedAt time.Time       `json:"updated_at" doc:"When this version was stored."`
	Verdict   verdictWord     `json:"verdict,omitempty" enum:"passed,quarantined,pending" doc:"On this version; left out where it is a delete."`
	ListPrice *amount         `json:"list_price,omitempty" doc:"Of properties, as the following: left out where the record does not say, or not what the contract says."`
	Status    string          `json:"status,omitempty" doc:"RESO StandardStatus."`
	City      string          `json:"city,omitempty"`
	Bedrooms  *int64          `json:"bedrooms,omitempty"`
	Record    json.RawMessage `json:"record,omitempty" doc:"Where with_record asks for it: RESO names, exact decimals, unknown fields kept."`
}

type recordsOut struct {
	Body struct {
		Items []recordItem `json:"items" doc:"In the order of their keys' bytes."`
		Next  string       `json:"next,omitempty" doc:"The cursor of the page behind; left out where this is the last."`
	}
}

// library shows records.
type library struct {
	records func(tenant uuid.UUID) Records
	raw     Raw
}

const listText = `Pages are in the order of keys: records that come meanwhile show up if their keys lie behind the cursor.`

// registerRecords adds what shows records: properties, and records of any type.
func (s *Server) registerRecords(parts Parts) {
	l := &library{records: parts.Records, raw: parts.Raw}
	register(s, operation{
		ID: "list-properties", Method: http.MethodGet, Path: "/v1/properties", Tag: "properties", Roles: readers,
		Summary: "List properties", Description: listText, WhileSuspended: true,
	}, func(ctx context.Context, who caller, request *propertiesIn) (*recordsOut, error) {
		return l.listProperties(ctx, who, request)
	})
	register(s, operation{
		ID: "list-records", Method: http.MethodGet, Path: "/v1/records/{type}", Tag: "records", Roles: readers,
		Summary: "List records of a type", Description: listText, WhileSuspended: true,
	}, func(ctx context.Context, who caller, request *typedIn) (*recordsOut, error) {
		filter, err := request.filter()
		if err != nil {
			return nil, err
		}
		return l.list(ctx, who, request.Type, filter)
	})
	registerRecord[PropertyIn, propertyHistoryIn, propertyRawIn](s, l, "property", "/v1/properties/{key}", "properties")
	registerRecord[RecordIn, recordHistoryIn, recordRawIn](s, l, "record", "/v1/records/{type}/{key}", "records")
}

func (l *library) listProperties(ctx context.Context, who caller, request *propertiesIn) (*recordsOut, error) {
	filter, err := request.filter()
	if err != nil {
		return nil, err
	}
	if err := request.check(); err != nil {
		return nil, err
	}
	filter.City, filter.Status = request.City, request.Status
	filter.MinPrice, filter.MaxPrice = request.MinPrice, request.MaxPrice
	filter.MinBedrooms, filter.MaxBedrooms = request.MinBedrooms.pointer(), request.MaxBedrooms.pointer()
	return l.list(ctx, who, events.Property, filter)
}

// filter is the part of a listing's filter that every record type has.
func (in *RecordsIn) filter() (store.RecordFilter, error) {
	after, err := readKeyCursor(in.Cursor)
	filter := store.RecordFilter{UpdatedSince: in.UpdatedSince, After: after, Limit: in.Limit, Docs: in.WithRecord}
	if in.Deleted != "include" {
		only := in.Deleted == "only"
		filter.Deleted = &only
	}
	if in.Quarantined != "any" {
		kept := in.Quarantined == "true"
		filter.Quarantined = &kept
	}
	return filter, err
}

func (l *library) list(ctx context.Context, who caller, record events.RecordType, filter store.RecordFilter) (*recordsOut, error) {
	page, err := l.records(who.Owner.ID).ListRecords(ctx, record, filter)
	if err != nil {
		return nil, err
	}
	out := &recordsOut{}
	out.Body.Items = make([]recordItem, len(page.Records))
	for i, r := range page.Records {
		out.Body.Items[i] = showItem(r)
	}
	if page.More {
		out.Body.Next, err = writeCursor(keyCursor{After: page.Records[len(page.Records)-1].Key})
	}
	return out, err
}

func showItem(r store.RecordSummary) recordItem {
	return recordItem{
		Key: r.Key, RecordVersion: showVersion(r.Version), EventUID: r.Event, Deleted: r.Deleted, UpdatedAt: r.UpdatedAt,
		Verdict: wordFor(r.Deleted, r.Passed), ListPrice: amountOf(r.ListPrice), Status: r.Status, City: r.City,
		Bedrooms: r.Bedrooms, Record: r.Doc,
	}
}

func wordFor(deleted bool, passed *bool) verdictWord {
	switch {
	case deleted:
		return ""
	case passed == nil:
		return verdictPending
	case *passed:
		return verdictPassed
	}
	return verdictQuarantined
}
