package isolation

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	pb "github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/qdrant"
)

func vectorAttempts(*World) []Attempt {
	all := []Attempt{
		onPoints("search with the victim's own vector", func(ctx context.Context, w *World, own Points, into *tally) {
			w.search(ctx, own, store.Query{Vector: w.Victim.Vector, Limit: 1000}, into)
		}),
		onPoints("search by the victim's city", func(ctx context.Context, w *World, own Points, into *tally) {
			w.search(ctx, own, store.Query{Vector: w.Victim.Vector, Limit: 1000, Filter: store.Filter{City: w.Victim.city()}}, into)
		}),
		onPoints("search with filters that everything passes", func(ctx context.Context, w *World, own Points, into *tally) {
			low, high, none, many := -1e300, 1e300, int64(-1<<31), int64(1<<31)
			w.search(ctx, own, store.Query{Vector: w.Victim.Vector, Limit: 1000, Filter: store.Filter{MinPrice: &low}}, into)
			w.search(ctx, own, store.Query{Vector: w.Victim.Vector, Limit: 1000, Filter: store.Filter{MaxPrice: &high}}, into)
			w.search(ctx, own, store.Query{Vector: w.Victim.Vector, Limit: 1000, Filter: store.Filter{MinBedrooms: &none, MaxBedrooms: &many}}, into)
		}),
		onPoints("search with the victim's filter in a value", func(ctx context.Context, w *World, own Points, into *tally) {
			for _, value := range foreignFilters {
				value = strings.ReplaceAll(value, "{victim}", w.Victim.ID.String())
				w.search(ctx, own, store.Query{Vector: w.Victim.Vector, Limit: 1000, Filter: store.Filter{City: value}}, into)
				w.search(ctx, own, store.Query{Vector: w.Victim.Vector, Limit: 1000, Filter: store.Filter{Status: value}}, into)
			}
		}),
		onPoints("search for far more than there is", func(ctx context.Context, w *World, own Points, into *tally) {
			w.search(ctx, own, store.Query{Vector: w.Victim.Vector, Limit: 1 << 20}, into)
		}),
		onPoints("look up the victim's point by its key", func(ctx context.Context, w *World, own Points, into *tally) {
			found, err := own.Points(ctx, []string{w.Victim.property()})
			w.judgePoints("look up", len(found), err, into)
		}),
		onPoints("look up the victim's point by its id in place of a key", func(ctx context.Context, w *World, own Points, into *tally) {
			found, err := own.Points(ctx, []string{w.Victim.pointID(), w.Victim.ID.String()})
			w.judgePoints("look up", len(found), err, into)
		}),
		onPoints("scroll through all points", scroll),
		onPoints("count more than its own", func(ctx context.Context, w *World, own Points, into *tally) {
			n, err := own.Count(ctx)
			w.judgePoints("count", n-1, err, into)
		}),
		onPoints("delete the victim's point by its key", func(ctx context.Context, w *World, own Points, into *tally) {
			w.judgePoints("delete", 0, own.Delete(ctx, []string{w.Victim.property()}), into)
		}),
		onPoints("delete the victim's point by its id", func(ctx context.Context, w *World, own Points, into *tally) {
			w.judgePoints("delete", 0, own.DeletePoints(ctx, []string{w.Victim.pointID()}), into)
		}),
		onPoints("delete by ids that are patterns", func(ctx context.Context, w *World, own Points, into *tally) {
			for _, id := range []string{"", "*", "0", w.Victim.ID.String(), strings.ToUpper(w.Victim.pointID()), "urn:uuid:" + w.Victim.pointID()} {
				w.judgePoints("delete "+id, 0, own.DeletePoints(ctx, []string{id}), into)
			}
		}),
		onPoints("overwrite the victim's point by its key", overwrite),
		onPoints("name the victim in a point's payload", smuggle),
		onPoints("count what is left of more than its own", func(ctx context.Context, w *World, own Points, into *tally) {
			left, err := own.Leftovers(ctx)
			w.judgePoints("count", leftOf(left)-1, err, into)
		}),
		onPoints("purge more than its own", func(ctx context.Context, w *World, own Points, into *tally) {
			purged := 0
			err := own.Purge(ctx, func(n int) { purged += n })
			w.judgePoints("purge", purged-1, err, into)
			w.judgePoints("upsert", 0, own.Upsert(ctx, []store.Point{w.Attacker.point()}), into)
		}),
		{Name: "find a method that asks by another point, or without a filter", Layer: Qdrant, Try: pointMethods},
		{Name: "ask the server itself without its key", Layer: Qdrant, Try: raw("")},
		{Name: "ask the server itself with a forged key", Layer: Qdrant, Try: raw("forged")},
	}
	return all
}

// foreignFilters are filters as a careless handle could take them out of a value.
var foreignFilters = []string{
	`{"must":[{"key":"tenant_id","match":{"value":"{victim}"}}]}`,
	`"}},{"should":[{"key":"tenant_id","match":{"value":"{victim}"}}]}`,
	`x"}}],"must_not":[{"key":"tenant_id","match":{"value":"x"}}],"should":[{"is_empty":{"key":"x"`,
	`tenant_id={victim}`, `' OR tenant_id = '{victim}`, `*`, ` `,
}

// onPoints makes an attempt by the attacker's handle, and looks afterwards at whether the victim's point is what it was.
func onPoints(name string, try func(ctx context.Context, w *World, own Points, into *tally)) Attempt {
	return Attempt{Name: name, Layer: Qdrant, Try: func(ctx context.Context, w *World) Outcome {
		if w.Points == nil {
			return notApplicable("no QDRANT_URL")
		}
		var into tally
		try(ctx, w, w.Points(w.Attacker.ID), &into)
		if err := w.checkPoint(ctx); err != nil {
			into.changed("point", err)
			if err := w.Points(w.Victim.ID).Upsert(ctx, []store.Point{w.Victim.point()}); err != nil {
				into.fail("plant it again: %v", err)
			}
		}
		return into.outcome()
	}}
}

// checkPoint compares the victim's point with what was planted.
func (w *World) checkPoint(ctx context.Context) error {
	hits, err := w.Points(w.Victim.ID).Search(ctx, store.Query{Vector: w.Victim.Vector, Limit: 10})
	switch {
	case err != nil:
		return err
	case len(hits) != 1 || !w.tells(hits[0].Payload.Address) || hits[0].Score < 0.999:
		return fmt.Errorf("it finds %d points", len(hits))
	}
	return nil
}

func (w *World) search(ctx context.Context, own Points, query store.Query, into *tally) {
	hits, err := own.Search(ctx, query)
	for _, hit := range hits {
		if w.tells(fmt.Sprintf("%+v", hit)) || strings.Contains(hit.Key, w.Victim.Mark) {
			into.leak("search found %s", hit.Key)
		}
	}
	w.judgePoints("search", 0, err, into)
}

// judgePoints says what an answer about points means of which so many cannot be the attacker's.
func (w *World) judgePoints(what string, foreign int, err error, into *tally) {
	switch {
	case foreign > 0:
		into.leak("%s: %d points of others", what, foreign)
	case err == nil:
		into.nothing()
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		into.fail("%s: %v", what, err)
	default:
		into.refuse()
	}
}

func scroll(ctx context.Context, w *World, own Points, into *tally) {
	foreign := 0
	for page, err := range own.List(ctx) {
		if err != nil {
			w.judgePoints("list", 0, err, into)
			return
		}
		foreign += len(slices.DeleteFunc(page, func(p store.PointRef) bool { return strings.Contains(p.Key, w.Attacker.Mark) }))
	}
	w.judgePoints("list", foreign, nil, into)
}

// overwrite writes a point of the victim's key: it must become one of the attacker's own.
func overwrite(ctx context.Context, w *World, own Points, into *tally) {
	point := w.Attacker.point()
	point.Key = w.Victim.property()
	w.judgePoints("upsert", 0, own.Upsert(ctx, []store.Point{point}), into)
	w.judgePoints("delete", 0, own.Delete(ctx, []string{point.Key}), into)
}

// smuggle names the victim as the owner in every text of a payload: the victim must not find the point.
func smuggle(ctx context.Context, w *World, own Points, into *tally) {
	point, owner := w.Attacker.point(), w.Victim.ID.String()
	point.Key, point.Vector = "tenant_id\x00"+owner, w.Victim.Vector
	point.Payload = store.Payload{Address: w.Victim.Secret, City: owner, PostalCode: `","tenant_id":"` + owner, Status: "tenant_id:" + owner}
	w.judgePoints("upsert", 0, own.Upsert(ctx, []store.Point{point}), into)
	if n, err := w.Points(w.Victim.ID).Count(ctx); err == nil && n != 1 {
		into.leak("the victim has %d points", n)
	}
	w.judgePoints("delete", 0, own.Delete(ctx, []string{point.Key}), into)
}

// attackedMethods are those of a tenant's handle that the attempts here use. The handle has no others: no query by
// another point's id, no recommendation, no filter of the caller's.
var attackedMethods = []string{"Count", "Delete", "DeletePoints", "Leftovers", "List", "Points", "Purge", "Search", "Upsert"}

func pointMethods(context.Context, *World) Outcome {
	var into tally
	requireAttacked(reflect.TypeFor[*qdrant.Tenant](), attackedMethods, &into)
	for method := range reflect.TypeFor[*qdrant.Tenant]().Methods() {
		for in := range method.Type.Ins() {
			if strings.Contains(in.String(), "go-client") {
				into.leak("%s takes a request of the caller's own: %s", method.Name, in)
			}
		}
	}
	return into.outcome()
}

func leftOf(left []store.Leftover) (n int) {
	for _, one := range left {
		n += one.Count
	}
	return n
}

// requireAttacked names the methods of a handle that no attempt uses.
func requireAttacked(handle reflect.Type, attacked []string, into *tally) {
	for method := range handle.Methods() {
		if slices.Contains(attacked, method.Name) {
			into.refuse()
		} else {
			into.fail("nobody attacks %s of %s: add an attempt", method.Name, handle)
		}
	}
}

// rawConfig is that of a client that has the address and nothing else. Its error does not repeat the URL.
func rawConfig(address string) (*pb.Config, error) {
	at, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("QDRANT_URL is not a URL")
	}
	config := &pb.Config{Host: at.Hostname(), Port: 6334, UseTLS: at.Scheme == "https", PoolSize: 1, SkipCompatibilityCheck: true}
	if at.Port() != "" {
		config.Port, err = strconv.Atoi(at.Port())
	}
	return config, err
}

// rawWithin bounds a call that no handle makes.
const rawWithin = 5 * time.Second

// raw connects past the handle, with what an attacker could know: the address.
func raw(key string) func(context.Context, *World) Outcome {
	return func(ctx context.Context, w *World) Outcome {
		at, err := url.Parse(w.QdrantURL)
		if err != nil || w.QdrantURL == "" {
			return notApplicable("no QDRANT_URL")
		}
		if _, has := at.User.Password(); !has {
			return notApplicable("QDRANT_URL has no API key: whoever reaches the server reads every point; keep it on a network of its own")
		}
		config, err := rawConfig(w.QdrantURL)
		if err != nil {
			return fault(err)
		}
		if key != "" {
			config.Headers = map[string]string{"api-key": key}
		}
		client, err := pb.NewClient(config)
		if err != nil {
			return fault(err)
		}
		defer client.Close()
		ctx, cancel := context.WithTimeout(ctx, rawWithin)
		defer cancel()
		var into tally
		_, listing := client.ListCollections(ctx)
		_, scrolling := client.Scroll(ctx, &pb.ScrollPoints{CollectionName: "reos_properties"})
		for what, err := range map[string]error{"list collections": listing, "scroll": scrolling} {
			switch status.Code(errors.Unwrap(err)) {
			case codes.Unauthenticated, codes.PermissionDenied:
				into.refuse()
			default:
				if err == nil || status.Code(errors.Unwrap(err)) == codes.NotFound {
					into.leak("the server answers to whoever asks: %s", what)
				} else {
					into.fail("%s: %v", what, err)
				}
			}
		}
		return into.outcome()
	}
}
