package api

import (
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// HomeFilter is what searches and listings of properties can be narrowed by.
type HomeFilter struct {
	City        string          `query:"city" maxLength:"255" doc:"Exactly as written in the records." example:"Kirkland"`
	Status      string          `query:"status" maxLength:"255" doc:"RESO StandardStatus, exactly." example:"Active"`
	MinPrice    string          `query:"min_price" pattern:"^[0-9]{1,12}([.][0-9]{1,2})?$" patternDescription:"a price such as 450000 or 450000.25" doc:"List price from, inclusive." example:"450000"`
	MaxPrice    string          `query:"max_price" pattern:"^[0-9]{1,12}([.][0-9]{1,2})?$" patternDescription:"a price such as 450000 or 450000.25" doc:"List price to, inclusive." example:"899999.99"`
	MinBedrooms optional[int64] `query:"min_bedrooms" minimum:"0" maximum:"999999999" doc:"Inclusive."`
	MaxBedrooms optional[int64] `query:"max_bedrooms" minimum:"0" maximum:"999999999" doc:"Inclusive."`
}

// check refuses bounds that nothing can lie between.
func (f *HomeFilter) check() error {
	least, most := numberOf(f.MinPrice), numberOf(f.MaxPrice)
	switch {
	case least != nil && most != nil && *least > *most:
		return invalid("query.max_price", "must be min_price or more")
	case f.MinBedrooms.set && f.MaxBedrooms.set && f.MinBedrooms.value > f.MaxBedrooms.value:
		return invalid("query.max_bedrooms", "must be min_bedrooms or more")
	}
	return nil
}

// numberOf is the float64 nearest to a price, which the vector store compares; nil where the parameter was left out.
func numberOf(price string) *float64 {
	number, err := strconv.ParseFloat(price, 64)
	if err != nil {
		return nil // the pattern lets nothing else through
	}
	return &number
}

// amount is a sum of money in plain digits: it is written as a JSON number without ever being a float.
type amount string

// Schema implements huma.SchemaProvider.
func (amount) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeNumber, Format: "decimal", Description: "Two digits behind the point.", Examples: []any{450000.25}}
}

// MarshalJSON implements json.Marshaler.
func (a amount) MarshalJSON() ([]byte, error) { return []byte(a), nil }

// amountOf is nil for no digits.
func amountOf(digits string) *amount {
	if digits == "" {
		return nil
	}
	exact := amount(digits)
	return &exact
}

// amountAt is what the vector store keeps of a price. A float64 tells all cents of 14 digits apart.
func amountAt(number *float64) *amount {
	if number == nil {
		return nil
	}
	return amountOf(strconv.FormatFloat(*number, 'f', 2, 64))
}

// RecordVersion is a record's version as answers show it.
type RecordVersion struct {
	VersionAt       time.Time `json:"version_at" doc:"The record's ModificationTimestamp."`
	VersionSequence int64     `json:"version_sequence" doc:"Orders versions of the same time."`
}

func showVersion(v events.Version) RecordVersion {
	return RecordVersion{VersionAt: v.At, VersionSequence: v.Sequence}
}

// home is what the index shows of a property.
type home struct {
	Address    string   `json:"address,omitempty" example:"12 Lake St, Kirkland, WA 98033"`
	City       string   `json:"city,omitempty"`
	PostalCode string   `json:"postal_code,omitempty"`
	Status     string   `json:"status,omitempty" doc:"RESO StandardStatus."`
	ListPrice  *amount  `json:"list_price,omitempty"`
	Bedrooms   *int64   `json:"bedrooms,omitempty"`
	Bathrooms  *int64   `json:"bathrooms,omitempty"`
	LivingArea *float64 `json:"living_area,omitempty" doc:"Square feet."`
	YearBuilt  *int64   `json:"year_built,omitempty"`
	Latitude   *float64 `json:"latitude,omitempty"`
	Longitude  *float64 `json:"longitude,omitempty"`
}

func showHome(p store.Payload) home {
	return home{
		Address: p.Address, City: p.City, PostalCode: p.PostalCode, Status: p.Status, ListPrice: amountAt(p.ListPrice),
		Bedrooms: p.Bedrooms, Bathrooms: p.Bathrooms, LivingArea: p.LivingArea, YearBuilt: p.YearBuilt,
		Latitude: p.Latitude, Longitude: p.Longitude,
	}
}
