package events

import (
	"encoding/json"
	"strconv"
	"time"
)

// TypeHeartbeat is the type of a source's word that it lives, though it may have nothing to send. It names no record,
// and ends at ingestion.
const TypeHeartbeat = "reos.source.heartbeat.v1"

// MaxHeartbeatEvery bounds what a source may promise.
const MaxHeartbeatEvery = 7 * 24 * time.Hour

// DecodeHeartbeat reads until when, at the latest, a source wants to send its next heartbeat; 0 = it does not say. The
// data may be left out. The error is a *Rejection.
func DecodeHeartbeat(e Event) (every time.Duration, err error) {
	if len(trimJSONSpace(e.Data)) == 0 {
		return 0, nil
	}
	if err := checkJSON(e.Data); err != nil {
		return 0, err
	}
	var promise struct {
		EverySeconds json.Number `json:"every_seconds"`
	}
	if err := json.Unmarshal(e.Data, &promise); err != nil {
		return 0, Reject(DataNotJSON, "every_seconds", "a whole number", "")
	}
	if promise.EverySeconds == "" {
		return 0, nil
	}
	seconds, err := strconv.ParseInt(promise.EverySeconds.String(), 10, 64)
	every = time.Duration(seconds) * time.Second
	if err != nil || seconds < 1 || seconds > int64(MaxHeartbeatEvery/time.Second) {
		return 0, Reject(DataNotJSON, "every_seconds", "a whole number of seconds from 1 to 604800 (a week)", promise.EverySeconds.String())
	}
	return every, nil
}
