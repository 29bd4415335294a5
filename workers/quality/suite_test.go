package quality_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers/quality"
)

var now = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return now }

// good holds a record of each type that fails nothing.
var good = map[events.RecordType]string{
	events.Property: `{"ListingKey":"K","StandardStatus":"Closed","PropertyType":"Residential","ListPrice":450000,
		"OriginalListPrice":470000,"ClosePrice":447500,"CloseDate":"2026-03-02","ListingContractDate":"2026-01-31",
		"BedroomsTotal":3,"BathroomsTotalInteger":2,"BathroomsFull":1,"BathroomsHalf":1,"LivingArea":1180,
		"LotSizeSquareFeet":5650,"YearBuilt":1955,"UnparsedAddress":"9824 Rainier Ave S, Seattle, WA 98118","City":"Seattle",
		"StateOrProvince":"WA","PostalCode":"98118","Latitude":47.5112,"Longitude":-122.257,"PublicRemarks":"Charming",
		"PhotosCount":12,"DaysOnMarket":30,"ModificationTimestamp":"2026-03-14T08:00:00Z"}`,
	events.Ownership: `{"OwnershipKey":"O","ListingKey":"K","OwnerName":"Ada Byron","OwnershipPercent":50,
		"OwnershipStartDate":"2020-01-15","PurchasePrice":0,"ModificationTimestamp":"2026-03-14T08:00:00Z"}`,
	events.Prospect: `{"ProspectKey":"P","FullName":"Grace Hopper","Email":"grace@example.org","Score":87.5,"BudgetMin":1,
		"BudgetMax":2,"FirstContactDate":"2026-01-01","LastContactDate":"2026-01-02","ModificationTimestamp":"2026-03-14T08:00:00Z"}`,
	events.Lease: `{"LeaseKey":"L","ListingKey":"K","LeaseAmount":2450,"LeaseStartDate":"2026-04-01","LeaseEndDate":"2027-03-31",
		"SecurityDeposit":2450,"SignedDate":"2026-03-01","ModificationTimestamp":"2026-03-14T08:00:00Z"}`,
	events.Offer: `{"OfferKey":"O","ListingKey":"K","OfferPrice":440000,"OfferStatus":"Submitted","OfferDate":"2026-03-10",
		"OfferExpirationDate":"2026-03-20","EarnestMoney":10000,"ModificationTimestamp":"2026-03-14T08:00:00Z"}`,
	events.Document: `{"DocumentKey":"D","DocumentPath":"deeds/2026/deed.pdf","MediaType":"application/pdf","SizeBytes":48213,
		"SHA256":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","ListingKey":"K","PageCount":2,
		"ModificationTimestamp":"2026-03-14T08:00:00Z"}`,
}

// members is a change of a good record; a nil value removes the member.
type members = map[string]any

// flaw makes a good record fail exactly one expectation.
type flaw struct {
	change   members
	prior    string
	observed string
}

var flaws = map[events.RecordType]map[string]flaw{
	events.Property: {
		"standard_status_present":           {change: members{"StandardStatus": nil}},
		"standard_status_known":             {change: members{"StandardStatus": "Sold"}, observed: "Sold"},
		"closed_not_active_again":           {change: members{"StandardStatus": "Active"}, prior: `{"StandardStatus":"Closed"}`, observed: "Active, was Closed"},
		"list_price_present":                {change: members{"ListPrice": nil}},
		"list_price_range":                  {change: members{"ListPrice": 0}, observed: "0"},
		"list_price_change":                 {prior: `{"ListPrice":200000}`, observed: "450000, was 200000"},
		"original_list_price_range":         {change: members{"OriginalListPrice": -1}, observed: "-1"},
		"list_price_to_original":            {change: members{"OriginalListPrice": 100000}, observed: "450000, OriginalListPrice 100000"},
		"close_price_range":                 {change: members{"ClosePrice": 0}, observed: "0"},
		"close_price_when_closed":           {change: members{"ClosePrice": nil}},
		"price_per_square_foot":             {change: members{"LivingArea": 250000}, observed: "447500, LivingArea 250000"},
		"tax_annual_amount_range":           {change: members{"TaxAnnualAmount": -1}, observed: "-1"},
		"association_fee_range":             {change: members{"AssociationFee": -0.5}, observed: "-0.5"},
		"modification_timestamp_not_future": {change: members{"ModificationTimestamp": "2026-03-15T12:00:01Z"}, observed: "2026-03-15T12:00:01Z"},
		"close_date_when_closed":            {change: members{"CloseDate": ""}},
		"close_date_not_future":             {change: members{"CloseDate": "2026-03-16"}, observed: "2026-03-16"},
		"close_date_not_before_listing":     {change: members{"CloseDate": "2026-01-30"}, observed: "2026-01-30, ListingContractDate 2026-01-31"},
		"listing_contract_date_not_future":  {change: members{"ListingContractDate": "2026-03-16", "CloseDate": nil, "ClosePrice": nil, "StandardStatus": "Active"}, observed: "2026-03-16"},
		"days_on_market_range":              {change: members{"DaysOnMarket": -1}, observed: "-1"},
		"cumulative_days_on_market_range":   {change: members{"CumulativeDaysOnMarket": -1}, observed: "-1"},
		"address_present":                   {change: members{"UnparsedAddress": "  "}},
		"address_length":                    {change: members{"UnparsedAddress": "Main St"}, observed: "Main St"},
		"city_present":                      {change: members{"City": nil}},
		"postal_code_format":                {change: members{"PostalCode": "9811"}, observed: "9811"},
		"latitude_range":                    {change: members{"Latitude": 90.1}, observed: "90.1"},
		"longitude_range":                   {change: members{"Longitude": -180.5}, observed: "-180.5"},
		"coordinates_paired":                {change: members{"Longitude": nil}, observed: "47.5112"},
		"coordinates_not_zero":              {change: members{"Latitude": 0, "Longitude": 0.0}, observed: "0, Longitude 0"},
		"bedrooms_total_range":              {change: members{"BedroomsTotal": 51, "LivingArea": 12000}, observed: "51"},
		"bedrooms_total_present":            {change: members{"BedroomsTotal": nil}},
		"bathrooms_total_range":             {change: members{"BathroomsTotalInteger": 51}, observed: "51"},
		"bathrooms_full_range":              {change: members{"BathroomsFull": -1}, observed: "-1"},
		"bathrooms_full_at_most_total":      {change: members{"BathroomsFull": 3}, observed: "3, BathroomsTotalInteger 2"},
		"living_area_range":                 {change: members{"LivingArea": 0}, observed: "0"},
		"living_area_per_bedroom":           {change: members{"BedroomsTotal": 33}, observed: "33, LivingArea 1180"},
		"lot_size_square_feet_range":        {change: members{"LotSizeSquareFeet": -1}, observed: "-1"},
		"lot_size_acres_range":              {change: members{"LotSizeAcres": -0.25}, observed: "-0.25"},
		"lot_size_area_range":               {change: members{"LotSizeArea": -1}, observed: "-1"},
		"year_built_range":                  {change: members{"YearBuilt": 2028}, observed: "2028"},
		"year_built_unchanged":              {prior: `{"YearBuilt":1954}`, observed: "1955, was 1954"},
		"stories_total_range":               {change: members{"StoriesTotal": 201}, observed: "201"},
		"public_remarks_length":             {change: members{"PublicRemarks": strings.Repeat("é", 4001)}, observed: "4001 characters"},
		"photos_count_range":                {change: members{"PhotosCount": -1}, observed: "-1"},
		"unknown_field_number":              {change: members{"X_Size": json.RawMessage("1e999")}, observed: "1e999"},
	},
	events.Ownership: {
		"modification_timestamp_not_future":   {change: members{"ModificationTimestamp": "2026-03-15T12:00:01Z"}, observed: "2026-03-15T12:00:01Z"},
		"property_named":                      {change: members{"ListingKey": nil}},
		"owner_name_present":                  {change: members{"OwnerName": nil}},
		"ownership_percent_range":             {change: members{"OwnershipPercent": 100.5}, observed: "100.5"},
		"ownership_start_date_not_future":     {change: members{"OwnershipStartDate": "2026-03-16"}, observed: "2026-03-16"},
		"ownership_end_date_not_before_start": {change: members{"OwnershipEndDate": "2020-01-14"}, observed: "2020-01-14, OwnershipStartDate 2020-01-15"},
		"purchase_price_range":                {change: members{"PurchasePrice": -1}, observed: "-1"},
	},
	events.Prospect: {
		"modification_timestamp_not_future":  {change: members{"ModificationTimestamp": "2026-03-15T12:00:01Z"}, observed: "2026-03-15T12:00:01Z"},
		"full_name_present":                  {change: members{"FullName": ""}},
		"prospect_reachable":                 {change: members{"Email": nil}},
		"email_format":                       {change: members{"Email": "grace@example"}, observed: "grace@example"},
		"score_range":                        {change: members{"Score": 101}, observed: "101"},
		"budget_min_range":                   {change: members{"BudgetMin": -1}, observed: "-1"},
		"budget_max_range":                   {change: members{"BudgetMax": 2e9}, observed: "2000000000"},
		"budget_min_at_most_max":             {change: members{"BudgetMin": 3}, observed: "3, BudgetMax 2"},
		"last_contact_date_not_before_first": {change: members{"LastContactDate": "2025-12-31"}, observed: "2025-12-31, FirstContactDate 2026-01-01"},
	},
	events.Lease: {
		"modification_timestamp_not_future": {change: members{"ModificationTimestamp": "2026-03-15T12:00:01Z"}, observed: "2026-03-15T12:00:01Z"},
		"listing_key_present":               {change: members{"ListingKey": nil}},
		"lease_amount_present":              {change: members{"LeaseAmount": nil}},
		"lease_amount_range":                {change: members{"LeaseAmount": 0}, observed: "0"},
		"security_deposit_range":            {change: members{"SecurityDeposit": -1}, observed: "-1"},
		"lease_start_date_present":          {change: members{"LeaseStartDate": nil}},
		"lease_end_date_not_before_start":   {change: members{"LeaseEndDate": "2026-03-31"}, observed: "2026-03-31, LeaseStartDate 2026-04-01"},
		"signed_date_not_future":            {change: members{"SignedDate": "2026-03-16"}, observed: "2026-03-16"},
	},
	events.Offer: {
		"modification_timestamp_not_future":      {change: members{"ModificationTimestamp": "2026-03-15T12:00:01Z"}, observed: "2026-03-15T12:00:01Z"},
		"listing_key_present":                    {change: members{"ListingKey": nil}},
		"offer_price_present":                    {change: members{"OfferPrice": nil}},
		"offer_price_range":                      {change: members{"OfferPrice": -5, "EarnestMoney": nil}, observed: "-5"},
		"offer_status_known":                     {change: members{"OfferStatus": "Maybe"}, observed: "Maybe"},
		"offer_date_not_future":                  {change: members{"OfferDate": "2026-03-16"}, observed: "2026-03-16"},
		"offer_expiration_date_not_before_offer": {change: members{"OfferExpirationDate": "2026-03-09"}, observed: "2026-03-09, OfferDate 2026-03-10"},
		"earnest_money_range":                    {change: members{"EarnestMoney": -1}, observed: "-1"},
		"earnest_money_at_most_price":            {change: members{"EarnestMoney": 440001}, observed: "440001, OfferPrice 440000"},
	},
	events.Document: {
		"modification_timestamp_not_future": {change: members{"ModificationTimestamp": "2026-03-15T12:00:01Z"}, observed: "2026-03-15T12:00:01Z"},
		"document_path_present":             {change: members{"DocumentPath": nil}},
		"document_path_inside":              {change: members{"DocumentPath": "deeds/../../other/deed.pdf"}, observed: "deeds/../../other/deed.pdf"},
		"media_type_present":                {change: members{"MediaType": nil}},
		"media_type_format":                 {change: members{"MediaType": "pdf"}, observed: "pdf"},
		"size_bytes_range":                  {change: members{"SizeBytes": 0}, observed: "0"},
		"sha256_format":                     {change: members{"SHA256": "9f86"}, observed: "9f86"},
		"listing_key_present":               {change: members{"ListingKey": nil}},
		"page_count_range":                  {change: members{"PageCount": -1}, observed: "-1"},
	},
}

// stored normalises a record as ingestion does.
func stored(t testing.TB, record events.RecordType, data string, change members) store.StoredRecord {
	t.Helper()
	var all members
	require.NoError(t, json.Unmarshal([]byte(data), &all))
	for name, value := range change {
		if value == nil {
			delete(all, name)
		} else {
			all[name] = value
		}
	}
	encoded, err := json.Marshal(all)
	if err != nil { // a number that encoding/json refuses to write
		encoded = []byte(strings.TrimSuffix(strings.TrimSpace(data), "}") + `,"X_Size":1e999}`)
	}
	verb := events.Upserted
	if record == events.Document {
		verb = events.Received
	}
	event := events.Event{Type: events.Type(record, verb), TenantID: uuid.New(), Data: encoded}
	normalised, err := events.NormaliseAt(event, now.Add(10*time.Hour))
	require.NoError(t, err)
	return store.StoredRecord{
		Ref: store.Ref{Type: record, Key: normalised.Key}, Version: normalised.Version,
		Doc: normalised.Doc, Faults: normalised.Faults,
	}
}

func TestAGoodRecordFailsNothing(t *testing.T) {
	for _, record := range events.RecordTypes {
		suite := quality.Builtin(record).WithClock(clock)
		in := stored(t, record, good[record], nil)
		verdict := suite.Judge(in)
		require.Equal(t, store.Verdict{
			Ref: in.Ref, Version: in.Version, Suite: "builtin-" + string(record) + "@1", Passed: true, Failures: []store.Failure{},
		}, verdict)
	}
}

func TestEachFlawFailsItsExpectationAlone(t *testing.T) {
	for _, record := range events.RecordTypes {
		suite := quality.Builtin(record).WithClock(clock)
		for name, flaw := range flaws[record] {
			t.Run(string(record)+"/"+name, func(t *testing.T) {
				in := stored(t, record, good[record], flaw.change)
				in.Prior = []byte(flaw.prior)
				verdict := suite.Judge(in)
				require.Len(t, verdict.Failures, 1, "%+v", verdict.Failures)
				failure := verdict.Failures[0]
				require.Equal(t, name, failure.Expectation)
				require.Equal(t, flaw.observed, failure.Observed)
				require.NotEmpty(t, failure.Field)
				require.NotEmpty(t, failure.Limit)
				require.Equal(t, failure.Severity == store.SeverityWarning, verdict.Passed, "an error quarantines, a warning does not")
			})
		}
	}
}

// A key is never missing from what Normalise wrote; the expectation stands for documents that came another way.
func TestAMissingKeyFails(t *testing.T) {
	for _, record := range events.RecordTypes {
		in := stored(t, record, good[record], nil)
		var doc members
		require.NoError(t, json.Unmarshal(in.Doc, &doc))
		delete(doc, events.KeyField(record))
		in.Doc, _ = json.Marshal(doc)
		verdict := quality.Builtin(record).WithClock(clock).Judge(in)
		require.Len(t, verdict.Failures, 1)
		require.Equal(t, events.KeyField(record), verdict.Failures[0].Field)
	}
}

func TestEveryExpectationHasAFlawThatProvesIt(t *testing.T) {
	keys := []string{"listing_key_present", "ownership_key_present", "prospect_key_present", "lease_key_present", "offer_key_present", "document_key_present"}
	for _, record := range events.RecordTypes {
		names := map[string]bool{}
		for _, expectation := range append(quality.Contract(record), quality.Builtin(record).Expectations...) {
			require.False(t, names[expectation.Name], "%s: %s is there twice", record, expectation.Name)
			names[expectation.Name] = true
		}
		expectations := quality.Builtin(record).Expectations
		for _, expectation := range expectations {
			_, proved := flaws[record][expectation.Name]
			require.True(t, proved || slices.Contains(keys, expectation.Name), "%s: %s has no flawed record", record, expectation.Name)
		}
		require.GreaterOrEqual(t, len(expectations), 5)
	}
	require.GreaterOrEqual(t, len(quality.Builtin(events.Property).Expectations), 24)
}

func TestEveryFaultOfTheContractIsAnError(t *testing.T) {
	for _, record := range events.RecordTypes {
		suite := quality.Builtin(record).WithClock(clock)
		names := map[string]string{}
		for _, expectation := range quality.Contract(record) {
			names[expectation.Fields[0]] = expectation.Name
		}
		for _, field := range events.Fields(record) {
			if field.Name == events.KeyField(record) || field.Name == events.ModificationTimestamp {
				continue // these are rejected before a record exists
			}
			in := stored(t, record, good[record], members{field.Name: members{"no": "such type"}})
			verdict := suite.Judge(in)
			require.False(t, verdict.Passed, field.Name)
			require.Equal(t, store.Failure{
				Expectation: names[field.Name], Severity: store.SeverityError, Field: field.Name,
				Observed: `{"no":"such type"}`, Limit: field.Must(),
			}, verdict.Failures[0])
		}
	}
	in := stored(t, events.Property, good[events.Property], members{"ListPrice": "a lot"})
	verdict := quality.Builtin(events.Property).WithClock(clock).Judge(in)
	require.Len(t, verdict.Failures, 1)
	require.Equal(t, "list_price_type", verdict.Failures[0].Expectation)
}

func TestATombstonePasses(t *testing.T) {
	verdict := quality.Builtin(events.Property).Judge(store.StoredRecord{Deleted: true})
	require.True(t, verdict.Passed)
	require.NotNil(t, verdict.Failures)
}

func TestAnUnreadableDocumentFails(t *testing.T) {
	verdict := quality.Builtin(events.Property).Judge(store.StoredRecord{Doc: []byte("oops")})
	require.False(t, verdict.Passed)
	require.Equal(t, "document_readable", verdict.Failures[0].Expectation)
}

// The flaws of real sales records: an absurd count is let pass with a warning, a house without bathrooms as it is.
func TestRealFlawsGetSensibleVerdicts(t *testing.T) {
	sale := `{"ListingKey":"7129300520","StandardStatus":"Closed","ListPrice":221900,"ClosePrice":221900,"CloseDate":"20141013T000000",
		"BedroomsTotal":3,"BathroomsTotalInteger":1,"LivingArea":1180,"LotSizeSquareFeet":5650,"YearBuilt":1955,
		"UnparsedAddress":"King County, WA 98178","City":"Seattle","PostalCode":"98178","Latitude":47.5112,"Longitude":-122.257,
		"ModificationTimestamp":"20141013T000000"}`
	cases := map[string]struct {
		change   members
		passed   bool
		failures []string
	}{
		"as it is":           {passed: true},
		"33 bedrooms":        {change: members{"BedroomsTotal": 33}, passed: true, failures: []string{"living_area_per_bedroom"}},
		"no bathrooms":       {change: members{"BathroomsTotalInteger": 0}, passed: true},
		"no bedrooms":        {change: members{"BedroomsTotal": 0}, passed: true},
		"bedrooms empty":     {change: members{"BedroomsTotal": ""}, passed: true, failures: []string{"bedrooms_total_present"}},
		"no address":         {change: members{"UnparsedAddress": nil}, failures: []string{"address_present"}},
		"price beyond types": {change: members{"ListPrice": "NA"}, failures: []string{"list_price_type"}},
		"composed address":   {change: members{"UnparsedAddress": nil, "StreetNumber": 1, "StreetName": "Elm"}, passed: true},
		"land":               {change: members{"BedroomsTotal": nil, "PropertyType": "Land"}, passed: true},
		"square meters":      {change: members{"LivingArea": 110, "LivingAreaUnits": "Square Meters"}, passed: true},
		"Canadian code":      {change: members{"PostalCode": "V6B 4Y8", "Country": "CA"}, passed: true},
		"ZIP+4":              {change: members{"PostalCode": "98178-1234"}, passed: true},
		"ZIP+3":              {change: members{"PostalCode": "98178-123"}, passed: true, failures: []string{"postal_code_format"}},
	}
	suite := quality.Builtin(events.Property).WithClock(clock)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			verdict := suite.Judge(stored(t, events.Property, sale, c.change))
			require.Equal(t, c.passed, verdict.Passed)
			var failed []string
			for _, failure := range verdict.Failures {
				failed = append(failed, failure.Expectation)
			}
			require.Equal(t, c.failures, failed)
		})
	}
}

func TestJudgeTakesAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		record := rapid.SampledFrom(events.RecordTypes).Draw(t, "type")
		doc := map[string]any{}
		for _, field := range events.Fields(record) {
			switch rapid.IntRange(0, 6).Draw(t, "kind") {
			case 0:
				doc[field.Name] = rapid.String().Draw(t, "text")
			case 1:
				doc[field.Name] = rapid.Float64().Draw(t, "number")
			case 2:
				doc[field.Name] = []any{nil, members{}}
			case 3:
				doc[field.Name] = rapid.SampledFrom([]string{"Closed", "Active", "2026-01-01", "0", "-1"}).Draw(t, "usual")
			case 4:
				doc[field.Name] = nil
			}
		}
		encoded, err := json.Marshal(doc)
		require.NoError(t, err)
		in := store.StoredRecord{Ref: store.Ref{Type: record}, Doc: encoded, Prior: encoded}
		checkVerdict(t, quality.Builtin(record).WithClock(clock).Judge(in))
	})
}

func checkVerdict(t require.TestingT, verdict store.Verdict) {
	require.NotNil(t, verdict.Failures)
	errors := 0
	for _, failure := range verdict.Failures {
		require.NotEmpty(t, failure.Expectation)
		require.LessOrEqual(t, len(failure.Observed), 80)
		if failure.Severity == store.SeverityError {
			errors++
		}
	}
	require.Equal(t, errors == 0, verdict.Passed)
}

func FuzzJudge(f *testing.F) {
	for _, record := range events.RecordTypes {
		f.Add(string(record), []byte(good[record]), []byte(`{"ListPrice":1,"StandardStatus":"Closed","YearBuilt":1900}`))
	}
	f.Fuzz(func(t *testing.T, record string, doc, prior []byte) {
		if !slices.Contains(events.RecordTypes, events.RecordType(record)) {
			return
		}
		in := store.StoredRecord{Doc: doc, Prior: prior, Faults: []events.Fault{{Field: "ListPrice", Must: "m", Observed: "o"}}}
		checkVerdict(t, quality.Builtin(events.RecordType(record)).WithClock(clock).Judge(in))
	})
}

func TestFlawsAreOfRecordTypesThatExist(t *testing.T) {
	require.ElementsMatch(t, events.RecordTypes, slices.Collect(maps.Keys(flaws)))
}

func BenchmarkJudge(b *testing.B) {
	suite := quality.Builtin(events.Property).WithClock(clock)
	in := stored(b, events.Property, good[events.Property], nil)
	in.Prior = []byte(`{"ListPrice":440000,"StandardStatus":"Active","LivingArea":1180,"BedroomsTotal":3,"YearBuilt":1955}`)
	b.ReportAllocs()
	for b.Loop() {
		suite.Judge(in)
	}
}

// BenchmarkParse is the part of BenchmarkJudge that reads JSON.
func BenchmarkParse(b *testing.B) {
	in := stored(b, events.Property, good[events.Property], nil)
	for b.Loop() {
		if _, err := events.ParseDoc(in.Doc); err != nil {
			b.Fatal(err)
		}
	}
}
