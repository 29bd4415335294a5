package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/store"
)

func TestPayloadMatches(t *testing.T) {
	flat := store.DeadLetter{Payload: []byte(`{"City":"Łódź","ListPrice":450000.50,"New":true,"Gone":null,"Media":[{"Order":0},{"Order":1}],"a":{}}`)}
	structured := store.DeadLetter{
		Headers: map[string]string{"content-type": "application/cloudevents+json"},
		Payload: []byte(`{"specversion":"1.0","id":"i","source":"s","type":"t","tenantid":"aaaaaaaa-0000-4000-8000-000000000001","data":{"City":"Kirkland"}}`),
	}
	for text, want := range map[string]bool{
		"City=Łódź": true, "City": true, "City=Lodz": false, "City.x": false, "Nothing": false, "ListPrice=450000.50": true, "ListPrice=450000.5": false,
		"New=true": true, "Gone=null": true, "Media.1.Order=1": true, "Media.2.Order": false, "Media.-1": false, "Media.x": false,
		"a": true, "a=": false, "a={}": false,
	} {
		match, ok := store.ParsePayloadMatch(text)
		require.True(t, ok, text)
		require.Equal(t, want, match.Matches(flat), text)
	}
	inside, _ := store.ParsePayloadMatch("City=Kirkland")
	require.True(t, inside.Matches(structured), "the event's data, in whatever mode it came")
	require.False(t, inside.Matches(store.DeadLetter{Payload: []byte("\xff")}))
	for _, text := range []string{"", "=x"} {
		_, ok := store.ParsePayloadMatch(text)
		require.False(t, ok, text)
	}
}

func TestAGroupsStory(t *testing.T) {
	g := store.LetterGroup{Reason: "data_not_json", Pattern: `data_not_json: message must be one JSON object`, Replayed: 3, Discarded: 1, FirstAt: time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)}
	require.Equal(t, "None open, 3 replayed and 1 discarded, since 2026-01-02 12:00, all at the broker: data_not_json: message must be one JSON object", g.Story())
}
