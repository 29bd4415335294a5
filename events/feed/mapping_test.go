package feed_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/events/feed"
)

const everything = `
record: lease
delimiter: ";"
empty: [NA]
version: {column: changed, layout: "02.01.2006 15:04", timezone: Europe/Berlin}
fields:
  LeaseKey: {template: "L-{no}"}
  LeaseStatus: {column: status, values: {A: Active, X: "No longer"}}
  LeaseAmount: {column: rent, round: nearest}
  LeaseStartDate: {column: start, layout: 02.01.2006}
  LeaseRenewalOptionYN: renew
  PetsAllowedYN: {const: "no"}
  TenantName: {template: "{{{name}}}"}
  SecurityDeposit: {column: deposit, empty: ["0"]}
  X_Rooms: {column: rooms, type: integer}
  X_Floor: {column: rooms, type: integer, round: down}
`

func TestMappingLanguage(t *testing.T) {
	text := "no;changed;status;rent;start;renew;name;deposit;rooms\n" +
		"1;31.01.2026 01:30;A;1234.5;01.02.2026;J;Ann;0;3.0\n" +
		"2;31.01.2026 01:30;Odd;NA;soon;y;NA;500;3.5\n"
	all, refused, err := readText(text, feed.CSV, feed.Options{Mapping: mapping(t, everything)})
	require.NoError(t, err)
	require.Empty(t, refused)
	require.Equal(t, []string{"L-1", "L-2"}, keys(all))
	require.Equal(t, "reos.lease.upserted.v1", all[0].Type)
	require.JSONEq(t, `{"LeaseKey":"L-1","ModificationTimestamp":"2026-01-31T00:30:00Z","LeaseStatus":"Active","LeaseAmount":1235,
		"LeaseStartDate":"2026-02-01","LeaseRenewalOptionYN":"J","PetsAllowedYN":false,"TenantName":"{Ann}","X_Rooms":3,"X_Floor":3}`,
		string(all[0].Data))
	require.JSONEq(t, `{"LeaseKey":"L-2","ModificationTimestamp":"2026-01-31T00:30:00Z","LeaseStatus":"Odd",
		"LeaseStartDate":"soon","LeaseRenewalOptionYN":true,"PetsAllowedYN":false,"SecurityDeposit":500,"X_Rooms":"3.5","X_Floor":3}`,
		string(all[1].Data))
}

func TestMappingIsStrict(t *testing.T) {
	const rest = "\nkey: id\nversion: {column: at}"
	for text, problem := range map[string]string{
		"colour: red" + rest:                                               "colour",
		"fields: {ListPrice: {colum: price}}" + rest:                       "colum",
		"fields: {ListPrice: {column: price, type: money}}" + rest:         `fields.ListPrice: type must be one of [text integer decimal date timestamp boolean], got "money"`,
		"fields: {ListPrice: {column: price, round: sideways}}" + rest:     `got "sideways"`,
		"fields: {ListPrice: {column: price, const: 1}}" + rest:            "only one",
		"fields: {ListPrice: {}}" + rest:                                   "needs one of column, const and template",
		"fields: {ListPrice: {const: '1', layout: '2006'}}" + rest:         "need a column",
		"fields: {CloseDate: {column: d, layout: YYYY-MM-DD}}" + rest:      `got "YYYY-MM-DD"`,
		"fields: {PublicRemarks: {template: 'a {b'}}" + rest:               "pair of braces",
		"fields: {PublicRemarks: {template: 'a b}'}}" + rest:               "must open each brace",
		"fields: {ListPrice: a, ListPrice: b}" + rest:                      "ListPrice",
		"record: castle" + rest:                                            `got "castle"`,
		"format: reso" + rest:                                              "format must be csv",
		"delimiter: '||'" + rest:                                           "delimiter must be",
		"key: id\nversion: {column: at, layout: '2006', timezone: Mars/X}": `version.timezone must be an IANA name such as America/Los_Angeles, got "Mars/X"`,
		"key: id\nversion: {column: at, timezone: Europe/Berlin}":          "needs a version.layout",
	} {
		_, err := feed.ParseMapping("m.yaml", []byte(text))
		require.ErrorContains(t, err, problem, text)
		require.ErrorContains(t, err, "mapping m.yaml")
	}
}

func TestMappingFitsTheRecordType(t *testing.T) {
	for text, problem := range map[string]string{
		"version: {column: at}": "key is missing: the column of ListingKey",
		"key: id":               "version.column is missing: the column of ModificationTimestamp",
		"{key: id, version: {column: at}, fields: {ListingKey: id}}":                             "key and fields.ListingKey say the same",
		"{key: id, version: {column: at}, fields: {ListPrise: p}}":                               "fields.ListPrise is no field of the record type property; give it a type",
		"{key: id, version: {column: at}, fields: {City: {column: c, round: up}}}":               "round needs a number, not the type text",
		"{key: id, version: {column: at}, fields: {ListPrice: {column: c, layout: '20060102'}}}": "layout needs a date or timestamp",
	} {
		_, _, err := readText("id,at\n", feed.CSV, feed.Options{Mapping: mapping(t, text)})
		require.ErrorContains(t, err, problem)
	}
	all, _, err := readText("id,at\nO1,2026-01-02\n", feed.CSV,
		feed.Options{Mapping: mapping(t, "{key: id, version: {column: at}}"), RecordType: events.Offer})
	require.NoError(t, err)
	require.Equal(t, "reos.offer.upserted.v1", all[0].Type, "a mapping that names no record type leaves it to the options")
}

func TestMappingReadsTabs(t *testing.T) {
	tabs := mapping(t, `{delimiter: "\t", version: {column: at}, fields: {ListingKey: {template: "KC-{id}"}}}`)
	all, _, err := readText("id\tat\n1\t2026-01-02\n", feed.CSV, feed.Options{Mapping: tabs})
	require.NoError(t, err)
	require.Equal(t, []string{"KC-1"}, keys(all))
}

func TestLoadMapping(t *testing.T) {
	_, err := feed.LoadMapping(filepath.Join(t.TempDir(), "none.yaml"))
	require.ErrorIs(t, err, os.ErrNotExist)
	path := filepath.Join(t.TempDir(), "m.yaml")
	require.NoError(t, os.WriteFile(path, []byte(everything), 0o600))
	_, err = feed.LoadMapping(path)
	require.NoError(t, err)
}
