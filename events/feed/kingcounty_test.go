package feed_test

import (
	"errors"
	"io/fs"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/events/feed"
)

const (
	kingCountySales   = "../../../shared/data/kc_house_data.csv"
	kingCountyMapping = "../../docs/feeds/king-county.yaml"
)

// needKingCounty skips where the file, which is no part of the project, is not beside it.
func needKingCounty(t testing.TB) {
	if _, err := os.Stat(kingCountySales); errors.Is(err, fs.ErrNotExist) {
		t.Skip("the King County sales are not beside the project")
	}
}

func TestKingCountySales(t *testing.T) {
	needKingCounty(t)
	mapping, err := feed.LoadMapping(kingCountyMapping)
	require.NoError(t, err)
	file, err := feed.Open(kingCountySales)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, file.Close()) })

	type version struct {
		key string
		at  time.Time
	}
	ids, sales, versions, faulty := map[string]bool{}, map[string]int{}, map[version]bool{}, 0
	for event, err := range feed.Read(file, feed.CSV, feed.Options{Tenant: tenantA, Mapping: mapping}) {
		require.NoError(t, err)
		ids[event.ID] = true
		sales[event.Subject]++
		versions[version{event.Subject, event.Time}] = true
		record, err := events.Normalise(event)
		require.NoError(t, err)
		faulty += len(record.Faults)
		if event.Subject == "7129300520" {
			require.JSONEq(t, `{"ListingKey": "7129300520", "ParcelNumber": "7129300520", "StandardStatus": "Closed",
				"PropertyType": "Residential", "ListPrice": 221900, "ClosePrice": 221900, "CloseDate": "2014-10-13",
				"ModificationTimestamp": "2014-10-13T07:00:00Z", "BedroomsTotal": 3, "BathroomsTotalInteger": 1,
				"BathroomsTotalDecimal": 1, "LivingArea": 1180, "LivingAreaUnits": "Square Feet",
				"AboveGradeFinishedArea": 1180, "BelowGradeFinishedArea": 0, "LotSizeSquareFeet": 5650, "StoriesTotal": 1,
				"YearBuilt": 1955, "UnparsedAddress": "Parcel 7129300520, King County, WA 98178", "CountyOrParish": "King",
				"StateOrProvince": "WA", "PostalCode": "98178", "Country": "US", "Latitude": 47.5112, "Longitude": -122.257,
				"WaterfrontYN": false, "ViewYN": false,
				"PublicRemarks": "3 bedroom home of 1180 square feet built 1955 on a lot of 5650 square feet, 1 floors, 1 bathrooms, grade 7 of 13, condition 3 of 5, view 0 of 4"}`,
				string(record.Doc))
		}
	}
	require.Len(t, ids, 21_613, "rows")
	require.Len(t, versions, 21_613, "no house was sold twice on a day: every row is a version of its own")
	require.Len(t, sales, 21_436, "houses")
	again := 0
	for _, times := range sales {
		if times > 1 {
			again++
		}
	}
	require.Equal(t, 176, again, "houses sold more than once")
	require.Zero(t, faulty)
	require.Equal(t, file.Size(), file.BytesRead())
}

func BenchmarkKingCountySales(b *testing.B) {
	needKingCounty(b)
	mapping, err := feed.LoadMapping(kingCountyMapping)
	require.NoError(b, err)
	rows := 0
	for b.Loop() {
		file, err := feed.Open(kingCountySales)
		require.NoError(b, err)
		b.SetBytes(file.Size())
		for _, err := range feed.Read(file, feed.CSV, feed.Options{Tenant: tenantA, Mapping: mapping}) {
			require.NoError(b, err)
			rows++
		}
		require.NoError(b, file.Close())
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}
