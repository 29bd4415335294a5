package events_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

// upsert is a property event with this data.
func upsert(data string) events.Event {
	e := intakeEvent("reos.property.upserted.v1")
	e.Data = []byte(data)
	return e
}

// property is an upsert with key, version and these members.
func property(members string) events.Event {
	return upsert(`{"ListingKey":"K","ModificationTimestamp":"2026-03-14T00:00:00Z",` + members + `}`)
}

func normalise(t testing.TB, e events.Event) events.Record {
	t.Helper()
	record, err := events.NormaliseAt(e, clock)
	require.NoError(t, err)
	return record
}

func TestNormaliseRejectsWithReason(t *testing.T) {
	with := func(change func(*events.Event)) events.Event {
		e := upsert(`{"ListingKey":"K","ModificationTimestamp":"2026-03-14T00:00:00Z"}`)
		change(&e)
		return e
	}
	deep := func(levels int) string {
		return `{"ListingKey":"K","d":` + strings.Repeat("[", levels) + strings.Repeat("]", levels) + `}`
	}
	cases := []struct {
		name   string
		event  events.Event
		reason events.Reason
		field  string
		says   string // a part of the message
	}{
		{"type of a stage", with(func(e *events.Event) { e.Type = "reos.property.ingested.v1" }), events.TypeUnknown, "type", "ingested"},
		{"type of another contract", with(func(e *events.Event) { e.Type = "com.example.v1" }), events.TypeUnknown, "type", "com.example"},
		{"record type that is none", with(func(e *events.Event) { e.Type = "reos.boat.upserted.v1" }), events.TypeUnknown, "type", "boat"},
		{"verb that documents lack", with(func(e *events.Event) { e.Type = "reos.document.upserted.v1" }), events.TypeUnknown, "type", "document"},
		{"verb of documents", with(func(e *events.Event) { e.Type = "reos.lease.received.v1" }), events.TypeUnknown, "type", "lease"},
		{"data over the limit", upsert(strings.Repeat(" ", events.MaxDataBytes+1)), events.DataTooLarge, "", "1000001"},
		{"upsert without data", upsert(""), events.DataEmpty, "", ""},
		{"upsert of spaces", upsert(" \n\t"), events.DataEmpty, "", ""},
		{"upsert of null", upsert("null"), events.DataEmpty, "", ""},
		{"XML", with(func(e *events.Event) { e.DataContentType = "application/xml" }), events.EnvelopeInvalid, "datacontenttype", "xml"},
		{"Latin-1", with(func(e *events.Event) { e.DataContentType = "application/json; charset=latin1" }), events.EnvelopeInvalid, "datacontenttype", "latin1"},
		{"content type that is none", with(func(e *events.Event) { e.DataContentType = "json; ;" }), events.EnvelopeInvalid, "datacontenttype", "json"},
		{"invalid UTF-8", upsert("{\"ListingKey\":\"K\xff\"}"), events.DataNotUTF8, "", "offset 16"},
		{"raw NUL", upsert("{\"ListingKey\":\"K\x00\"}"), events.DataHasNUL, "", "offset 16"},
		{"escaped NUL", upsert(`{"ListingKey":"K\u0000"}`), events.DataHasNUL, "", "offset 16"},
		{"escaped NUL behind an escaped backslash", upsert(`{"a":"\\\u0000"}`), events.DataHasNUL, "", "offset 8"},
		{"NUL in a name", upsert(`{"\u0000":1}`), events.DataHasNUL, "", "offset 2"},
		{"cut off", upsert(`{"ListingKey":"K`), events.DataNotJSON, "", "offset 16"},
		{"two objects", upsert(`{} {}`), events.DataNotJSON, "", "offset 4"},
		{"comma too many", upsert(`{"ListingKey":"K",}`), events.DataNotJSON, "", "offset 19"},
		{"array", upsert(`[{}]`), events.DataNotJSON, "", "an array"},
		{"string", upsert(`"{}"`), events.DataNotJSON, "", "a string"},
		{"number", upsert(`12`), events.DataNotJSON, "", "a number"},
		{"boolean", upsert(`true`), events.DataNotJSON, "", "a boolean"},
		{"one level too deep", upsert(deep(events.MaxDepth)), events.DataTooDeep, "", "offset 53"},
		{"far too deep and cut off", upsert(strings.Repeat(`{"a":`, 100_000)), events.DataTooDeep, "", ""},
		{"no key", upsert(`{}`), events.KeyInvalid, "subject", "ListingKey"},
		{"empty key", upsert(`{"ListingKey":""}`), events.KeyInvalid, "subject", ""},
		{"key of spaces", upsert(`{"ListingKey":"  "}`), events.KeyInvalid, "subject", ""},
		{"key that is an object", upsert(`{"ListingKey":{}}`), events.KeyInvalid, "ListingKey", "{}"},
		{"key that is a fraction", upsert(`{"ListingKey":1.5}`), events.KeyInvalid, "ListingKey", "1.5"},
		{"key too long", upsert(`{"ListingKey":"` + strings.Repeat("k", 256) + `"}`), events.KeyInvalid, "ListingKey", "255"},
		{"key with a tab", upsert(`{"ListingKey":"a\tb"}`), events.KeyInvalid, "ListingKey", "control"},
		{"key with C1 control", upsert(`{"ListingKey":"a\u0085b"}`), events.KeyInvalid, "ListingKey", "control"},
		{"key with half a pair", upsert(`{"ListingKey":"a\ud800"}`), events.KeyInvalid, "ListingKey", "UTF-8"},
		{"key unlike the subject", with(func(e *events.Event) { e.Subject = "other" }), events.KeyInvalid, "ListingKey", "other"},
		{"subject not UTF-8", func() events.Event { e := upsert(`{}`); e.Subject = "\xff"; return e }(), events.KeyInvalid, "subject", "UTF-8"},
		{"version that is no time", upsert(`{"ListingKey":"K","ModificationTimestamp":"yesterday"}`), events.VersionInvalid, "ModificationTimestamp", "yesterday"},
		{"version that is a number", upsert(`{"ListingKey":"K","ModificationTimestamp":20260314}`), events.VersionInvalid, "ModificationTimestamp", "20260314"},
		{"version that is no day", upsert(`{"ListingKey":"K","ModificationTimestamp":"2026-02-30T00:00:00Z"}`), events.VersionInvalid, "ModificationTimestamp", ""},
		{"version two days ahead", upsert(`{"ListingKey":"K","ModificationTimestamp":"2026-03-16T18:00:00Z"}`), events.VersionInvalid, "ModificationTimestamp", "ahead"},
		{"version before all systems", upsert(`{"ListingKey":"K","ModificationTimestamp":"0001-01-01T00:00:00+14:00"}`), events.VersionInvalid, "ModificationTimestamp", "1900"},
		{"envelope two days ahead", func() events.Event {
			e := upsert(`{"ListingKey":"K"}`)
			e.Time = clock.Add(48 * time.Hour)
			return e
		}(), events.VersionInvalid, "time", "ahead"},
		{"no time at all", func() events.Event { e := upsert(`{"ListingKey":"K"}`); e.Time = time.Time{}; return e }(), events.VersionInvalid, "ModificationTimestamp", "present"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			record, err := events.NormaliseAt(c.event, clock)
			rejection, ok := errors.AsType[*events.Rejection](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, c.reason, rejection.Reason, err)
			require.Equal(t, c.field, rejection.Field, err)
			require.Contains(t, err.Error(), c.says)
			require.Less(t, len(err.Error()), 600, "never a whole payload")
			require.Zero(t, record)
		})
	}
}

func TestNormaliseAcceptsAtTheLimits(t *testing.T) {
	depth := events.MaxDepth - 1
	accepted := map[string]events.Event{
		"deepest":              property(`"d":` + strings.Repeat("[", depth) + strings.Repeat("]", depth)),
		"braces within a text": property(`"d":"` + strings.Repeat(`[{\"`, 100) + `"`),
		"NUL's name only":      property(`"d":"\\u0000"`),
		"longest key":          upsert(`{"ListingKey":"` + strings.Repeat("k", 255) + `"}`),
		"key from the subject": func() events.Event { e := upsert(`{}`); e.Subject = "K"; return e }(),
		"same key twice":       func() events.Event { e := property(`"a":1`); e.Subject = " K"; return e }(),
		"a day ahead":          upsert(`{"ListingKey":"K","ModificationTimestamp":"2026-03-15T15:00:00Z"}`),
		"JSON by suffix":       func() events.Event { e := property(`"a":1`); e.DataContentType = "application/ld+json"; return e }(),
		"JSON by its full name": func() events.Event {
			e := property(`"a":1`)
			e.DataContentType = `Application/JSON; charset="UTF-8"`
			return e
		}(),
		"no content type": func() events.Event { e := property(`"a":1`); e.DataContentType = ""; return e }(),
	}
	for name, e := range accepted {
		t.Run(name, func(t *testing.T) { require.NotEmpty(t, normalise(t, e).Doc) })
	}
}

func TestKnownFieldsAreReadLenientlyAndWrittenStrictly(t *testing.T) {
	cases := []struct{ name, field, came, written string }{
		{"number as text", "ListPrice", `"450000"`, `450000`},
		{"spaces around", "ListPrice", `" 450000.50 "`, `450000.5`},
		{"exponent", "ListPrice", `4.5e5`, `450000`},
		{"many digits exactly", "ListPrice", `123456789012.34`, `123456789012.34`},
		{"zeros behind the point", "ListPrice", `450000.000`, `450000`},
		{"leading zeros", "ListPrice", `"00450000"`, `450000`},
		{"minus zero", "ListPrice", `-0.0`, `0`},
		{"negative", "ListPrice", `-5`, `-5`},
		{"empty text is null", "ListPrice", `""`, `null`},
		{"a written space is null", "ListPrice", `"\u0020"`, `null`},
		{"null stays", "ListPrice", `null`, `null`},
		{"integer with a point", "BedroomsTotal", `3.0`, `3`},
		{"integer as text", "BedroomsTotal", `"3"`, `3`},
		{"coordinate rounded up", "Latitude", `47.999999996`, `48`},
		{"coordinate rounded", "Longitude", `-122.123456785`, `-122.12345679`},
		{"tiny coordinate", "Latitude", `1e-20`, `0`},
		{"yes", "WaterfrontYN", `"Yes"`, `true`},
		{"zero", "WaterfrontYN", `0`, `false`},
		{"boolean", "WaterfrontYN", `true`, `true`},
		{"text trimmed", "City", `"  Kirkland\u00a0"`, `"Kirkland"`},
		{"text from a number", "PostalCode", `98033`, `"98033"`},
		{"text with its escapes", "PublicRemarks", `"a\/b\u0022\u00e9\ud83d\ude00\u0001"`, `"a/b\"é😀\u0001"`},
		{"date", "CloseDate", `"2026-01-31"`, `"2026-01-31"`},
		{"date of a time as written", "CloseDate", `"2026-01-31T23:30:00-08:00"`, `"2026-01-31"`},
		{"date, basic form", "CloseDate", `"20141013T000000"`, `"2014-10-13"`},
		{"timestamp in UTC", "StatusChangeTimestamp", `"2026-01-31T16:00:00-08:00"`, `"2026-02-01T00:00:00Z"`},
		{"timestamp of SQL", "StatusChangeTimestamp", `"2026-01-31 16:00:00.5"`, `"2026-01-31T16:00:00.5Z"`},
		{"list", "View", `[" Lake ", null, "", 7]`, `["Lake","7"]`},
		{"list as text", "View", `"Lake,, Mountain(s)"`, `["Lake","Mountain(s)"]`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			record := normalise(t, property(`"`+c.field+`":`+c.came))
			require.Empty(t, record.Faults)
			requireMember(t, record, c.field, c.written)
		})
	}
}

func requireMember(t *testing.T, record events.Record, name, want string) {
	t.Helper()
	doc, err := events.ParseDoc(record.Doc)
	require.NoError(t, err)
	raw, ok := doc.Raw(name)
	require.True(t, ok)
	require.Equal(t, want, string(raw))
}

func TestWhatCannotBeReadIsAFaultAndStays(t *testing.T) {
	cases := []struct{ name, field, came, must, written string }{
		{"words for a price", "ListPrice", `"a lot"`, "a decimal of at most 14 digits, 2 of them behind the point", ""},
		{"a tenth of a cent", "ListPrice", `1.005`, "2 of them behind the point", ""},
		{"too many digits", "ListPrice", `1234567890123`, "14 digits", ""},
		{"thousands separated", "ListPrice", `"450,000"`, "14 digits", ""},
		{"beyond every number", "ListPrice", `1e999`, "14 digits", `"1e999"`},
		{"exponent beyond counting", "ListPrice", `1e99999999999999999999`, "14 digits", `"1e99999999999999999999"`},
		{"hexadecimal", "ListPrice", `"0x10"`, "14 digits", ""},
		{"infinite", "ListPrice", `"Infinity"`, "14 digits", ""},
		{"point alone", "ListPrice", `"."`, "14 digits", ""},
		{"object", "ListPrice", `{"b":1,"a":2}`, "14 digits", `{"a":2,"b":1}`},
		{"half a bedroom", "BedroomsTotal", `2.5`, "a whole number", ""},
		{"boolean for a number", "BedroomsTotal", `true`, "a whole number", ""},
		{"number for a date", "CloseDate", `20260131`, "a date", ""},
		{"no such day", "CloseDate", `"2026-02-30"`, "a date", ""},
		{"another order of the date", "CloseDate", `"01/31/2026"`, "a date", ""},
		{"no time", "StatusChangeTimestamp", `"noon"`, "RFC 3339", ""},
		{"neither true nor false", "WaterfrontYN", `"maybe"`, "true or false", ""},
		{"two", "WaterfrontYN", `2`, "true or false", ""},
		{"boolean for a text", "City", `true`, "text of at most 50 characters", ""},
		{"list for a text", "City", `["Kirkland"]`, "text", ""},
		{"text too long", "City", `"` + strings.Repeat("é", 51) + `"`, "50 characters", ""},
		{"list of lists", "View", `[["Lake"]]`, "a list", ""},
		{"number for a list", "View", `5`, "a list", ""},
		{"list item too long", "View", `["` + strings.Repeat("v", 256) + `"]`, "255", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			record := normalise(t, property(`"`+c.field+`":`+c.came))
			require.Len(t, record.Faults, 1)
			require.Equal(t, c.field, record.Faults[0].Field)
			require.Contains(t, record.Faults[0].Must, c.must)
			require.NotEmpty(t, record.Faults[0].Observed)
			require.LessOrEqual(t, len(record.Faults[0].Observed), 80)
			if c.written == "" {
				c.written = c.came
			}
			requireMember(t, record, c.field, c.written)
		})
	}
}

func TestUnknownFieldsAreKeptAsJSONBTakesThem(t *testing.T) {
	record := normalise(t, property(`"z":{"b":[1.50,-0,1E2,2e-3,{"y":1,"x":2,"y":3}],"a":"\ud800x\udc00"},"Z":true,"huge":[1e308,1e307,-1e-307,1e-308,`+
		strings.Repeat("9", 1001)+`]`))
	requireMember(t, record, "z", `{"a":"�x�","b":[1.50,-0,100,0.002,{"x":2,"y":3}]}`)
	require.Len(t, record.Faults, 3)
	fields := []string{record.Faults[0].Field, record.Faults[1].Field, record.Faults[2].Field}
	require.Equal(t, []string{"huge[0]", "huge[3]", "huge[4]"}, fields)
	require.True(t, strings.HasPrefix(string(record.Doc), `{"ListingKey":"K","ModificationTimestamp":`), "members are sorted")
}

func TestFaultsAndGrowthOfOneRecordAreBounded(t *testing.T) {
	record := normalise(t, property(`"a":[`+strings.Repeat("1e999,", 5000)+`1]`))
	require.Len(t, record.Faults, events.MaxFaults)

	record = normalise(t, property(`"a":[`+strings.Repeat("1e300,", 100_000)+`1]`))
	require.Less(t, len(record.Doc), 2*events.MaxDataBytes, "short exponents do not grow a record without bounds")
	require.Equal(t, record.Doc, normalise(t, upsert(string(record.Doc))).Doc)
}

func TestKeyAndVersionAreWrittenBack(t *testing.T) {
	e := upsert(`{"b":1}`)
	e.Subject = " K-1 "
	record := normalise(t, e)
	require.Equal(t, "K-1", record.Key)
	require.Equal(t, events.NewVersion(occurred, 7), record.Version)
	require.Equal(t, `{"ListingKey":"K-1","ModificationTimestamp":"2026-03-14T15:09:26.535897Z","b":1}`, string(record.Doc))

	e = upsert(`{"ListingKey":77,"ModificationTimestamp":"2026-03-13"}`)
	require.Equal(t, `{"ListingKey":"77","ModificationTimestamp":"2026-03-13T00:00:00Z"}`, string(normalise(t, e).Doc))
}

func TestTheLastOfEqualNamesCounts(t *testing.T) {
	record := normalise(t, upsert(`{"ListingKey":"A","a":1,"ListingKey":"B","a":2,"\u0061":3}`))
	require.Equal(t, "B", record.Key)
	requireMember(t, record, "a", "3")
}

func TestADeleteIsAVersionWithoutDoc(t *testing.T) {
	e := intakeEvent("reos.lease.deleted.v1")
	record := normalise(t, e)
	require.Equal(t, events.Record{Type: events.Lease, Key: "GONE-1", Version: events.NewVersion(occurred, 7), Deleted: true}, record)

	e.Data = []byte(`{"LeaseKey":"GONE-1","ModificationTimestamp":"2026-03-13T00:00:00Z","LeaseAmount":"free"}`)
	record = normalise(t, e)
	require.True(t, record.Deleted)
	require.Nil(t, record.Doc)
	require.Empty(t, record.Faults)
	require.Equal(t, time.Date(2026, 3, 13, 0, 0, 0, 0, time.UTC), record.Version.At)

	e.Data = []byte(`{"LeaseKey":"ANOTHER"}`)
	_, err := events.NormaliseAt(e, clock)
	require.Error(t, err)
}

func TestNormaliseLeavesItsInputAlone(t *testing.T) {
	e := intakeEvent("reos.property.upserted.v1")
	before := bytes.Clone(e.Data)
	record := normalise(t, e)
	require.Equal(t, before, e.Data)
	clear(e.Data)
	require.True(t, json.Valid(record.Doc), "the doc has memory of its own")
}

func TestEveryFieldOfTheContractIsNamedOnce(t *testing.T) {
	for _, record := range events.RecordTypes {
		names := map[string]bool{}
		for _, field := range events.Fields(record) {
			require.False(t, names[field.Name], field.Name)
			names[field.Name] = true
			require.NotEmpty(t, field.Must(), field.Name)
		}
		require.True(t, names[events.KeyField(record)])
		require.True(t, names[events.ModificationTimestamp])
		require.GreaterOrEqual(t, len(names), 8, record)
	}
	require.GreaterOrEqual(t, len(events.Fields(events.Property)), 60)
}

func TestDocReadsWhatNormaliseWrote(t *testing.T) {
	doc, err := events.ParseDoc(normalise(t, intakeEvent("reos.property.upserted.v1")).Doc)
	require.NoError(t, err)

	text, ok := doc.Text("City")
	require.True(t, ok)
	require.Equal(t, "Seattle", text)
	price, ok := doc.Number("ClosePrice")
	require.True(t, ok)
	require.InDelta(t, 447500.5, price, 0)
	decimal, ok := doc.Decimal("ClosePrice")
	require.True(t, ok)
	require.Equal(t, json.Number("447500.5"), decimal)
	bedrooms, ok := doc.Integer("BedroomsTotal")
	require.True(t, ok)
	require.EqualValues(t, 3, bedrooms)
	waterfront, ok := doc.Bool("WaterfrontYN")
	require.True(t, ok)
	require.False(t, waterfront)
	views, ok := doc.List("View")
	require.True(t, ok)
	require.Equal(t, []string{"Lake", "Mountain(s)"}, views)
	closed, ok := doc.Time("CloseDate")
	require.True(t, ok)
	require.Equal(t, time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), closed)
	require.True(t, doc.Has("City"))
	for _, absent := range []string{"AssociationFee", "NoSuchField", "TaxAnnualAmount"} {
		require.False(t, doc.Has(absent), absent)
	}
	_, ok = doc.Number("City")
	require.False(t, ok)
	_, ok = doc.Text("ListPrice")
	require.False(t, ok)
	_, ok = doc.Integer("ClosePrice")
	require.False(t, ok)

	for _, wrong := range []string{"", "[]", "{", "1", "null", "{} x"} {
		_, err := events.ParseDoc([]byte(wrong))
		require.Error(t, err, wrong)
	}
}

func TestAddressIsComposedOfItsParts(t *testing.T) {
	cases := map[string]string{
		`{"UnparsedAddress":"1 Main St","StreetNumber":"2","StreetName":"Elm"}`:                                                                                              "1 Main St",
		`{"StreetNumber":"12","StreetDirPrefix":"NE","StreetName":"Elm","StreetSuffix":"St","UnitNumber":"4","City":"Kirkland","StateOrProvince":"WA","PostalCode":"98033"}`: "12 NE Elm St #4, Kirkland, WA 98033",
		`{"StreetName":"Elm","City":"Kirkland"}`: "",
		`{}`:                                     "",
	}
	for data, want := range cases {
		doc, err := events.ParseDoc([]byte(data))
		require.NoError(t, err)
		require.Equal(t, want, doc.Address())
	}
}

func TestLivingAreaIsReadInSquareFeet(t *testing.T) {
	for data, want := range map[string]float64{
		`{"LivingArea":100}`: 100,
		`{"LivingArea":100,"LivingAreaUnits":"Square Meters"}`:   1076.39104,
		`{"LivingArea":100.5,"LivingAreaUnits":"Square Feet"}`:   100.5,
		`{"LivingArea":"large","LivingAreaUnits":"Square Feet"}`: 0,
	} {
		doc, err := events.ParseDoc([]byte(data))
		require.NoError(t, err)
		area, ok := doc.LivingSquareFeet()
		require.Equal(t, want != 0, ok)
		require.InDelta(t, want, area, 1e-6)
	}
}

func TestVersionsAreOrderedByTimeThenSequence(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 1_500, time.FixedZone("", 3600))
	old := events.NewVersion(at, 5)
	require.Equal(t, time.UTC, old.At.Location())
	require.Equal(t, 1_000, old.At.Nanosecond(), "cut to microseconds")
	versions := []events.Version{events.NewVersion(at.Add(time.Second), 0), events.NewVersion(at, 6), old}
	slices.SortFunc(versions, events.Version.Compare)
	require.Equal(t, old, versions[0])
	require.EqualValues(t, 6, versions[1].Sequence)
	require.Zero(t, old.Compare(events.NewVersion(at, 5)))
}

// benchmarkRecord is a property of about 1.5 KB and 45 fields, as feeds send them.
func benchmarkRecord() []byte {
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(intakeData["reos.property.upserted.v1"]), &members); err != nil {
		panic(err)
	}
	members["X_Feed"] = []byte(`{"id":17,"source":"bench"}`)
	members["PublicRemarks"] = []byte(strconv.Quote(strings.Repeat("Bright home near parks and schools. ", 11)))
	for _, name := range []string{"ListAgentKey", "ListOfficeKey", "MlsStatus", "CountyOrParish", "StreetName"} {
		members[name] = []byte(`"some text"`)
	}
	for _, name := range []string{"TaxYear", "DaysOnMarket", "StoriesTotal", "X_1", "X_2"} {
		members[name] = []byte("12")
	}
	data, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	return data
}

func BenchmarkNormalise(b *testing.B) {
	e := upsert(string(benchmarkRecord()))
	b.SetBytes(int64(len(e.Data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := events.NormaliseAt(e, clock); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseDoc(b *testing.B) {
	record := normalise(b, upsert(string(benchmarkRecord())))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := events.ParseDoc(record.Doc); err != nil {
			b.Fatal(err)
		}
	}
}
