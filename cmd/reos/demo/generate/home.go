package main

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/google/uuid"
)

// home is a property and what has been published about it.
type home struct {
	feed     *feed
	agency   *agency
	key      string
	record   map[string]any
	at       time.Time // its version
	sequence int
	sent     script
}

// firstListing is the day that the earliest home comes to the market. Everything happens within a year of it.
var firstListing = time.Date(2025, 6, 2, 0, 0, 0, 0, time.UTC)

// home builds a home. Its record is flawless: even warnings have nothing to say.
func (f *feed) home(a *agency, key string) *home {
	r := f.random
	a.homes++
	place, style := pick(r, a.towns), pick(r, a.styles)
	bedrooms := between(r, 1, 5)
	full, half := 1+bedrooms/2, r.IntN(2)
	area := 420 + bedrooms*between(r, 260, 460)
	price := area * (a.pricing*between(r, 80, 130)/100 + 1) / 500 * 500
	listed := firstListing.AddDate(0, 0, r.IntN(220)).Add(time.Duration(between(r, 8*60, 18*60)) * time.Minute)
	number, street := between(r, 101, 9899), pick(r, a.streets)
	features := f.features(a)
	remarks := fmt.Sprintf(pick(r, a.opening), style) + ": " +
		strings.Join(features[:2], ", ") + " and " + features[2] + ". " + pick(r, a.closing)
	all := strings.Join(features, " ")
	return &home{feed: f, agency: a, key: key, at: listed, record: map[string]any{
		"ListingKey": key, "ListingId": fmt.Sprintf("%d", 240_000+a.homes*37), "StandardStatus": "Active",
		"PropertyType": "Residential", "PropertySubType": subType(style), "ArchitecturalStyle": []string{style},
		"ListPrice": price, "OriginalListPrice": price, "ListingContractDate": listed.Format(time.DateOnly),
		"BedroomsTotal": bedrooms, "BathroomsTotalInteger": full + half, "BathroomsFull": full, "BathroomsHalf": half,
		"LivingArea": area, "LivingAreaUnits": "Square Feet", "LotSizeSquareFeet": between(r, 20, 190) * 100,
		"YearBuilt": between(r, 1904, 2023), "StoriesTotal": 1 + r.IntN(2),
		"UnparsedAddress": fmt.Sprintf("%d %s, %s, %s %s", number, street, place.name, a.state, place.zip),
		"City":            place.name, "CountyOrParish": place.county, "StateOrProvince": a.state, "PostalCode": place.zip, "Country": "US",
		"Latitude":  degrees(place.latitude, r.IntN(400)),
		"Longitude": degrees(place.longitude, r.IntN(400)), "PublicRemarks": remarks,
		"WaterfrontYN": strings.Contains(all, "waterfront") || strings.Contains(all, "boat slip"), "PoolPrivateYN": strings.Contains(all, "pool"),
		"GarageSpaces": r.IntN(4), "PhotosCount": between(r, 6, 40), "ListOfficeName": a.ledger.Name,
	}}
}

func subType(style string) string {
	if style == "Loft" {
		return "Condominium"
	}
	return "Single Family Residence"
}

// degrees moves a coordinate by up to 200 ten-thousandths either way, and keeps it in four digits.
func degrees(centre float64, step int) float64 {
	return float64(int(centre*10_000)+step-200) / 10_000
}

// features chooses three that differ.
func (f *feed) features(a *agency) []string {
	chosen := make([]string, 3)
	for i, at := range f.random.Perm(len(a.features))[:3] {
		chosen[i] = a.features[at]
	}
	return chosen
}

// nextKey makes a key of the agency's own.
func (a *agency) nextKey() string { return fmt.Sprintf("%s%d", a.prefix, 1001+a.homes) }

// pass lets days pass: what is told next is a newer version.
func (h *home) pass(low, high int) {
	h.at = h.at.AddDate(0, 0, between(h.feed.random, low, high)).Add(time.Duration(between(h.feed.random, 1, 90)) * time.Minute)
}

// tell publishes the home as it stands, as a new event that is accepted.
func (h *home) tell(verb string) { h.send(h.say(verb)) }

// send publishes a message that brings a new event.
func (h *home) send(m message) {
	h.sent = append(h.sent, m)
	h.feed.ledger.Events++
}

// sendStale publishes a message whose event is new but not newer than what is there.
func (h *home) sendStale(m message) {
	h.send(m)
	h.feed.ledger.Stale++
}

// sendAgain publishes a message once more, to the byte.
func (h *home) sendAgain(m message) {
	h.sent = append(h.sent, m)
	h.feed.ledger.Duplicates++
}

// last is the message published last.
func (h *home) last() message { return h.sent[len(h.sent)-1] }

// say writes the home as it stands, as a new event, without publishing it.
func (h *home) say(verb string) message {
	data := maps.Clone(h.record)
	if verb == "deleted" {
		data = map[string]any{"ListingKey": h.key}
	}
	data["ModificationTimestamp"] = h.at.Format(time.RFC3339)
	return h.agency.message(envelope{
		eventType: "reos.property." + verb + ".v1", subject: h.key, at: h.at, sequence: h.sequence, data: data,
	})
}

// message completes an envelope as the agency does.
func (a *agency) message(e envelope) message {
	a.told++
	e.tenant, e.source = a.ledger.ID, a.source
	e.id = uuid.NewSHA1(a.ledger.ID, fmt.Appendf(nil, "event %d", a.told)).String()
	if a.plain {
		e.id = fmt.Sprintf("evt-%06d", a.told)
	}
	return e.message(a.ways[a.told%len(a.ways)])
}

// What happens to homes.

func (h *home) reprice() {
	price := h.record["ListPrice"].(int)
	h.record["ListPrice"] = price * between(h.feed.random, 91, 98) / 100 / 100 * 100
}

func (h *home) status(status string) { h.record["StandardStatus"] = status }

func (h *home) close() {
	h.status("Closed")
	h.record["ClosePrice"] = h.record["ListPrice"].(int) * between(h.feed.random, 95, 104) / 100 / 100 * 100
	h.record["CloseDate"] = h.at.AddDate(0, 0, -1).Format(time.DateOnly)
}
