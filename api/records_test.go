package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/workers"
)

// recordPage is a page of a listing.
type recordPage struct {
	Items []struct {
		Key       string
		EventUID  string          `json:"event_uid"`
		VersionAt time.Time       `json:"version_at"`
		UpdatedAt time.Time       `json:"updated_at"`
		ListPrice json.RawMessage `json:"list_price"`
		Deleted   bool
		Verdict   string
		City      string
		Status    string
		Bedrooms  *int
		Record    map[string]json.RawMessage
	}
	Next string
}

// recordView is a record with all that is known of it.
type recordView struct {
	Type, Key string
	EventUID  string `json:"event_uid"`
	Deleted   bool
	Record    json.RawMessage
	Faults    []struct{ Field, Must, Observed string }
	Verdict   *struct {
		Verdict, Suite string
		Current        bool
		Failures       []struct{ Expectation, Severity, Field string }
	}
	Index *struct {
		Searchable, Current bool
	}
	History historyPage
}

type historyPage struct {
	Items []struct {
		EventUID string `json:"event_uid"`
		Type     string
		Outcome  string
		Waiting  string
		Reason   string
	}
	Next string
}

// walk reads a listing to its end and returns the keys.
func walk(t *testing.T, who *client, address string) (keys []string) {
	t.Helper()
	next := ""
	for {
		var page recordPage
		who.get(address + next).ok(&page)
		for _, item := range page.Items {
			keys = append(keys, item.Key)
		}
		if page.Next == "" {
			return keys
		}
		next = "&cursor=" + url.QueryEscape(page.Next)
	}
}

func TestPropertiesAreListed(t *testing.T) {
	t.Parallel()
	r := newReading(t)
	r.publish(r.publisher, upserted, "a", home("a", "Kirkland", "Active", "450000.25", 3, 47, -122))
	r.publish(r.publisher, upserted, "b", home("b", "Redmond", "Pending", "2345678.91", 5, 47, -122))
	r.publish(r.publisher, upserted, "c", strings.Replace(home("c", "Kirkland", "Active", "450000", 2, 47, -122), `450000`, `-1`, 1))
	r.publish(r.publisher, upserted, "d", home("d", "Kirkland", "Active", "1", 1, 47, -122))
	r.publish(r.as(r.other, auth.Publisher), upserted, "theirs", home("theirs", "Kirkland", "Active", "450000", 3, 47, -122))
	r.work()
	r.publish(r.publisher, deleted, "d", "")
	r.work()

	var page recordPage
	body := string(r.reader.get("/v1/properties").ok(&page).body)
	require.Len(t, page.Items, 3)
	require.Empty(t, page.Next)
	first := page.Items[0]
	require.Equal(t, "450000.25", string(first.ListPrice))
	require.Equal(t, "2345678.91", string(page.Items[1].ListPrice), "no cent is rounded")
	require.Equal(t, []string{"passed", "passed", "quarantined"}, []string{first.Verdict, page.Items[1].Verdict, page.Items[2].Verdict})
	require.Equal(t, "Kirkland Active", first.City+" "+first.Status)
	require.Equal(t, 3, *first.Bedrooms)
	require.Nil(t, first.Record)
	require.Contains(t, body, `"version_at":"20`)
	require.Equal(t, time.UTC, first.UpdatedAt.Location())

	r.reader.get("/v1/properties?with_record=true").ok(&page)
	require.Equal(t, "450000.25", string(page.Items[0].Record["ListPrice"]))

	hour := time.Hour
	for query, want := range map[string]string{
		"deleted=include": "a b c d", "deleted=only": "d", "city=Kirkland": "a c", "status=Pending": "b", "quarantined=true": "c", "quarantined=false": "a b",
		"min_price=450000.25": "a b", "max_price=450000.25": "a c", "min_price=450000.26": "b", "min_bedrooms=3": "a b", "max_bedrooms=2": "c",
		"updated_since=" + url.QueryEscape(time.Now().Add(-hour).Format(time.RFC3339)): "a b c",
		"updated_since=" + url.QueryEscape(time.Now().Add(hour).Format(time.RFC3339)):  "",
	} {
		for _, limit := range []int{1, 500} {
			require.Equal(t, want, strings.Join(walk(t, r.reader, fmt.Sprintf("/v1/properties?%s&limit=%d", query, limit)), " "), query)
		}
	}
	require.Equal(t, []string{"a", "b", "c"}, walk(t, r.reader, "/v1/records/property?limit=2"))
	require.Empty(t, walk(t, r.reader, "/v1/records/lease?limit=2"))
}

func TestListingsNameWhatIsWrong(t *testing.T) {
	t.Parallel()
	r := newReading(t)
	for address, field := range map[string]string{
		"/v1/properties?limit=0": "query.limit", "/v1/properties?limit=501": "query.limit", "/v1/properties?cursor=!": "query.cursor",
		"/v1/properties?cursor=bm9uc2Vuc2U": "query.cursor", "/v1/properties?cursor=eyJhZnRlciI6Ilx1MDAwMCJ9": "query.cursor", // {"after":"\u0000"}
		"/v1/properties?cursor=e30": "query.cursor", "/v1/properties?deleted=yes": "query.deleted", "/v1/properties?quarantined=1": "query.quarantined",
		"/v1/properties?updated_since=today": "query.updated_since", "/v1/properties?min_price=a": "query.min_price",
		"/v1/properties?min_price=2&max_price=1": "query.max_price", "/v1/records/house": "path.type", "/v1/records/lease?city=x": "query.city",
		"/v1/properties/k/history?cursor=x": "query.cursor", "/v1/properties/k/raw?event=x": "query.event", "/v1/records/house/k": "path.type",
		"/v1/properties/k/raw?event=00000000-0000-0000-0000-000000000000": "query.event",
	} {
		document := r.reader.get(address).problem(http.StatusUnprocessableEntity, api.ProblemInvalid)
		require.NotEmpty(t, document.Errors, address)
		require.Equal(t, field, document.Errors[0].Location, address)
	}
	for _, address := range []string{"/v1/properties", "/v1/properties/k", "/v1/properties/k/raw", "/v1/properties/k/history", "/v1/records/lease", "/v1/records/lease/k"} {
		r.as(r.id, auth.Publisher).get(address).problem(http.StatusForbidden, api.ProblemForbidden)
	}
}

func TestARecordIsShownWithAllThatIsKnown(t *testing.T) {
	t.Parallel()
	r := newReading(t)
	first := r.publish(r.publisher, upserted, "a", home("a", "Kirkland", "Active", "450000.25", 3, 47.6769, -122.2060))
	r.work()
	var view recordView
	r.reader.get("/v1/properties/a").ok(&view)
	require.Equal(t, "property a", view.Type+" "+view.Key)
	require.Equal(t, first, view.EventUID)
	require.Contains(t, string(view.Record), `"ListPrice":450000.25`)
	require.Equal(t, "passed", view.Verdict.Verdict)
	require.True(t, view.Verdict.Current)
	require.True(t, view.Index.Searchable)
	require.True(t, view.Index.Current)
	require.Len(t, view.History.Items, 1)
	require.Equal(t, "done", view.History.Items[0].Outcome)

	broken := strings.Replace(home("a", "Kirkland", "Active", "450000", 3, 47.6769, -122.2060), `"YearBuilt":1987`, `"YearBuilt":"old"`, 1)
	second := r.publish(r.publisher, upserted, "a", broken)
	r.work()
	r.reader.get("/v1/properties/a").ok(&view)
	require.Equal(t, second, view.EventUID)
	require.Equal(t, "YearBuilt", view.Faults[0].Field)
	require.Equal(t, "quarantined", view.Verdict.Verdict)
	require.NotEmpty(t, view.Verdict.Failures)
	require.False(t, view.Index.Searchable)
	require.Equal(t, []string{second, first}, []string{view.History.Items[0].EventUID, view.History.Items[1].EventUID})

	third := r.publish(r.publisher, deleted, "a", "")
	r.work()
	view = recordView{}
	r.reader.get("/v1/properties/a").ok(&view)
	require.True(t, view.Deleted)
	require.Equal(t, "null", string(view.Record))
	require.False(t, view.Verdict.Current)

	var pages []string
	for next := ""; ; {
		var page historyPage
		r.reader.get("/v1/properties/a/history?limit=2" + next).ok(&page)
		for _, item := range page.Items {
			pages = append(pages, item.EventUID)
		}
		if page.Next == "" {
			break
		}
		next = "&cursor=" + page.Next
	}
	require.Equal(t, []string{third, second, first}, pages)

	raw := r.reader.get("/v1/properties/a/raw?event=" + second).ok(nil)
	require.Equal(t, broken, string(raw.body), "byte by byte")
	require.Equal(t, "application/json", raw.header.Get("Content-Type"))
	require.Empty(t, r.reader.get("/v1/properties/a/raw").ok(nil).body, "the delete came without data")
	require.Equal(t, first, r.reader.get("/v1/records/property/a/raw?event="+first).ok(nil).header.Get("Event-Uid"))
	for _, event := range []string{uuid.NewString(), r.publish(r.publisher, upserted, "b", home("b", "x", "Active", "1", 1, 0, 0))} {
		r.work()
		r.reader.get("/v1/properties/a/raw?event="+event).problem(http.StatusNotFound, api.ProblemNotFound)
	}
}

func TestRawKeepsTheEnvelopeOfStructuredMode(t *testing.T) {
	t.Parallel()
	r := newReading(t)
	envelope := cloudEvent("e-1", home("s", "Kirkland", "Active", "1", 1, 47, -122), `"time":"2026-01-31T12:00:00Z"`, `"tenantid":"`+r.id.String()+`"`)
	msg := message.NewMessage("e-1", []byte(envelope))
	msg.Metadata.Set(events.MetaContentType, structuredType)
	e, err := events.Decode(msg)
	require.NoError(t, err)
	_, err = r.stages[events.Ingestion].Process(t.Context(), r.id, []workers.Message{{Delivery: workers.Delivery{Raw: msg, Lane: "a"}, Tenant: r.id, Event: e}})
	require.NoError(t, err)
	raw := r.reader.get("/v1/properties/s/raw").ok(nil)
	require.Equal(t, envelope, string(raw.body))
	require.Equal(t, structuredType, raw.header.Get("Content-Type"))
}

func TestOtherRecordsAreShown(t *testing.T) {
	t.Parallel()
	r := newReading(t)
	r.publish(r.publisher, "reos.lease.upserted.v1", "L/1", `{"LeaseKey":"L/1","LeaseAmount":2450.5,"LeaseStartDate":"2026-04-01","ListingKey":"a"}`)
	r.work()
	var view recordView
	r.reader.get(path("/v1/records/lease/", "L/1")).ok(&view)
	require.Contains(t, string(view.Record), `"LeaseAmount":2450.5`)
	require.Equal(t, "passed", view.Verdict.Verdict)
	require.Nil(t, view.Index)
	require.Equal(t, []string{"L/1"}, walk(t, r.reader, "/v1/records/lease?limit=1"))
	r.reader.get(path("/v1/records/offer/", "L/1")).problem(http.StatusNotFound, api.ProblemNotFound)
	r.reader.get(path("/v1/properties/", "L/1")).problem(http.StatusNotFound, api.ProblemNotFound)
}

func TestKeysOfAllSortsAreFound(t *testing.T) {
	t.Parallel()
	r := newReading(t)
	keys := []string{
		"a/b", "/a", "a/", "a//b", "//", "raw", "history", "a/raw", "%2F", "a%2Fb", "a?b=c&d", "a#b", "a b", "a+b", `a"b'c`, "<a>", "a;b", "a,b",
		"a\\b", "Łódź", "東京 🏠", "e\u0301", "é", "...", "a..b", ".a", strings.Repeat("🏠", 63) + "abc", "{key}", "*", "null", "a:b@c", "cursor=x",
		"\u202e", "' OR 1=1 --",
	}
	for _, key := range keys {
		encoded, err := json.Marshal(key)
		require.NoError(t, err)
		r.publish(r.publisher, upserted, key, strings.Replace(home("K", "Kirkland", "Active", "1", 1, 47, -122), `"K"`, string(encoded), 1))
	}
	r.work()
	for _, key := range keys {
		var view recordView
		answer := r.reader.get(path("/v1/properties/", key))
		require.Equal(t, http.StatusOK, answer.status, "%q: %s", key, answer.body)
		answer.ok(&view)
		require.Equal(t, key, view.Key)
		r.reader.get(path("/v1/properties/", key, "/raw")).ok(nil)
		r.reader.get(path("/v1/records/property/", key, "/history?limit=1")).ok(nil)
		r.stranger.get(path("/v1/properties/", key)).problem(http.StatusNotFound, api.ProblemNotFound)
	}
	slices.Sort(keys)
	require.Equal(t, keys, walk(t, r.reader, "/v1/properties?limit=3"), "cursors carry any key")
	for _, none := range []string{strings.Repeat("x", 256), "nobody", " a/b"} {
		r.reader.get(path("/v1/properties/", none)).problem(http.StatusNotFound, api.ProblemNotFound)
	}
}

func TestInvariant4RecordsOfAnotherTenantAreNotFound(t *testing.T) {
	t.Parallel()
	r := newReading(t)
	event := r.publish(r.publisher, upserted, "secret/key", home("secret/key", "Kirkland", "Active", "450000", 3, 47, -122))
	r.publish(r.publisher, upserted, "secret/key", home("secret/key", "Kirkland", "Active", "450001", 3, 47, -122))
	r.publish(r.publisher, upserted, "zzz", home("zzz", "Kirkland", "Active", "450000", 3, 47, -122))
	r.work()
	key := path("", "secret/key")
	for name, address := range map[string]string{
		"the record": "/v1/properties/" + key, "as a record": "/v1/records/property/" + key, "its history": "/v1/properties/" + key + "/history",
		"its raw bytes": "/v1/properties/" + key + "/raw", "raw, by event": "/v1/properties/" + key + "/raw?event=" + event,
		"encoded twice": "/v1/properties/" + strings.ReplaceAll(key, "%", "%25"), "by the tenant in the path": "/v1/properties/" + r.id.String() + "%2F" + key,
	} {
		r.stranger.get(address).problem(http.StatusNotFound, api.ProblemNotFound)
		t.Log(name)
	}
	for name, address := range map[string]string{
		"naming the tenant": "/v1/properties?tenant=" + r.id.String(), "a record of it": "/v1/properties/" + key + "?tenant=" + r.id.String(),
		"its raw bytes": "/v1/properties/" + key + "/raw?tenant=" + r.id.String(), "a search": "/v1/search?q=a&tenant=" + r.id.String(),
	} {
		r.stranger.get(address).problem(http.StatusForbidden, api.ProblemForbidden)
		t.Log(name)
	}
	for _, listing := range []string{"/v1/properties", "/v1/records/property", "/v1/properties?deleted=include&with_record=true", "/v1/search?q=craftsman"} {
		require.NotContains(t, string(r.stranger.get(listing).ok(nil).body), "secret", listing)
	}

	var mine recordPage
	r.reader.get("/v1/properties?limit=1").ok(&mine)
	require.NotEmpty(t, mine.Next)
	var theirs recordPage
	r.stranger.get("/v1/properties?cursor=" + mine.Next).ok(&theirs)
	require.Empty(t, theirs.Items, "a cursor is a place in one's own listing")
	var history historyPage
	r.reader.get("/v1/properties/" + key + "/history?limit=1").ok(&history)
	r.stranger.get("/v1/properties/"+key+"/history?cursor="+history.Next).problem(http.StatusNotFound, api.ProblemNotFound)

	r.publish(r.as(r.other, auth.Publisher), upserted, "secret/key", home("secret/key", "Elsewhere", "Active", "1", 1, 0, 0))
	r.work()
	var view recordView
	r.stranger.get("/v1/properties/" + key).ok(&view)
	require.Contains(t, string(view.Record), "Elsewhere", "the same key is another record")
	r.stranger.get("/v1/properties/"+key+"/raw?event="+event).problem(http.StatusNotFound, api.ProblemNotFound)
	r.stranger.get("/v1/properties/" + key + "/history?cursor=" + history.Next).ok(&history)
	for _, item := range history.Items {
		require.NotEqual(t, event, item.EventUID)
	}
}
