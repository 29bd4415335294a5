package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	pb "github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/qdrant"
	"github.com/codybias9/real-estate-os/workers/embedding"
	"github.com/codybias9/real-estate-os/workers/reconcile"
)

// variable is the last value that the environment of the world's processes gives a name.
func (w *world) variable(name string) string {
	for _, variable := range slices.Backward(w.env) {
		if value, ok := strings.CutPrefix(variable, name+"="); ok {
			return value
		}
	}
	return ""
}

// behind opens the vector store behind the pipeline's back: as the adapter does, and as anybody may.
func (w *world) behind() (*qdrant.Client, *pb.Client, string) {
	w.t.Helper()
	model := embedding.NewHashing()
	config := qdrant.Config{URL: w.variable("QDRANT_URL"), Collection: w.variable("QDRANT_COLLECTION")}
	client, err := qdrant.Open(context.Background(), config)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, client.Close()) })
	require.NoError(w.t, client.Ensure(context.Background(), model.Model(), model.Dimensions()))

	address, err := url.Parse(config.URL)
	require.NoError(w.t, err)
	port, err := strconv.Atoi(address.Port())
	require.NoError(w.t, err)
	key, _ := address.User.Password()
	raw, err := pb.NewClient(&pb.Config{
		Host: address.Hostname(), Port: port, UseTLS: address.Scheme == "https", Headers: map[string]string{"api-key": key},
		SkipCompatibilityCheck: true, PoolSize: 1,
	})
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, raw.Close()) })
	aliases, err := raw.ListAliases(context.Background())
	require.NoError(w.t, err)
	at := slices.IndexFunc(aliases, func(a *pb.AliasDescription) bool { return a.GetAliasName() == config.Collection })
	require.GreaterOrEqual(w.t, at, 0)
	return client, raw, aliases[at].GetCollectionName()
}

// bucket opens the object store behind the pipeline's back.
func (w *world) bucket() (*minio.Client, string) {
	w.t.Helper()
	location, err := url.Parse(w.variable("S3_URL"))
	require.NoError(w.t, err)
	secret, _ := location.User.Password()
	client, err := minio.New(location.Host, &minio.Options{
		Creds: credentials.NewStaticV4(location.User.Username(), secret, ""), Secure: location.Scheme == "https",
	})
	require.NoError(w.t, err)
	return client, strings.TrimPrefix(location.Path, "/")
}

// reconciled runs the verb, expects its exit code and returns what it found.
func (w *world) reconciled(code int, args ...string) reconcile.Report {
	w.t.Helper()
	stdout, stderr, got := w.reos(append([]string{"reconcile", "--json"}, args...)...)
	require.Equal(w.t, code, got, "%s\n%s", stdout, stderr)
	var report reconcile.Report
	require.NoError(w.t, json.Unmarshal([]byte(stdout), &report), "exactly one JSON object: %s", stdout)
	return report
}

// counts is what a report found and repaired, by kind.
func counts(report reconcile.Report) (found, repaired map[store.FindingKind]int) {
	found, repaired = map[store.FindingKind]int{}, map[store.FindingKind]int{}
	for _, tenant := range report.Tenants {
		for _, k := range tenant.Findings {
			found[k.Kind] += k.Count
			repaired[k.Kind] += k.Repaired
		}
	}
	return found, repaired
}

// point is one that nobody has made from a record.
func strayPoint(key string, at time.Time) store.Point {
	vector := make([]float32, embedding.NewHashing().Dimensions())
	vector[0] = 1
	return store.Point{Key: key, Version: events.NewVersion(at, 0), Vector: vector}
}

func TestReconcileFindsAndRepairs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env = append(w.env, "RECONCILE_OBJECT_GRACE=0s", "RECONCILE_INTERVAL=0", "ARCHIVE_AFTER=100ms")
	ctx := t.Context()
	all := w.start("worker", "all")
	other := w.createTenant("other")
	const homesOfEach = 600 // more than a page
	w.ok("publish", homes(t, "h", homesOfEach, 1), "--tenant", tenantName)
	w.ok("publish", homes(t, "h", 20, 1), "--tenant", "other")
	w.settled()
	w.awaitNumber(0, "SELECT count(*) FROM staged_raw")
	clean := w.reconciled(exitOK)
	require.True(t, clean.Clean)
	require.Zero(t, clean.Found)
	require.Len(t, clean.Tenants, 2)
	require.Equal(t, homesOfEach, clean.Tenants[0].Properties)
	require.Equal(t, homesOfEach, clean.Tenants[0].Points)
	require.Positive(t, clean.Tenants[0].Objects)

	// A home of acme is quarantined: search must not find it.
	w.exec(w.admin, `UPDATE verdicts SET passed = false, failures = '[{}]' WHERE record_key = 'h-00009' AND tenant_id = '`+w.tenant.String()+`'`)
	w.exec(w.admin, `UPDATE index_entries SET present = false WHERE record_key = 'h-00009' AND tenant_id = '`+w.tenant.String()+`'`)
	w.exec(w.admin, `UPDATE index_entries SET version_at = version_at - interval '1 day' WHERE record_key = 'h-00008' AND tenant_id = '`+w.tenant.String()+`'`)
	w.exec(w.admin, `DELETE FROM embeddings WHERE record_key = 'h-00007' AND tenant_id = '`+w.tenant.String()+`'`)
	client, raw, collection := w.behind()
	mine, theirs := client.Tenant(w.tenant), client.Tenant(other)
	lost := []string{"h-00000", "h-00001", "h-00599"}
	require.NoError(t, mine.Delete(ctx, lost))
	require.NoError(t, mine.Upsert(ctx, []store.Point{strayPoint("ghost", time.Now())}))
	require.NoError(t, mine.Upsert(ctx, []store.Point{strayPoint("h-00002", time.Unix(0, 0))}))
	_, err := raw.Upsert(ctx, &pb.UpsertPoints{CollectionName: collection, Wait: pb.PtrOf(true), Points: []*pb.PointStruct{
		{ // acme's, under the id of a point of the other tenant's
			Id: pb.NewIDUUID(store.PointID(other, "h-00003").String()), Vectors: pb.NewVectorsDense(strayPoint("", time.Now()).Vector),
			Payload: pb.NewValueMap(map[string]any{"tenant_id": w.tenant.String(), "record_key": "h-00003"}),
		},
		{ // made by somebody else altogether
			Id: pb.NewIDNum(7), Vectors: pb.NewVectorsDense(strayPoint("", time.Now()).Vector),
			Payload: pb.NewValueMap(map[string]any{"tenant_id": w.tenant.String()}),
		},
		{ // of an own home, without a version
			Id: pb.NewIDUUID(store.PointID(w.tenant, "h-00004").String()), Vectors: pb.NewVectorsDense(strayPoint("", time.Now()).Vector),
			Payload: pb.NewValueMap(map[string]any{"tenant_id": w.tenant.String(), "record_key": "h-00004"}),
		},
	}})
	require.NoError(t, err)
	s3, bucket := w.bucket()
	named := []string{
		w.text("SELECT min(object_key) FROM raw_archive WHERE tenant_id = $1", w.tenant),
		w.text("SELECT max(object_key) FROM raw_archive WHERE tenant_id = $1", w.tenant),
	}
	require.NotEqual(t, named[0], named[1])
	require.NoError(t, s3.RemoveObject(ctx, bucket, named[0], minio.RemoveObjectOptions{}))
	put := func(key, content string) {
		_, err := s3.PutObject(ctx, bucket, key, bytes.NewReader([]byte(content)), int64(len(content)), minio.PutObjectOptions{})
		require.NoError(t, err)
	}
	put(named[1], "cut")
	put(w.tenant.String()+"/raw/2001/01/01/stray.zst", "stray")

	want := map[store.FindingKind]int{
		store.PointMissing: 3 + 1, store.PointExtra: 2, store.PointWrongVersion: 2, store.PointWrongTenant: 2,
		store.IndexBehind: 2, store.ObjectMissing: 2, store.ObjectExtra: 1,
	}
	report := w.reconciled(exitDivergence)
	found, repaired := counts(report)
	require.Equal(t, want, found)
	require.Zero(t, report.Repaired)
	require.Equal(t, map[store.FindingKind]int{
		store.PointMissing: 0, store.PointExtra: 0, store.PointWrongVersion: 0, store.PointWrongTenant: 0,
		store.IndexBehind: 0, store.ObjectMissing: 0, store.ObjectExtra: 0,
	}, repaired)
	require.Equal(t, 1, len(w.reconciled(exitDivergence, "--tenant", "other").Tenants), "the point under a foreign id took the place of the other's own")
	stdout, _, code := w.reos("reconcile")
	require.Equal(t, exitDivergence, code)
	for _, mention := range []string{"h-00599", "ghost", named[0], "stray.zst", "wrong_tenant"} {
		require.Contains(t, stdout, mention)
	}

	// acme is repaired first, and so the other tenant's point is seen to be missing in the same run.
	found, repaired = counts(w.reconciled(exitDivergence, "--repair"))
	require.Equal(t, want, found)
	require.Zero(t, repaired[store.ObjectMissing]+repaired[store.ObjectExtra], "evidence is not touched")
	for _, kind := range []store.FindingKind{store.PointMissing, store.PointExtra, store.PointWrongVersion, store.PointWrongTenant, store.IndexBehind} {
		require.Equal(t, want[kind], repaired[kind], kind)
	}
	w.settled()
	found, _ = counts(w.reconciled(exitDivergence))
	require.Equal(t, map[store.FindingKind]int{store.ObjectMissing: 2, store.ObjectExtra: 1}, found)
	require.Equal(t, homesOfEach-1, w.points())
	n, err := theirs.Count(ctx)
	require.NoError(t, err)
	require.Equal(t, 20, n)
	require.Zero(t, w.number("SELECT count(*) FROM dead_letters"))

	// The collection is gone, and everything in it.
	require.NoError(t, raw.DeleteCollection(ctx, collection))
	found, repaired = counts(w.reconciled(exitDivergence, "--repair"))
	require.Equal(t, homesOfEach-1+20, found[store.PointMissing])
	require.Equal(t, found[store.PointMissing], repaired[store.PointMissing])
	w.settled()
	found, _ = counts(w.reconciled(exitOK, "--tenant", "other"))
	require.Empty(t, found)
	found, _ = counts(w.reconciled(exitDivergence, "--tenant", tenantName))
	require.Equal(t, map[store.FindingKind]int{store.ObjectMissing: 2, store.ObjectExtra: 1}, found)
	require.Equal(t, homesOfEach-1, w.points())
	all.stop()
}

func TestReconcileRunsOnASchedule(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env = append(w.env, "RECONCILE_INTERVAL=1s")
	rest := w.start("worker", "ingestion", "quality", "embedding", "indexing", "deadletters")
	watch := w.start("worker", "freshness") // it compares though it has no use for the other stores
	w.ok("publish", homes(t, "h", 3, 1), "--tenant", tenantName)
	w.settled()
	const looked, missing = "reos_reconcile_run_timestamp_seconds", `reos_reconcile_findings{kind="missing"}`
	from := float64(time.Now().UnixMicro()) / 1e6
	watch.awaitMetric(looked, func(at float64) bool { return at > from })
	require.Zero(t, watch.metric(missing))
	client, _, _ := w.behind()
	require.NoError(t, client.Tenant(w.tenant).Delete(t.Context(), []string{"h-00001"}))
	watch.awaitMetric(missing, func(n float64) bool { return n == 1 })
	require.Equal(t, 2, w.points(), "a schedule repairs nothing")
	require.Contains(t, watch.logged(), uuid.UUID.String(w.tenant))
	w.reconciled(exitOK, "--repair")
	watch.awaitMetric(missing, func(n float64) bool { return n == 0 })
	require.Equal(t, 3, w.points())
	watch.stop()
	rest.stop()
}
