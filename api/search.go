package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/store"
)

// Embedder turns the text of a query into a vector, as it turned the records'.
type Embedder interface {
	Embed(ctx context.Context, texts []string) ([][]float32, error)
}

// Points is a tenant's part of the vector store, as search needs it.
type Points interface {
	// Search returns the nearest points, the best first.
	Search(ctx context.Context, query store.Query) ([]store.Hit, error)
}

// searchIn is a search.
type searchIn struct {
	HomeFilter
	Text    string            `query:"q" required:"true" maxLength:"1000" doc:"What to look for, in words." example:"craftsman with a view"`
	Limit   int               `query:"limit" minimum:"1" maximum:"100" default:"10" doc:"Hits at most."`
	Near    string            `query:"near" maxLength:"64" doc:"Latitude and longitude in degrees, with a comma between; needs within_m." example:"47.6769,-122.2060"`
	WithinM optional[float64] `query:"within_m" doc:"Nearer to near than so many metres." example:"5000"`
}

// searchHit is a property that a search found.
type searchHit struct {
	Key   string  `json:"key"`
	Score float32 `json:"score" doc:"Cosine similarity: 1 for the same direction."`
	RecordVersion
	Payload   home     `json:"payload" doc:"What the index says of the property; what the record does not say is left out."`
	DistanceM *float64 `json:"distance_m,omitempty" doc:"Metres from near, where that is given."`
}

type searchOut struct {
	Body struct {
		Query string      `json:"query"`
		Hits  []searchHit `json:"hits" doc:"The best first."`
	}
}

// searcher finds properties by text.
type searcher struct {
	embedder Embedder
	points   func(tenant uuid.UUID) Points
	seconds  prometheus.Histogram
}

const searchText = `The properties of the tenant that are nearest to a text. What is in quarantine, deleted or not yet indexed is not
found. The built-in embedder compares words, parts of words and numbers; it knows no synonyms.`

// registerSearch adds the search.
func (s *Server) registerSearch(parts Parts) {
	search := &searcher{
		embedder: parts.Embedder, points: parts.Points,
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "reos_vector_search_seconds", Help: "Time that the vector store took for a search that it answered.",
			Buckets: []float64{.001, .002, .005, .01, .02, .035, .05, .075, .1, .25, .5, 1, 2.5, 5, 10},
		}),
	}
	parts.Registry.MustRegister(search.seconds)
	register(s, operation{
		ID: "search", Method: http.MethodGet, Path: "/v1/search", Tag: "properties", Roles: readers,
		Summary: "Find properties by text", WhileSuspended: true, Description: searchText,
	}, search.search)
}

// readers are the roles that see a tenant's data.
var readers = []auth.Role{auth.Reader, auth.Operator}

func (s *searcher) search(ctx context.Context, who caller, request *searchIn) (*searchOut, error) {
	filter, err := request.filter()
	if err != nil {
		return nil, err
	}
	text := strings.TrimSpace(request.Text)
	if text == "" {
		return nil, invalid("query.q", "must have a character that is no space")
	}
	vectors, err := s.embedder.Embed(ctx, []string{text})
	if err != nil {
		return nil, fmt.Errorf("embed the query: %w", err)
	}
	began := time.Now()
	hits, err := s.points(who.Owner.ID).Search(ctx, store.Query{Vector: vectors[0], Limit: request.Limit, Filter: filter})
	if err != nil {
		return nil, err
	}
	s.seconds.Observe(time.Since(began).Seconds())
	out := &searchOut{}
	out.Body.Query, out.Body.Hits = text, make([]searchHit, len(hits))
	for i, hit := range hits {
		out.Body.Hits[i] = searchHit{
			Key: hit.Key, Score: hit.Score, RecordVersion: showVersion(hit.Version), Payload: showHome(hit.Payload),
			DistanceM: filter.Near.MetersTo(hit.Payload),
		}
	}
	return out, nil
}

// filter is the search's, checked.
func (in *searchIn) filter() (store.Filter, error) {
	if err := in.check(); err != nil {
		return store.Filter{}, err
	}
	near, err := in.circle()
	return store.Filter{
		MinPrice: numberOf(in.MinPrice), MaxPrice: numberOf(in.MaxPrice),
		MinBedrooms: in.MinBedrooms.pointer(), MaxBedrooms: in.MaxBedrooms.pointer(),
		City: in.City, Status: in.Status, Near: near,
	}, err
}

// maxMeters is half way around the Earth, and a little more.
const maxMeters = 20_100_000

// circle is where to look; nil for everywhere.
func (in *searchIn) circle() (*store.Circle, error) {
	switch {
	case in.Near == "" && !in.WithinM.set:
		return nil, nil
	case in.Near == "":
		return nil, invalid("query.near", "is needed with within_m")
	case !in.WithinM.set:
		return nil, invalid("query.within_m", "is needed with near")
	case !(in.WithinM.value > 0 && in.WithinM.value <= maxMeters):
		return nil, invalid("query.within_m", fmt.Sprintf("must be more than 0, and %d at most", maxMeters))
	}
	center, ok := store.ParseLocation(in.Near)
	if !ok {
		return nil, invalid("query.near", "must be a latitude from -90 to 90 and a longitude from -180 to 180, such as 47.6769,-122.2060")
	}
	return &store.Circle{Center: center, Meters: in.WithinM.value}, nil
}
