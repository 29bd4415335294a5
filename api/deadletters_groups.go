package api

import (
	"context"
	"time"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

type letterGroupsIn struct {
	Stage         events.Stage     `query:"stage" enum:"ingestion,quality,embedding,indexing,freshness,deadletters" doc:"Where they died."`
	Reason        events.Reason    `query:"reason" maxLength:"255"`
	Kind          store.LetterKind `query:"kind" enum:"bad_data,transient,permanent,unauthorised"`
	Type          string           `query:"type" maxLength:"255" doc:"Of the event. With it, or record_key, letters are counted one by one."`
	Key           string           `query:"record_key" maxLength:"255"`
	WorkerVersion string           `query:"worker_version" maxLength:"255"`
	Since         time.Time        `query:"since" doc:"Given up in the hour of this time, or later."`
	Until         time.Time        `query:"until" doc:"Given up before this time, or within its hour."`
	PageIn
}

type letterGroupsOut struct {
	Body struct {
		Items []store.LetterGroup `json:"items" doc:"Most open letters first."`
		Next  string              `json:"next,omitempty" doc:"Names the next page; left out on the last."`
	}
}

type letterGroupIn struct {
	Fingerprint string `path:"fingerprint" maxLength:"64"`
}

type letterGroupOut struct{ Body store.LetterGroupDetail }

func (d *letterDesk) groups(ctx context.Context, who caller, request *letterGroupsIn) (*letterGroupsOut, error) {
	filter := store.LetterGroupFilter{DeadLetterFilter: store.DeadLetterFilter{
		Stage: request.Stage, Reason: request.Reason, Kind: request.Kind, Type: request.Type, Key: request.Key,
		WorkerVersion: request.WorkerVersion, Since: request.Since, Until: request.Until, Limit: request.Limit + 1,
	}}
	if err := readCursor(request.Cursor, &filter.After); err != nil {
		return nil, err
	}
	groups, err := d.reader(who).LetterGroups(ctx, filter)
	if err != nil {
		return nil, err
	}
	out := &letterGroupsOut{}
	out.Body.Items = append([]store.LetterGroup{}, groups[:min(len(groups), request.Limit)]...)
	if len(groups) > request.Limit {
		out.Body.Next, err = writeCursor(groups[request.Limit-1].Cursor())
	}
	return out, err
}

func (d *letterDesk) group(ctx context.Context, who caller, request *letterGroupIn) (*letterGroupOut, error) {
	detail, err := d.reader(who).LetterGroup(ctx, request.Fingerprint)
	return &letterGroupOut{Body: detail}, err
}
