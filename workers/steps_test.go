package workers_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers"
)

// A record that messages of two events name is nobody's in particular: what was read ahead for one may be too old for the other.
func TestWantedNamesARecordOnce(t *testing.T) {
	one, two := uuid.New(), uuid.New()
	about := func(key string, origin uuid.UUID) workers.Message {
		return workers.Message{Step: events.Step{Key: key, Origin: origin}}
	}
	require.Equal(t, []store.Wanted{{Key: "b", Event: one}, {Key: "a"}, {Key: "c", Event: two}},
		workers.Wanted([]workers.Message{about("b", one), about("a", one), about("c", two), about("b", one), about("a", two), about("a", one)}))
}
