package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/events/feed"
)

// The data sets.
const (
	dataGenerated  = "generated"
	dataKingCounty = "King County"
)

// firstVersion is the earliest version of a generated record; later ones follow by the second.
var firstVersion = time.Date(2025, 6, 2, 8, 0, 0, 0, time.UTC)

// generator makes property events, the same from the same seed. They are flawless: each becomes searchable.
type generator struct {
	random *rand.Rand
	seed   uint64
	made   int
}

func newGenerator(seed uint64) *generator {
	return &generator{random: rand.New(rand.NewPCG(seed, 0)), seed: seed}
}

// key names the nth record.
func key(n int) string { return fmt.Sprintf("BN-%07d", n) }

// event makes the next event, which brings a new version of the record.
func (g *generator) event(tenant uuid.UUID, recordKey string) events.Event {
	g.made++
	at := firstVersion.Add(time.Duration(g.made) * time.Second)
	data, err := json.Marshal(g.record(recordKey, at))
	if err != nil { // strings and numbers always marshal
		panic(err)
	}
	return events.Event{
		ID:     uuid.NewSHA1(tenant, fmt.Appendf(nil, "%d/%d", g.seed, g.made)).String(),
		Source: "bench/generated", Type: events.Type(events.Property, events.Upserted), Subject: recordKey, Time: at,
		TenantID: tenant, Data: data,
	}
}

var (
	places = []struct {
		city, county, zip   string
		latitude, longitude float64
	}{
		{"Seattle", "King", "98115", 47.685, -122.281},
		{"Bellevue", "King", "98006", 47.561, -122.155},
		{"Kirkland", "King", "98033", 47.676, -122.192},
		{"Tacoma", "Pierce", "98407", 47.293, -122.506},
		{"Everett", "Snohomish", "98201", 47.985, -122.208},
		{"Olympia", "Thurston", "98501", 47.016, -122.873},
		{"Spokane", "Spokane", "99203", 47.628, -117.411},
		{"Vancouver", "Clark", "98661", 45.641, -122.624},
	}
	streets  = []string{"Alder Ave", "Cedar River Rd", "Hemlock St", "Lake View Dr", "Main St", "Orchard Ln", "Ridge Ct", "Union St"}
	styles   = []string{"Craftsman", "Tudor", "Ranch", "Victorian", "Bungalow", "Cape Cod", "Colonial", "Contemporary"}
	openings = []string{
		"Light-filled %s on a quiet street", "Classic %s close to schools and parks", "Thoughtfully restored %s with room to grow",
		"Inviting %s near the station", "Well kept %s with mountain views",
	}
	features = []string{
		"hardwood floors throughout", "a chef's kitchen with stone counters", "a fenced back yard", "a finished basement",
		"a heat pump and new windows", "a covered deck", "a primary suite with a walk-in closet", "raised vegetable beds",
		"a two-car garage with a workshop", "a wood stove", "skylights over the stairs", "a detached studio", "a mudroom",
		"fresh paint inside and out", "a gas fireplace", "solar panels",
	}
	closings = []string{
		"Minutes from trails, shops and the farmers market.", "New roof and sewer line.", "Open house this weekend.",
		"A short commute to downtown.", "Bring your ideas.",
	}
)

// record is a property as a listing service would send it, of about 1.2 KB as JSON.
func (g *generator) record(recordKey string, at time.Time) map[string]any {
	r := g.random
	place, style := pick(r, places), pick(r, styles)
	bedrooms, half := 1+r.IntN(5), r.IntN(2)
	area := 500 + bedrooms*(260+r.IntN(240))
	price := area * (250 + r.IntN(300)) / 500 * 500
	listed := at.AddDate(0, 0, -r.IntN(60))
	first := r.IntN(len(features))
	remarks := fmt.Sprintf(pick(r, openings), style) + ": " + features[first] + ", " + features[(first+3)%len(features)] +
		" and " + features[(first+7)%len(features)] + ". " + pick(r, closings)
	return map[string]any{
		"ListingKey": recordKey, "ListingId": recordKey, "StandardStatus": "Active",
		"ModificationTimestamp": at.Format(time.RFC3339),
		"PropertyType":          "Residential", "PropertySubType": "Single Family Residence", "ArchitecturalStyle": []string{style},
		"ListPrice": price, "OriginalListPrice": price, "ListingContractDate": listed.Format(time.DateOnly),
		"BedroomsTotal": bedrooms, "BathroomsTotalInteger": 1 + bedrooms/2 + half, "BathroomsFull": 1 + bedrooms/2, "BathroomsHalf": half,
		"LivingArea": area, "LivingAreaUnits": "Square Feet", "LotSizeSquareFeet": (20 + r.IntN(170)) * 100,
		"YearBuilt": 1904 + r.IntN(120), "StoriesTotal": 1 + r.IntN(2),
		"UnparsedAddress": fmt.Sprintf("%d %s, %s, WA %s", 101+r.IntN(9000), pick(r, streets), place.city, place.zip),
		"City":            place.city, "CountyOrParish": place.county, "StateOrProvince": "WA", "PostalCode": place.zip, "Country": "US",
		"Latitude": nearby(r, place.latitude), "Longitude": nearby(r, place.longitude), "PublicRemarks": remarks,
		"WaterfrontYN": false, "PoolPrivateYN": r.IntN(10) == 0, "GarageSpaces": r.IntN(4), "PhotosCount": 6 + r.IntN(34),
		"ListOfficeName": "Cascade Realty",
	}
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// nearby moves a coordinate by up to 200 ten-thousandths either way, and keeps it in four digits.
func nearby(r *rand.Rand, centre float64) float64 {
	return float64(int(centre*10_000)+r.IntN(400)-200) / 10_000
}

// generated makes n messages: of new records, spread over the tenants at random.
func (w *world) generated(g *generator, n int) []events.Outgoing {
	out := make([]events.Outgoing, n)
	for i := range out {
		out[i] = w.outgoing(g.event(pick(g.random, w.tenants).ID, key(g.made)))
	}
	return out
}

// outgoing addresses an event to the intake, one message per event, as upstreams do.
func (w *world) outgoing(event events.Event) events.Outgoing {
	return events.Outgoing{Topic: w.topology.IntakeTopic(event.TenantID, event.Type, false), Message: event.Message()}
}

// kingCounty addresses King County's sales to the world's first tenant.
func (w *world) kingCounty() ([]events.Outgoing, error) {
	sales, err := w.kingCountyEvents()
	out := make([]events.Outgoing, len(sales))
	for i, sale := range sales {
		out[i] = w.outgoing(sale)
	}
	return out, err
}

// kingCountyEvents reads the sales.
func (w *world) kingCountyEvents() ([]events.Event, error) {
	mapping, err := feed.LoadMapping(w.options.Mapping)
	if err != nil {
		return nil, err
	}
	file, err := feed.Open(w.options.KingCounty)
	if err != nil {
		return nil, err
	}
	defer file.Close() // read only: nothing is lost
	var sales []events.Event
	for event, err := range feed.Read(file, feed.CSV, feed.Options{
		Tenant: w.tenants[0].ID, RecordType: events.Property, Source: "bench/king-county", Mapping: mapping,
	}) {
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", w.options.KingCounty, err)
		}
		sales = append(sales, event)
	}
	if len(sales) == 0 {
		return nil, errors.New("no sales in " + w.options.KingCounty)
	}
	return sales, nil
}
