package reconcile

import (
	"context"
	"fmt"
	"time"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// comparePage is how many properties are compared at a time.
const comparePage = 500

// suspect is a property about which the stores disagree.
type suspect struct {
	standing store.IndexStanding
	finding  store.Finding
}

// properties compares every property with its index entry and its point.
func (c *comparison) properties(ctx context.Context, points Points) error {
	for after := ""; ; {
		page, err := c.records.StandingsAfter(ctx, c.model, after, comparePage)
		if err != nil || len(page) == 0 {
			return err
		}
		after = page[len(page)-1].Key
		found, err := points.Points(ctx, keysOf(page))
		if err != nil {
			return err
		}
		suspects, err := c.confirm(ctx, points, judge(page, found))
		if err != nil {
			return err
		}
		for _, s := range suspects {
			c.report.found(s.finding)
		}
		if err := c.repair(ctx, suspects); err != nil {
			return err
		}
		c.report.Properties += len(page)
		if c.options.Progress != nil {
			c.options.Progress(len(page))
		}
	}
}

// confirm looks again at suspects, and keeps those that nobody has worked on while it looked: a worker writes its point
// before it commits, and a page is older than the points that it is compared with.
func (c *comparison) confirm(ctx context.Context, points Points, suspects []suspect) ([]suspect, error) {
	if len(suspects) == 0 {
		return nil, nil
	}
	keys := make([]string, len(suspects))
	for i, s := range suspects {
		keys[i] = s.standing.Key
	}
	before, err := c.records.Standings(ctx, c.model, keys)
	if err != nil {
		return nil, err
	}
	found, err := points.Points(ctx, keys)
	if err != nil {
		return nil, err
	}
	after, err := c.records.Standings(ctx, c.model, keys)
	if err != nil {
		return nil, err
	}
	same := make(map[string]store.IndexStanding, len(after))
	for _, standing := range after {
		same[standing.Key] = standing
	}
	var still []store.IndexStanding
	for _, standing := range before {
		if standing.Same(same[standing.Key]) {
			still = append(still, standing)
		}
	}
	return judge(still, found), nil
}

// judge compares standings with the points found of their keys. Work on its way is no finding.
func judge(standings []store.IndexStanding, found map[string]store.PointRef) []suspect {
	var suspects []suspect
	for _, s := range standings {
		if s.Unfinished {
			continue
		}
		point, exists := found[s.Key]
		if kind, detail := verdict(s, point, exists); kind != "" {
			suspects = append(suspects, suspect{s, store.Finding{Kind: kind, Key: s.Key, Detail: detail}})
		}
	}
	return suspects
}

// verdict says how the stores disagree about a property; an empty kind where they do not.
func verdict(s store.IndexStanding, point store.PointRef, exists bool) (store.FindingKind, string) {
	wanted, decided := s.Wanted()
	switch {
	case s.Entry == nil:
		return store.IndexBehind, fmt.Sprintf("version %s was never indexed", written(s.Version))
	case s.Entry.Version.Compare(s.Version) != 0:
		return store.IndexBehind, fmt.Sprintf("version %s is indexed, the newest is %s", written(s.Entry.Version), written(s.Version))
	case !decided:
		return store.IndexBehind, fmt.Sprintf("version %s is indexed, and neither quarantined nor embedded", written(s.Version))
	case s.Entry.Present != wanted:
		return store.IndexBehind, fmt.Sprintf("version %s: search should find it: %t", written(s.Version), wanted)
	case wanted && !exists:
		return store.PointMissing, fmt.Sprintf("version %s has no point", written(s.Version))
	case wanted && point.Version.Compare(s.Version) != 0:
		return store.PointWrongVersion, fmt.Sprintf("the point is of version %s, the newest is %s", written(point.Version), written(s.Version))
	case !wanted && exists:
		return store.PointExtra, fmt.Sprintf("version %s was deleted or quarantined", written(s.Version))
	}
	return "", ""
}

// strays compares every point with the properties: those of no property, and those under an id that is not theirs.
func (c *comparison) strays(ctx context.Context, points Points) error {
	for page, err := range points.List(ctx) {
		if err != nil {
			return err
		}
		c.report.Points += len(page)
		findings, err := c.astray(ctx, page)
		if err != nil {
			return err
		}
		for _, finding := range findings {
			c.report.found(finding)
		}
		if err := c.remove(ctx, points, findings); err != nil {
			return err
		}
	}
	return nil
}

func (c *comparison) astray(ctx context.Context, page []store.PointRef) ([]store.Finding, error) {
	keys := make([]string, len(page))
	for i, point := range page {
		keys[i] = point.Key
	}
	existing, err := c.records.Existing(ctx, keys)
	if err != nil {
		return nil, err
	}
	known := make(map[string]bool, len(existing))
	for _, key := range existing {
		known[key] = true
	}
	var findings []store.Finding
	for _, point := range page {
		switch {
		case point.ID != store.PointID(c.tenant, point.Key).String():
			findings = append(findings, store.Finding{
				Kind: store.PointWrongTenant, Key: point.Key, Point: point.ID, Detail: "the id is not that of this tenant's property",
			})
		case !known[point.Key]:
			findings = append(findings, store.Finding{
				Kind: store.PointExtra, Key: point.Key, Point: point.ID, Detail: "there is no such property",
			})
		}
	}
	return findings, nil
}

func keysOf(standings []store.IndexStanding) []string {
	keys := make([]string, len(standings))
	for i, s := range standings {
		keys[i] = s.Key
	}
	return keys
}

// written is a version as people read it.
func written(v events.Version) string {
	if v.At.IsZero() {
		return "unknown"
	}
	return fmt.Sprintf("%s/%d", v.At.Format(time.RFC3339Nano), v.Sequence)
}
