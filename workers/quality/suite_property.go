package quality

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/codybias9/real-estate-os/store"
)

// standardStatuses are the values of RESO's StandardStatus.
var standardStatuses = []string{
	"Active", "Active Under Contract", "Canceled", "Closed", "Coming Soon", "Delete", "Expired", "Hold", "Incomplete",
	"Pending", "Withdrawn",
}

// propertyExpectations are errors where users would be misled by the record, warnings where it is merely unlikely.
func propertyExpectations() []Expectation {
	return []Expectation{
		Required("listing_key_present", "ListingKey"),
		NotFuture("modification_timestamp_not_future", "ModificationTimestamp"),

		Required("standard_status_present", "StandardStatus"),
		OneOf("standard_status_known", "StandardStatus", standardStatuses...),
		NoTransition("closed_not_active_again", "StandardStatus", "Closed", "Active").AsWarning(),

		Required("list_price_present", "ListPrice"),
		Positive("list_price_range", "ListPrice", maxMoney),
		ChangeBetween("list_price_change", "ListPrice", 0.5, 2).AsWarning(),
		Positive("original_list_price_range", "OriginalListPrice", maxMoney),
		RatioBetween("list_price_to_original", "ListPrice", "OriginalListPrice", 0.5, 2).AsWarning(),
		Positive("close_price_range", "ClosePrice", maxMoney),
		RequiredWhen("close_price_when_closed", "ClosePrice", "StandardStatus", "Closed"),
		pricePerSquareFoot().AsWarning(),
		NotNegative("tax_annual_amount_range", "TaxAnnualAmount").AsWarning(),
		NotNegative("association_fee_range", "AssociationFee").AsWarning(),

		RequiredWhen("close_date_when_closed", "CloseDate", "StandardStatus", "Closed"),
		NotFuture("close_date_not_future", "CloseDate"),
		NotBefore("close_date_not_before_listing", "CloseDate", "ListingContractDate"),
		NotFuture("listing_contract_date_not_future", "ListingContractDate"),
		NotNegative("days_on_market_range", "DaysOnMarket"),
		NotNegative("cumulative_days_on_market_range", "CumulativeDaysOnMarket"),

		addressPresent(),
		addressLength(10, 500),
		Required("city_present", "City").AsWarning(),
		postalCodeFormat().AsWarning(),
		Between("latitude_range", "Latitude", -90, 90),
		Between("longitude_range", "Longitude", -180, 180),
		coordinatesPaired(),
		coordinatesNotZero(),

		Between("bedrooms_total_range", "BedroomsTotal", 0, 50),
		bedroomsWhereLivedIn().AsWarning(),
		Between("bathrooms_total_range", "BathroomsTotalInteger", 0, 50),
		NotNegative("bathrooms_full_range", "BathroomsFull"),
		AtMost("bathrooms_full_at_most_total", "BathroomsFull", "BathroomsTotalInteger").AsWarning(),
		Positive("living_area_range", "LivingArea", 1e6),
		livingAreaPerBedroom(70).AsWarning(),
		NotNegative("lot_size_square_feet_range", "LotSizeSquareFeet"),
		NotNegative("lot_size_acres_range", "LotSizeAcres"),
		NotNegative("lot_size_area_range", "LotSizeArea"),
		YearBetween("year_built_range", "YearBuilt", 1700),
		Unchanged("year_built_unchanged", "YearBuilt").AsWarning(),
		Between("stories_total_range", "StoriesTotal", 0, 200).AsWarning(),

		MaxLength("public_remarks_length", "PublicRemarks", 4000),
		NotNegative("photos_count_range", "PhotosCount"),
	}
}

func addressPresent() Expectation {
	return Expectation{
		Name: "address_present", Severity: store.SeverityError,
		Fields: []string{"UnparsedAddress", "StreetNumber", "StreetName"},
		Limit:  "present, or else StreetNumber and StreetName",
		met: func(s *subject) (string, bool) {
			return "", s.faulty("UnparsedAddress") || s.doc.Address() != ""
		},
	}
}

func addressLength(low, high int) Expectation {
	return Expectation{
		Name: "address_length", Severity: store.SeverityError,
		Fields: []string{"UnparsedAddress", "StreetNumber", "StreetName"},
		Limit:  "from " + strconv.Itoa(low) + " to " + strconv.Itoa(high) + " characters, composed of its parts where need be",
		met: func(s *subject) (string, bool) {
			address := s.doc.Address()
			length := utf8.RuneCountInString(address)
			return address, address == "" || length >= low && length <= high
		},
	}
}

// postalCodeFormat knows the United States' form; of other countries it only expects a code's length.
func postalCodeFormat() Expectation {
	return Expectation{
		Name: "postal_code_format", Severity: store.SeverityError, Fields: []string{"PostalCode", "Country"},
		Limit: "12345 or 12345-6789; outside the United States 3 to 10 letters, digits, spaces and hyphens",
		met: func(s *subject) (string, bool) {
			code, ok := s.text("PostalCode")
			if !ok {
				return "", true
			}
			switch country, _ := s.text("Country"); country {
			case "", "US", "USA", "United States":
				return code, isZIP(code)
			}
			return code, len(code) >= 3 && len(code) <= 10 && onlyOf(code, isLetter, isDigit, isSpaceOrHyphen)
		},
	}
}

func isZIP(code string) bool {
	five, four, long := strings.Cut(code, "-")
	return len(five) == 5 && onlyOf(five, isDigit) && (!long || len(four) == 4 && onlyOf(four, isDigit))
}

func onlyOf(text string, classes ...func(byte) bool) bool {
	for i := range len(text) {
		fits := false
		for _, class := range classes {
			fits = fits || class(text[i])
		}
		if !fits {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func isSpaceOrHyphen(c byte) bool { return c == ' ' || c == '-' }

func coordinatesPaired() Expectation {
	return Expectation{
		Name: "coordinates_paired", Severity: store.SeverityError, Fields: []string{"Latitude", "Longitude"},
		Limit: "present together with Longitude, or neither",
		met: func(s *subject) (string, bool) {
			if s.doc.Has("Latitude") == s.doc.Has("Longitude") {
				return "", true
			}
			return s.observed("Latitude"), false
		},
	}
}

// coordinatesNotZero catches the point in the Atlantic where geocoders put what they could not find.
func coordinatesNotZero() Expectation {
	return Expectation{
		Name: "coordinates_not_zero", Severity: store.SeverityError, Fields: []string{"Latitude", "Longitude"},
		Limit: "not 0 together with Longitude",
		met: func(s *subject) (string, bool) {
			latitude, ok := s.number("Latitude")
			longitude, okLongitude := s.number("Longitude")
			return "0, Longitude 0", !ok || !okLongitude || latitude != 0 || longitude != 0
		},
	}
}

// bedroomsWhereLivedIn misses the bedrooms of what has a living area: land and garages have neither.
func bedroomsWhereLivedIn() Expectation {
	return Expectation{
		Name: "bedrooms_total_present", Severity: store.SeverityError, Fields: []string{"BedroomsTotal", "LivingArea"},
		Limit: "present where LivingArea is, unless PropertyType is commercial, farm, land or a business",
		met: func(s *subject) (string, bool) {
			kind, _ := s.text("PropertyType")
			lived := kind == "" || strings.HasPrefix(kind, "Residential") || kind == "Manufactured In Park"
			return "", !lived || !s.doc.Has("LivingArea") || s.doc.Has("BedroomsTotal")
		},
	}
}

// livingAreaPerBedroom catches bedrooms that were mistyped: 33 for 3.
func livingAreaPerBedroom(squareFeet float64) Expectation {
	return Expectation{
		Name: "living_area_per_bedroom", Severity: store.SeverityError, Fields: []string{"BedroomsTotal", "LivingArea"},
		Limit: "so many that each has " + plain(squareFeet) + " square feet of LivingArea",
		met: func(s *subject) (string, bool) {
			bedrooms, ok := s.number("BedroomsTotal")
			area, okArea := s.doc.LivingSquareFeet()
			if !ok || !okArea || s.faulty("LivingArea") || area <= 0 || area >= squareFeet*bedrooms {
				return "", true
			}
			return s.pair("BedroomsTotal", "LivingArea"), false
		},
	}
}

// The price of a square foot that is plausible anywhere, in dollars.
const (
	minPerSquareFoot = 5
	maxPerSquareFoot = 20_000
)

// pricePerSquareFoot takes the price that was paid, else the one asked for. Rents are no prices.
func pricePerSquareFoot() Expectation {
	return Expectation{
		Name: "price_per_square_foot", Severity: store.SeverityError, Fields: []string{"ListPrice", "ClosePrice", "LivingArea"},
		Limit: "from 5 to 20000 per square foot of LivingArea (ClosePrice, else ListPrice), unless PropertyType is a lease",
		met: func(s *subject) (string, bool) {
			kind, _ := s.text("PropertyType")
			field := "ClosePrice"
			price, ok := s.number(field)
			if !ok {
				field = "ListPrice"
				price, ok = s.number(field)
			}
			area, okArea := s.doc.LivingSquareFeet()
			if !ok || !okArea || s.faulty("LivingArea") || area <= 0 || strings.HasSuffix(kind, "Lease") ||
				ratioWithin(price, area, minPerSquareFoot, maxPerSquareFoot) {
				return "", true
			}
			return s.pair(field, "LivingArea"), false
		},
	}
}
