package ingestion

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/workers"
)

// remade makes of an arrival one that is made from another event's bytes.
func remade(a arrival, of arrival) arrival {
	a.message.Raw = workers.Remade(events.DefaultTopology(), a.message.Event, of.uid).Message
	return newArrival(0, a.message, a.record)
}

func TestInvariant3TheSameVersionReplacesOnlyWhatItWasMadeFrom(t *testing.T) {
	known := unknown()
	first := at("1", "A", 1, 100)
	apply(known, decide([]arrival{first}, known).plan)

	again := remade(at("2", "A", 1, 120), first)
	d := decide([]arrival{again}, known)
	require.Equal(t, events.Done, d.results[0].Outcome)
	require.Len(t, d.results[0].Outputs, 1)
	require.Len(t, d.plan.Records, 1)
	require.Equal(t, first.uid, d.plan.Records[0].RemadeOf)
	require.Len(t, d.plan.Archived, 1, "its bytes are kept as every event's are")

	for name, other := range map[string]arrival{
		"of another event":           remade(at("3", "A", 1, 130), at("9", "A", 1, 1)),
		"that says nothing":          at("3", "A", 1, 130),
		"that only names its cause":  caused(at("3", "A", 1, 130), first),
		"of an older version's time": remade(at("3", "A", 0, 130), first),
	} {
		d := decide([]arrival{other}, known)
		require.Equal(t, events.Stale, d.results[0].Outcome, name)
		require.Empty(t, d.plan.Records, name)
	}
	newer := remade(at("4", "A", 2, 140), first)
	require.Len(t, decide([]arrival{newer}, known).plan.Records, 1, "a newer version is a newer version")

	apply(known, d.plan)
	d = decide([]arrival{again}, known)
	require.Empty(t, d.plan.Records, "Invariant 2: a redelivery changes nothing")
	require.Len(t, d.results[0].Outputs, 1, "and is forwarded again")
	d = decide([]arrival{remade(at("5", "A", 1, 150), first)}, known)
	require.Equal(t, events.VersionDuplicate, d.results[0].Reason, "it was made anew already, by another run")
}

func TestInvariant3ANewerVersionOvertakesOneThatIsMadeAnew(t *testing.T) {
	known := unknown()
	first := at("1", "A", 1, 100)
	apply(known, decide([]arrival{first}, known).plan)
	d := decide([]arrival{remade(at("2", "A", 1, 120), first), at("3", "A", 2, 130)}, known)
	require.Equal(t, events.Superseded, d.results[0].Reason)
	require.Len(t, d.plan.Records, 1)
	require.Equal(t, uuid.Nil, d.plan.Records[0].RemadeOf)
	require.JSONEq(t, `{"ListPrice":120}`, string(d.plan.Records[0].Prior))
}

// caused is an upstream's event that claims another as its cause.
func caused(a, by arrival) arrival {
	a.message.Event.CausationID = by.uid.String()
	return newArrival(0, a.message, a.record)
}
