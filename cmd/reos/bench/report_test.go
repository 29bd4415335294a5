package bench

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestThePeersLineIsRead(t *testing.T) {
	const line = `{"peer":"watermill-router","events":1000,"handlers_per_stage":16,"offered_per_s":0,"events_per_s":500,` +
		`"latency_p50_ms":7.5,"latency_p99_ms":11}` + "\n"
	var saturated, paced Run
	require.NoError(t, saturated.readPeer(line, 1000, 0))
	require.Equal(t, Run{Events: 1000, Seconds: 2, EventsPerSecond: 500}, saturated, "at saturation latency is time in queues")
	require.NoError(t, paced.readPeer(line, 1000, 50))
	require.Equal(t, &Latency{Samples: 1000, P50: 7.5, P99: 11}, paced.Latency)
	require.ErrorContains(t, new(Run).readPeer("panic", 1, 0), `"panic"`)
	require.Error(t, new(Run).readPeer("{}", 1, 0))
}

func TestRatesAreOfRunsThatAreAlike(t *testing.T) {
	r := Report{Runs: []Run{
		{Scenario: "saturation", Of: ofReos, Data: dataGenerated, EventsPerSecond: 1},
		{Scenario: "saturation", Of: ofPeer, Data: dataGenerated, EventsPerSecond: 2},
		{Scenario: "control", Of: ofReos, Data: dataGenerated, EventsPerSecond: 3},
		{Scenario: "saturation", Of: ofReos, Data: dataKingCounty, EventsPerSecond: 4},
		{Scenario: "saturation", Of: ofReos, Data: dataGenerated, EventsPerSecond: 5},
	}}
	require.Equal(t, []float64{1, 5}, r.rates("saturation", ofReos, "", dataGenerated))
}

func TestTheTableTellsEverything(t *testing.T) {
	r := Report{
		Machine: Machine{CPU: "Abacus", Cores: 2}, Commit: "abc", Versions: map[string]string{"Go": "1.26"},
		Runs: []Run{
			{
				Scenario: "saturation", Of: ofReos, Data: dataGenerated, Events: 10, EventsPerSecond: 1234,
				CPU: map[string]float64{cpuBroker: 0.25, cpuWorker: 0.5},
			},
			{
				Scenario: "saturation", Of: ofReos, Data: dataGenerated, Events: 10, EventsPerSecond: 1234,
				CPU: map[string]float64{cpuBroker: 0.75, cpuWorker: 0.5},
			},
			{Scenario: "latency", Of: ofPeer, Data: dataGenerated, Latency: &Latency{P50: 7, P99: 11}},
		},
		Findings: []Finding{Finding{Name: "speed", Value: 4, Unit: "×"}.atLeast(5)},
		Notes:    []string{"no abacus"},
	}
	var out strings.Builder
	r.Table(&out)
	for _, says := range []string{
		"Abacus, 2 cores", "reos abc, Go 1.26", "1234", "7.0\t-\t11.0\t-", "saturation\treos\t\tgenerated\t-\t0.500\t-\t-\t-\t0.500\t-\t1.000",
		"speed\t4 ×\t\t≥ 5\tNOT MET", "no abacus",
	} {
		require.Contains(t, out.String(), says)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	require.NoError(t, Options{Sizes: FullSizes()}.Check())
	require.NoError(t, Options{Sizes: QuickSizes(), Scenarios: Names()}.Check())
	require.ErrorContains(t, Options{Sizes: FullSizes(), Scenarios: []string{"speed"}}.Check(), "must be one of saturation")
	require.ErrorContains(t, Options{}.Check(), "must be 1 or more")
	_, err := withPath("hunter2", "x")
	require.Error(t, err)
	require.NotContains(t, err.Error(), "hunter2")
}
