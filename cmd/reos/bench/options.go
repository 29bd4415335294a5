package bench

import (
	"fmt"
	"slices"
	"strings"

	"github.com/codybias9/real-estate-os/events/rabbitmq"
	"github.com/codybias9/real-estate-os/store/objects"
	"github.com/codybias9/real-estate-os/store/postgres"
	"github.com/codybias9/real-estate-os/store/qdrant"
)

// Options is what to measure, and on which servers.
type Options struct {
	RabbitMQ rabbitmq.Config
	Postgres postgres.Config // AdminURL must be a superuser's: it makes databases and sees all tenants' rows
	Objects  objects.Config
	Qdrant   qdrant.Config // without a URL, each world starts the embedded vector store as a process of its own

	Namespace  string   // begins the names of all that is made
	Binary     string   // reos itself
	Peer       string   // the baseline's binary; empty leaves it out
	Scenarios  []string // names, in order; see Names
	Sizes      Sizes
	KingCounty string // CSV file of King County's sales; empty leaves these data out
	Mapping    string // of that file
	CPUProfile string // file for a profile of the first saturated worker; empty takes none
	Seed       uint64 // of generated data

	Say func(format string, args ...any) // tells a person what happens
}

// Sizes is how much each scenario does.
type Sizes struct {
	Pairs           int   `json:"pairs"`            // alternations of reos and its baseline, and of reos with itself
	Events          int   `json:"events"`           // of a saturated run with generated data
	PeerEvents      int   `json:"peer_events"`      // of a saturated run of the baseline
	LatencySeconds  int   `json:"latency_seconds"`  // of a paced run
	FairnessBacklog int   `json:"fairness_backlog"` // of tenant A
	IdleSeconds     int   `json:"idle_seconds"`     // for which tenant B is measured alone
	Stored          []int `json:"stored"`           // records before a run of growth
	Tenants         []int `json:"tenants"`          // of a run of growth
	Backlogs        []int `json:"backlogs"`         // messages before a run of memory
	MemoryEvents    int   `json:"memory_events"`    // worked off while memory is watched
	FeedMiB         int   `json:"feed_mib"`         // of one feed over HTTP
	Searches        int   `json:"searches"`         // of each kind
	PublisherWindow int   `json:"publisher_window"` // messages of one publisher that await their confirms
	Publishers      int   `json:"publishers"`       // side by side, saturated
	PeerHandlers    int   `json:"peer_handlers"`    // per stage; 16 is its best
	LatencyRate     int   `json:"latency_rate"`     // events per second offered
	FairnessRate    int   `json:"fairness_rate"`    // events per second of tenant B
}

// FullSizes take about half an hour on two cores.
func FullSizes() Sizes {
	return Sizes{
		Pairs: 3, Events: 20_000, PeerEvents: 6_000, LatencySeconds: 30,
		FairnessBacklog: 50_000, IdleSeconds: 20,
		Stored: []int{20_000, 500_000}, Tenants: []int{1, 10, 1_000},
		Backlogs: []int{20_000, 500_000}, MemoryEvents: 20_000, FeedMiB: 1024, Searches: 800,
		PublisherWindow: 500, Publishers: 2, PeerHandlers: 16, LatencyRate: 50, FairnessRate: 20,
	}
}

// QuickSizes take a few minutes: enough to see that everything works, too little to compare.
func QuickSizes() Sizes {
	s := FullSizes()
	s.Pairs, s.Events, s.PeerEvents, s.LatencySeconds = 1, 5_000, 1_500, 5
	s.FairnessBacklog, s.IdleSeconds = 5_000, 5
	s.Stored, s.Tenants = []int{2_000, 20_000}, []int{1, 10, 100}
	s.Backlogs, s.MemoryEvents, s.FeedMiB = []int{2_000, 20_000}, 2_000, 16
	s.Searches = 40
	return s
}

// Names lists the scenarios in the order in which they run.
func Names() []string {
	names := make([]string, len(scenarios))
	for i, s := range scenarios {
		names[i] = s.name
	}
	return names
}

// Check refuses options that cannot work; its errors are the user's.
func (o Options) Check() error {
	for _, name := range o.Scenarios {
		if !slices.Contains(Names(), name) {
			return fmt.Errorf("no scenario %q: must be one of %s", name, strings.Join(Names(), ", "))
		}
	}
	for name, n := range map[string]int{
		"pairs": o.Sizes.Pairs, "events": o.Sizes.Events, "peer-events": o.Sizes.PeerEvents,
	} {
		if n < 1 {
			return fmt.Errorf("--%s must be 1 or more, got %d", name, n)
		}
	}
	return nil
}
