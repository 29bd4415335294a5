package api_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/store"
)

// searchAnswer is what a search answers.
type searchAnswer struct {
	Query string
	Hits  []struct {
		Key       string
		Score     float64
		VersionAt string `json:"version_at"`
		Payload   map[string]any
		DistanceM *float64 `json:"distance_m"`
	}
}

func (a searchAnswer) keys() string {
	keys := make([]string, len(a.Hits))
	for i, hit := range a.Hits {
		keys[i] = hit.Key
	}
	return strings.Join(keys, " ")
}

func search(who *client, query string, more ...string) *answer {
	return who.get("/v1/search?q=" + url.QueryEscape(query) + strings.Join(more, ""))
}

func TestSearchFindsProperties(t *testing.T) {
	t.Parallel()
	r := newReading(t)
	r.publish(r.publisher, upserted, "near", home("near", "Kirkland", "Active", "450000.25", 3, 47.6769, -122.2060))
	r.publish(r.publisher, upserted, "far", strings.Replace(home("far", "Redmond", "Pending", "2345678.91", 5, 47.6740, -122.1215), "Craftsman with a view", "Loft", 1))
	r.publish(r.publisher, upserted, "broken", strings.Replace(home("broken", "Kirkland", "Active", "450000", 3, 47.6769, -122.2060), `"ListPrice":450000`, `"ListPrice":-1`, 1))
	r.publish(r.as(r.other, auth.Publisher), upserted, "theirs", home("theirs", "Kirkland", "Active", "450000", 3, 47.6769, -122.2060))
	r.work()

	var found searchAnswer
	body := string(search(r.reader, "craftsman with a view").ok(&found).body)
	require.Equal(t, "near far", found.keys(), "the best first; the quarantined and the other tenant's are not found")
	require.Greater(t, found.Hits[0].Score, found.Hits[1].Score)
	require.Contains(t, body, `"list_price":450000.25`)
	require.Contains(t, body, `"list_price":2345678.91`, "no cent is rounded")
	require.Equal(t, "12 Lake St, Kirkland, WA 98033", found.Hits[0].Payload["address"])
	require.NotEmpty(t, found.Hits[0].VersionAt)
	require.Nil(t, found.Hits[0].DistanceM)

	for filter, want := range map[string]string{
		"&limit=1": "near", "&city=Redmond": "far", "&status=Pending": "far", "&max_price=450000.25": "near", "&max_price=450000.24": "",
		"&min_price=450000.26": "far", "&min_bedrooms=4": "far", "&max_bedrooms=3&min_bedrooms=3": "near", "&city=redmond": "",
		"&near=47.6769,-122.2060&within_m=100": "near", "&near=47.68,%20-122.16&within_m=10000": "near far", "&near=0,0&within_m=1000": "",
	} {
		var narrowed searchAnswer
		search(r.reader, "craftsman with a view", filter).ok(&narrowed)
		require.Equal(t, want, narrowed.keys(), filter)
		for _, hit := range narrowed.Hits {
			require.Equal(t, strings.Contains(filter, "near="), hit.DistanceM != nil, filter)
		}
	}
	search(r.reader, "home", "&near=47.6769,-122.2060&within_m=20000").ok(&found)
	for _, hit := range found.Hits {
		want := map[string]float64{"near": 0, "far": 6_336}[hit.Key]
		require.InDelta(t, want, *hit.DistanceM, 10)
	}
	families, err := r.registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		if family.GetName() == "reos_vector_search_seconds" {
			require.Positive(t, family.GetMetric()[0].GetHistogram().GetSampleCount())
			return
		}
	}
	require.Fail(t, "the search's SLI is missing")
}

func TestSearchNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	r := newReading(t)
	for query, field := range map[string]string{
		"": "query.q", "?q=": "query.q", "?q=%20%09": "query.q", "?q=" + strings.Repeat("x", 1001): "query.q",
		"?q=a&limit=0": "query.limit", "?q=a&limit=101": "query.limit", "?q=a&limit=ten": "query.limit",
		"?q=a&near=47,-122": "query.within_m", "?q=a&within_m=10": "query.near", "?q=a&near=47&within_m=1": "query.near",
		"?q=a&near=91,0&within_m=1": "query.near", "?q=a&near=0,181&within_m=1": "query.near", "?q=a&near=NaN,0&within_m=1": "query.near",
		"?q=a&near=1,2,3&within_m=1": "query.near", "?q=a&near=1,2&within_m=0": "query.within_m", "?q=a&near=1,2&within_m=-1": "query.within_m",
		"?q=a&near=1,2&within_m=NaN": "query.within_m", "?q=a&near=1,2&within_m=1e99": "query.within_m", "?q=a&near=1,2&within_m=far": "query.within_m",
		"?q=a&min_price=-1": "query.min_price", "?q=a&min_price=1.005": "query.min_price", "?q=a&max_price=1e3": "query.max_price",
		"?q=a&min_price=2&max_price=1.99": "query.max_price", "?q=a&min_bedrooms=3&max_bedrooms=2": "query.max_bedrooms",
		"?q=a&min_bedrooms=-1": "query.min_bedrooms", "?q=a&colour=red": "query.colour", "?q=a&city=" + strings.Repeat("x", 256): "query.city",
	} {
		document := r.reader.get("/v1/search"+query).problem(http.StatusUnprocessableEntity, api.ProblemInvalid)
		require.NotEmpty(t, document.Errors, query)
		require.Equal(t, field, document.Errors[0].Location, query)
	}
	r.as(r.id, auth.Publisher).get("/v1/search?q=a").problem(http.StatusForbidden, api.ProblemForbidden)
	r.reader.get("/v1/search?q=a&tenant="+r.other.String()).problem(http.StatusForbidden, api.ProblemForbidden)
	r.platform(auth.Reader).get("/v1/search?q=a&tenant=" + r.id.String()).ok(nil)
}

// downPoints cannot work.
type downPoints struct{ err error }

func (d downPoints) Search(context.Context, store.Query) ([]store.Hit, error) { return nil, d.err }

func TestSearchWhileTheVectorStoreIsAway(t *testing.T) {
	t.Parallel()
	for err, status := range map[error]int{store.ErrUnavailable: http.StatusServiceUnavailable, errors.New("secret"): http.StatusInternalServerError} {
		r := newReading(t, func(_ *api.Config, parts *api.Parts) {
			parts.Points = func(uuid.UUID) api.Points { return downPoints{err} }
		})
		answer := r.reader.get("/v1/search?q=a")
		require.Equal(t, status, answer.status)
		require.NotContains(t, string(answer.body), "secret")
	}
}
