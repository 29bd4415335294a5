package events_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

func TestHeartbeatMayPromiseTheNext(t *testing.T) {
	for data, every := range map[string]time.Duration{
		"": 0, " \n": 0, "{}": 0, `{"every_seconds": null}`: 0, `{"every_seconds": 300, "host": "a"}`: 5 * time.Minute,
		`{"every_seconds": 604800}`: 7 * 24 * time.Hour,
	} {
		got, err := events.DecodeHeartbeat(events.Event{Type: events.TypeHeartbeat, Data: []byte(data)})
		require.NoError(t, err, data)
		require.Equal(t, every, got, data)
	}
}

func TestHeartbeatThatPromisesNonsenseIsRejected(t *testing.T) {
	for data, reason := range map[string]events.Reason{
		`[]`: events.DataNotJSON, `{`: events.DataNotJSON, `{"every_seconds": 0}`: events.DataNotJSON, `{"every_seconds": -1}`: events.DataNotJSON,
		`{"every_seconds": 604801}`: events.DataNotJSON, `{"every_seconds": 1.5}`: events.DataNotJSON, `{"every_seconds": true}`: events.DataNotJSON,
		`{"every_seconds": 99999999999999999999}`: events.DataNotJSON, "{\"a\": \"\\u0000\"}": events.DataHasNUL,
	} {
		_, err := events.DecodeHeartbeat(events.Event{Type: events.TypeHeartbeat, Data: []byte(data)})
		var rejection *events.Rejection
		require.ErrorAs(t, err, &rejection, data)
		require.Equal(t, reason, rejection.Reason, data)
	}
}
