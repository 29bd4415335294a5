package main

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/store/qdrant"
)

const (
	kingCounty        = "../../../shared/data/kc_house_data.csv"
	kingCountyMapping = "../../docs/feeds/king-county.yaml"
	kingCountySales   = 21_613
	kingCountyHouses  = 21_436
)

// keptRaw counts the events whose raw bytes are kept: in an object, or staged for one. No event is in both.
const keptRaw = `SELECT (SELECT count(*) FROM raw_archive) + (SELECT count(*) FROM staged_raw)`

func needKingCounty(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(kingCounty); os.IsNotExist(err) {
		t.Skip("no ../shared beside the project")
	}
}

// contents digests every row that the pipeline wrote, with the transaction that wrote it: a row that was written
// again, even with what it held, changes it.
const contents = `SELECT md5(string_agg(line, '|' ORDER BY line)) FROM (
	SELECT 'properties' || tenant_id || record_key || xmin || doc::text AS line FROM properties
	UNION ALL SELECT 'verdicts' || tenant_id || record_key || xmin || failures::text FROM verdicts
	UNION ALL SELECT 'embeddings' || tenant_id || record_key || xmin || md5(vector) FROM embeddings
	UNION ALL SELECT 'index' || tenant_id || record_key || xmin || present FROM index_entries
	UNION ALL SELECT 'archive' || tenant_id || event_uid || xmin || object_key FROM raw_archive
	UNION ALL SELECT 'staged' || tenant_id || event_uid || xmin FROM staged_raw
	UNION ALL SELECT 'progress' || tenant_id || event_uid || xmin FROM progress) AS rows`

// requireKingCounty checks the end of a publish of King County's sales, counted in the stores.
func (w *world) requireKingCounty() {
	w.t.Helper()
	require.Equal(w.t, kingCountyHouses, w.number("SELECT count(*) FROM properties WHERE tenant_id = $1 AND NOT deleted", w.tenant))
	require.Equal(w.t, kingCountySales, w.number("SELECT count(*) FROM progress WHERE tenant_id = $1", w.tenant))
	require.Zero(w.t, w.number("SELECT count(*) FROM progress WHERE finished_at IS NULL"), "unfinished")
	require.Zero(w.t, w.number("SELECT count(*) FROM dead_letters"), "dead")
	require.Equal(w.t, kingCountySales, w.number(keptRaw))

	indexed := w.number("SELECT count(*) FROM index_entries WHERE present")
	quarantined := w.number("SELECT count(*) FROM verdicts WHERE NOT passed AND jsonb_array_length(failures) > 0")
	require.Equal(w.t, kingCountyHouses, indexed+quarantined, "indexed %d, quarantined %d", indexed, quarantined)
	require.Greater(w.t, indexed, 21_000)
	require.Equal(w.t, indexed, w.points(), "Qdrant agrees with Postgres")
	require.Zero(w.t, w.number(`SELECT count(*) FROM properties p JOIN index_entries i USING (tenant_id, record_key)
		WHERE (p.version_at, p.version_seq) <> (i.version_at, i.version_seq)`), "indexed at an older version")
	// The later sale wins: this house was sold for 280,000 in 2014 and for 300,000 in 2015.
	require.Equal(w.t, 1, w.number("SELECT count(*) FROM properties WHERE record_key = '0001000102' AND list_price = 300000"))
}

// points counts the tenant's points in Qdrant.
func (w *world) points() int {
	w.t.Helper()
	var config qdrant.Config
	for _, variable := range w.env {
		if value, ok := cutPrefix(variable, "QDRANT_URL="); ok {
			config.URL = value
		}
		if value, ok := cutPrefix(variable, "QDRANT_COLLECTION="); ok {
			config.Collection = value
		}
	}
	client, err := qdrant.Open(context.Background(), config)
	require.NoError(w.t, err)
	defer client.Close()
	count, err := client.Tenant(w.tenant).Count(context.Background())
	require.NoError(w.t, err)
	return count
}

func cutPrefix(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || s[:len(prefix)] != prefix {
		return "", false
	}
	return s[len(prefix):], true
}

func (w *world) publishKingCounty() {
	w.t.Helper()
	var result struct{ Published, Rejected int }
	w.okJSON(&result, "publish", kingCounty, "--mapping", kingCountyMapping, "--tenant", tenantName)
	require.Equal(w.t, kingCountySales, result.Published)
	require.Zero(w.t, result.Rejected)
}

func TestKingCountyThroughOneProcessTwice(t *testing.T) {
	needKingCounty(t)
	t.Parallel()
	w := newWorld(t)
	w.env = append(w.env, "ARCHIVE_AFTER=1h") // it would change rows
	all := w.start("worker", "all")
	w.publishKingCounty()
	status := w.settled()
	w.requireKingCounty()
	require.Equal(t, kingCountyHouses, status.Tenants[tenantAt(status)].Records)

	before := w.text(contents)
	w.publishKingCounty()
	w.settled()
	w.requireKingCounty()
	require.Equal(t, before, w.text(contents), "publishing the same file again wrote a row")

	var found struct {
		Hits []struct {
			Key   string
			Score float32
		}
	}
	w.okJSON(&found, "search", "--tenant", tenantName, "--limit", "5", "--min-price", "400000", "--max-price", "500000", "4 bedroom house built 1955 zipcode 98178")
	require.Len(t, found.Hits, 5)
	all.stop()
}

// tenantAt finds the test's tenant in a status.
func tenantAt(status statusReport) int {
	for i, one := range status.Tenants {
		if one.Tenant.Name == tenantName {
			return i
		}
	}
	return -1
}

func TestKingCountyThroughProcessesThatComeAndGo(t *testing.T) {
	needKingCounty(t)
	t.Parallel()
	w := newWorld(t)
	watch := w.start("worker", "freshness", "deadletters")
	stages := []string{"ingestion", "quality", "embedding", "indexing"}
	running := map[string]*process{}
	for _, stage := range stages {
		running[stage] = w.start("worker", stage)
	}
	published := make(chan struct{})
	go func() {
		defer close(published)
		w.publishKingCounty()
	}()
	for i, stage := range stages {
		w.awaitInFlight(1 + 2000*i)
		running[stage].stop()
		running[stage] = w.start("worker", stage)
	}
	w.awaitInFlight(12_000)
	running["indexing"].kill()
	running["indexing"] = w.start("worker", "indexing")
	<-published
	w.settled()
	w.requireKingCounty()
	for _, stage := range stages {
		running[stage].stop()
	}
	watch.stop()
}

// awaitInFlight waits until so many events are accepted.
func (w *world) awaitInFlight(accepted int) {
	w.t.Helper()
	require.Eventually(w.t, func() bool { return w.number("SELECT count(*) FROM progress") >= accepted },
		2*time.Minute, 20*time.Millisecond, "%d events are not accepted", accepted)
}
