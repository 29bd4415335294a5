package main

import (
	"encoding/json"
	"strings"
	"time"
)

// flaw is something that a record must be quarantined for. Each has a home of its own, published once: what is
// quarantined does not depend on what was overtaken on its way.
type flaw struct {
	word  string
	field string // the field that the verdict must name
	make  func(record map[string]any)
}

// set is a flaw that is one field's value.
func set(word, field string, value any) flaw {
	return flaw{word, field, func(record map[string]any) { record[field] = value }}
}

// unset is a flaw that is one field's absence.
func unset(word, field string) flaw {
	return flaw{word, field, func(record map[string]any) { delete(record, field) }}
}

func allFlaws() []flaw {
	return []flaw{
		set("price_zero", "ListPrice", 0),
		set("price_above_a_billion", "ListPrice", 2_500_000_000),
		set("price_in_words", "ListPrice", "call us"),
		set("price_with_three_decimals", "ListPrice", json.Number("450000.125")),
		set("bedrooms_99", "BedroomsTotal", 99),
		set("bathrooms_in_words", "BathroomsTotalInteger", "two and a half"),
		set("living_area_negative", "LivingArea", -1450),
		set("year_built_1492", "YearBuilt", 1492),
		set("year_built_2099", "YearBuilt", 2099),
		{"latitude_without_longitude", "Latitude", func(record map[string]any) { delete(record, "Longitude") }},
		set("latitude_123", "Latitude", 123.4567),
		{"coordinates_zero", "Latitude", func(record map[string]any) { record["Latitude"], record["Longitude"] = 0, 0 }},
		set("address_too_short", "UnparsedAddress", "12 Elm"),
		unset("address_missing", "UnparsedAddress"),
		set("status_unknown", "StandardStatus", "Sold-ish"),
		unset("status_missing", "StandardStatus"),
		{"closed_without_close_price", "ClosePrice", func(record map[string]any) {
			record["StandardStatus"], record["CloseDate"] = "Closed", record["ListingContractDate"]
		}},
		{"close_date_before_listing", "CloseDate", func(record map[string]any) {
			listed, _ := time.Parse(time.DateOnly, record["ListingContractDate"].(string)) // home wrote it so
			closed(record, listed.AddDate(0, -2, 0))
		}},
		{"close_date_in_the_future", "CloseDate", func(record map[string]any) {
			closed(record, time.Date(2041, 5, 4, 0, 0, 0, 0, time.UTC))
		}},
		{"remarks_of_5000_characters", "PublicRemarks", func(record map[string]any) {
			record["PublicRemarks"] = strings.Repeat("Must see! ", 500)
		}},
	}
}

func closed(record map[string]any, at time.Time) {
	record["StandardStatus"], record["ClosePrice"] = "Closed", record["ListPrice"]
	record["CloseDate"] = at.Format(time.DateOnly)
}

// flaws publishes one flawed home per flaw, the agencies in turn.
func (f *feed) flaws() {
	for i, flaw := range allFlaws() {
		a := f.agencies[i%len(f.agencies)]
		h := f.home(a, a.nextKey())
		flaw.make(h.record)
		h.tell("upserted")
		f.ledger.QuarantinedKeys[h.key] = flaw.word
		f.settle(h, quarantined)
	}
}
