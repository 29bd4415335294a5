package main

import (
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/api"
)

var saidAPI = regexp.MustCompile(`"api":"(http://[^"]+)"`)

// What enters over HTTP goes the whole way through real services, and the API tells of it.
func TestEventsAndFeedsOverHTTPComeToTheirEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env = append(w.env, "API_ADDR=127.0.0.1:0", "API_JWT_SECRET="+testSecret)
	token := strings.TrimSpace(w.ok("token", "--tenant", tenantName, "--role", "publisher,reader"))
	server := w.start("api")
	said := saidAPI.FindStringSubmatch(server.logged())
	require.NotNil(t, said, server.logged())
	call := func(method, path, contentType, body string, into any) int {
		request, err := http.NewRequestWithContext(t.Context(), method, said[1]+path, strings.NewReader(body))
		require.NoError(t, err)
		request.Header = http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {contentType}, "Run-Id": {"over-http"}}
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		defer response.Body.Close()
		answer, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(answer, into), string(answer))
		return response.StatusCode
	}
	home := func(key string) string {
		return `{"ListingKey":"` + key + `","ModificationTimestamp":"2026-01-31T12:00:00Z","StandardStatus":"Active","ListPrice":450000,` +
			`"City":"Kirkland","UnparsedAddress":"12 Lake St, Kirkland, WA 98033","BedroomsTotal":3,"BathroomsTotalInteger":2,"LivingArea":1800,"YearBuilt":1984}`
	}
	var published struct{ Accepted int }
	require.Equal(t, http.StatusAccepted, call(http.MethodPost, "/v1/events", "application/cloudevents+json",
		`{"specversion":"1.0","id":"evt-1","source":"mls/x","type":"reos.property.upserted.v1","data":`+home("K1")+`}`, &published))
	var timeline api.Timeline
	require.Equal(t, http.StatusOK, call(http.MethodGet, "/v1/events/evt-1", "", "", &timeline))
	require.Equal(t, api.EventReceived, timeline.State, "no worker runs yet")
	var run api.RunView
	require.Equal(t, http.StatusAccepted, call(http.MethodPost, "/v1/feeds", "application/x-ndjson", home("K2")+"\n"+home("K3"), &run))
	require.EqualValues(t, 2, run.Published)
	require.Equal(t, http.StatusOK, call(http.MethodGet, "/v1/runs/over-http", "", "", &run))
	require.Zero(t, *run.Percent)

	worker := w.start("worker", "all")
	require.Eventually(t, func() bool {
		require.Equal(t, http.StatusOK, call(http.MethodGet, "/v1/events/evt-1", "", "", &timeline))
		require.Equal(t, http.StatusOK, call(http.MethodGet, "/v1/runs/over-http", "", "", &run))
		return timeline.State == api.EventDone && run.State == "done"
	}, time.Minute, 100*time.Millisecond)
	require.Equal(t, "searchable", timeline.Timeline[len(timeline.Timeline)-1].What)
	require.EqualValues(t, 3, run.Events.Accepted, "the single event names the run as well")
	worker.stop()
	server.stop()
}
