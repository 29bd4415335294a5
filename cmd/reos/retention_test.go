package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/store/postgres"
)

// storedRows digests what the pipeline knows of records, with the transactions that wrote it.
const storedRows = `SELECT md5(string_agg(line, '|' ORDER BY line)) FROM (
	SELECT record_key || xmin || doc::text AS line FROM properties
	UNION ALL SELECT record_key || xmin || failures::text FROM verdicts
	UNION ALL SELECT record_key || xmin || md5(vector) FROM embeddings
	UNION ALL SELECT record_key || xmin || present FROM index_entries
	UNION ALL SELECT event_uid::text || xmin FROM raw_archive UNION ALL SELECT event_uid::text || xmin FROM staged_raw) AS rows`

// A year-old feed that comes once more finds an installation that has forgotten its events.
func TestInvariants2And3AFeedThatComesAgainAfterRetentionChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env = append(w.env, "ARCHIVE_AFTER=1h") // it would change rows
	all := w.start("worker", "all")
	const records, versions = 60, 3
	feed := homes(t, "old", records, versions)
	w.ok("publish", feed, "--tenant", tenantName)
	w.settled()
	require.Equal(t, records*versions, w.number("SELECT count(*) FROM progress"))

	w.exec(w.admin, "UPDATE progress SET accepted_at = accepted_at - interval '1 year', finished_at = finished_at - interval '1 year'")
	db, err := postgres.Open(t.Context(), postgres.Config{URL: variable(w.env, "DATABASE_URL"), MaxConns: 2})
	require.NoError(t, err)
	defer db.Close()
	w.ok("publish", homes(t, "later", 1, 1), "--tenant", tenantName) // the last of the source stays as well
	w.settled()
	removed, err := db.Platform().RetireEvents(t.Context(), 720*time.Hour)
	require.NoError(t, err)
	require.EqualValues(t, records*(versions-1), removed, "the events of the newest versions stay")

	objects := w.objects()
	require.Positive(t, objects)
	before, points := w.text(storedRows), w.points()
	w.ok("publish", feed, "--tenant", tenantName)
	w.settled()
	require.Equal(t, before, w.text(storedRows), "a duplicate wrote a row of a record, or its bytes once more")
	require.Equal(t, points, w.points())
	require.Equal(t, objects, w.objects(), "no object that nothing refers to")
	require.Equal(t, records*(versions-1), w.number("SELECT count(*) FROM progress WHERE reason = 'version_older'"))
	require.Zero(t, w.number("SELECT count(*) FROM dead_letters"))
	require.Zero(t, w.number("SELECT count(*) FROM progress WHERE finished_at IS NULL"))
	all.stop()
}

// variable is what an environment says, the last word of it.
func variable(env []string, name string) (value string) {
	for _, one := range env {
		if found, ok := strings.CutPrefix(one, name+"="); ok {
			value = found
		}
	}
	return value
}

// objects counts the objects in the world's bucket.
func (w *world) objects() (n int) {
	w.t.Helper()
	client, bucket := w.bucket()
	for object := range client.ListObjects(context.Background(), bucket, minio.ListObjectsOptions{Recursive: true}) {
		require.NoError(w.t, object.Err)
		n++
	}
	return n
}
