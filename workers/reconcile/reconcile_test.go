package reconcile_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers/reconcile"
)

var (
	older  = events.NewVersion(noon.Add(-time.Hour), 0)
	newest = events.NewVersion(noon, 1)
)

// standing is a property that search should find, and does.
func standing(key string, change ...func(*store.IndexStanding)) store.IndexStanding {
	s := store.IndexStanding{
		Key: key, Version: newest, Judged: true, Passed: true, Embedded: true, Event: uuid.NewSHA1(uuid.NameSpaceOID, []byte(key)),
		OccurredAt: noon, Entry: &store.IndexEntry{Key: key, Version: newest, Present: true},
	}
	for _, c := range change {
		c(&s)
	}
	return s
}

func absent(s *store.IndexStanding) { s.Entry.Present = false }
func deleted(s *store.IndexStanding) {
	s.Deleted, s.Judged, s.Passed, s.Embedded = true, false, false, false
}
func quarantined(s *store.IndexStanding) { s.Passed, s.Embedded = false, false }
func unjudged(s *store.IndexStanding)    { s.Judged, s.Passed, s.Embedded = false, false, false }
func unembedded(s *store.IndexStanding)  { s.Embedded = false }
func behind(s *store.IndexStanding)      { s.Entry.Version = older }
func never(s *store.IndexStanding)       { s.Entry = nil }
func onItsWay(s *store.IndexStanding)    { s.Unfinished = true }

func pointOf(key string, version events.Version) store.PointRef {
	return store.PointRef{ID: store.PointID(tenantA, key).String(), Key: key, Version: version}
}

func reconciled(t *testing.T, f *fakeStores, repair bool) (reconcile.TenantReport, *fakeTransport) {
	t.Helper()
	transport := newTransport()
	reconciler := reconcile.New(fakePlatform{{ID: tenantA, Name: "a"}, {ID: store.PlatformTenant}}, f.stores(), "m", transport,
		transport.topology, reconcile.Config{ObjectGrace: time.Hour}, zerolog.Nop())
	tenants, err := reconciler.All(t.Context())
	require.NoError(t, err)
	report, err := reconciler.Run(t.Context(), tenants, reconcile.Options{Repair: repair})
	require.NoError(t, err)
	require.Len(t, report.Tenants, 1, "the platform's own tenant has no records")
	require.Equal(t, report.Found == report.Repaired, report.Clean)
	return report.Tenants[0], transport
}

// kinds lists what was found: key → kind.
func kinds(report reconcile.TenantReport) map[string]store.FindingKind {
	found := map[string]store.FindingKind{}
	for _, k := range report.Findings {
		for _, sample := range k.Samples {
			found[sample.Key+sample.Object] = k.Kind
		}
	}
	return found
}

func TestIndexIsComparedAndRepairedByEvents(t *testing.T) {
	f := &fakeStores{
		standings: []store.IndexStanding{
			standing("absent", quarantined, absent), standing("behind", behind), standing("deleted", deleted, absent),
			standing("extra", quarantined, absent), standing("fine"), standing("forgotten", absent), standing("gone", deleted, absent),
			standing("missing"), standing("never", never), standing("unembedded", unembedded), standing("unjudged", unjudged, behind),
			standing("way", onItsWay, behind), standing("wrong"),
		},
		points: []store.PointRef{
			pointOf("behind", older), pointOf("extra", newest), pointOf("fine", newest), pointOf("gone", newest), pointOf("ghost", newest),
			{ID: store.PointID(tenantB, "fine").String(), Key: "fine", Version: newest},
			pointOf("wrong", older),
			{ID: "7"},
		},
	}
	want := map[string]store.FindingKind{
		"behind": store.IndexBehind, "extra": store.PointExtra, "forgotten": store.IndexBehind, "gone": store.PointExtra,
		"missing": store.PointMissing, "never": store.IndexBehind, "unembedded": store.IndexBehind, "unjudged": store.IndexBehind,
		"wrong": store.PointWrongVersion, "ghost": store.PointExtra, "fine": store.PointWrongTenant, "": store.PointWrongTenant,
	}
	report, transport := reconciled(t, f, false)
	require.Equal(t, want, kinds(report))
	require.Empty(t, transport.published)
	require.Empty(t, f.doubted)
	require.Empty(t, f.deleted)

	report, transport = reconciled(t, f, true)
	require.Equal(t, want, kinds(report))
	for _, k := range report.Findings {
		require.Equal(t, k.Count, k.Repaired, k.Kind)
	}
	require.Equal(t, []string{pointOf("ghost", newest).ID, store.PointID(tenantB, "fine").String(), "7"}, f.deleted)
	var doubted []string
	for _, entry := range f.doubted {
		doubted = append(doubted, entry.Key)
	}
	require.ElementsMatch(t, []string{"extra", "gone", "missing", "wrong", "unembedded"}, doubted,
		"of the others, indexing sees by itself that they are wrong")
	verbs := map[string]events.Verb{}
	for _, one := range transport.said(t) {
		_, verb, _ := events.ParseType(one.event.Type)
		verbs[one.step.Key] = verb
		require.Equal(t, transport.topology.EventTopic(events.BulkLane, tenantA, one.event.Type), one.topic)
		require.Equal(t, newest, one.step.Version())
		require.Equal(t, uuid.NewSHA1(uuid.NameSpaceOID, []byte(one.step.Key)), one.step.Origin)
		require.Contains(t, one.event.RunID, "reconcile-")
	}
	require.Equal(t, map[string]events.Verb{
		"behind": events.Embedded, "extra": events.Quarantined, "forgotten": events.Embedded, "gone": events.Removed,
		"missing": events.Embedded, "never": events.Embedded, "unembedded": events.Passed, "unjudged": events.Ingested, "wrong": events.Embedded,
	}, verbs)
}

func TestWhatMovesWhileItIsComparedIsNoFinding(t *testing.T) {
	f := &fakeStores{standings: []store.IndexStanding{standing("k", behind)}}
	looks := 0
	f.look = func() {
		looks++
		f.mu.Lock()
		defer f.mu.Unlock()
		if looks == 2 { // between the point and the second look, a worker commits
			f.standings[0] = standing("k")
		}
	}
	report, _ := reconciled(t, f, false)
	require.Equal(t, 2, looks)
	require.Empty(t, report.Findings)
	require.Equal(t, 1, report.Properties)
}

func TestManyFindingsAreCountedAndSomeTold(t *testing.T) {
	f := &fakeStores{}
	const n = 1234
	for i := range n {
		f.standings = append(f.standings, standing(fmt.Sprintf("k%04d", i)))
	}
	report, transport := reconciled(t, f, true)
	require.Equal(t, n, report.Properties)
	require.Len(t, report.Findings, 1)
	require.Equal(t, n, report.Findings[0].Count)
	require.Len(t, report.Findings[0].Samples, 20)
	require.Len(t, transport.said(t), n)
}

func TestArchiveIsComparedInBothDirections(t *testing.T) {
	object := func(name string, bytes int64, age time.Duration) store.ArchiveObject {
		return store.ArchiveObject{Key: tenantA.String() + "/raw/" + name, Bytes: bytes, Modified: time.Now().Add(-age)}
	}
	f := &fakeStores{
		named: []store.ArchiveObject{object("b", 10, 0), object("c", 10, 0), object("d", 10, 0), object("g", 10, 0), object("h", 10, 0)},
		held: []store.ArchiveObject{
			object("a", 5, 2*time.Hour), object("b", 10, 2*time.Hour), object("c", 9, 2*time.Hour), object("e", 5, time.Minute),
			object("f", 5, 2*time.Hour), object("g", 11, 2*time.Hour),
		},
	}
	report, transport := reconciled(t, f, true)
	prefix := tenantA.String() + "/raw/"
	require.Equal(t, map[string]store.FindingKind{
		prefix + "a": store.ObjectExtra, prefix + "c": store.ObjectMissing, prefix + "d": store.ObjectMissing,
		prefix + "f": store.ObjectExtra, prefix + "h": store.ObjectMissing,
	}, kinds(report), "what is younger than the grace may still be referred to")
	require.Equal(t, 6, report.Objects)
	for _, k := range report.Findings {
		require.Zero(t, k.Repaired, "evidence is not touched")
	}
	require.Empty(t, transport.published)
}

func TestAListThatFailsFindsNothing(t *testing.T) {
	transport := newTransport()
	named := []store.ArchiveObject{{Key: "a"}, {Key: "b"}}
	for name, f := range map[string]*fakeStores{
		"the object store fails":     {named: named, listed: errors.New("gone")},
		"objects come out of order":  {named: named, held: []store.ArchiveObject{{Key: "b"}, {Key: "a"}}},
		"rows come out of order":     {held: named, named: []store.ArchiveObject{{Key: "b"}, {Key: "a"}}},
		"an object is listed double": {named: named, held: []store.ArchiveObject{{Key: "a"}, {Key: "a"}}},
	} {
		reconciler := reconcile.New(fakePlatform{}, f.stores(), "m", transport, transport.topology, reconcile.Config{}, zerolog.Nop())
		report, err := reconciler.Run(t.Context(), []store.Tenant{{ID: tenantA}}, reconcile.Options{})
		require.Error(t, err, name)
		require.Empty(t, report.Tenants, name)
	}
}

// A tenant that is deleted while the stores are compared keeps nobody else from being compared.
func TestATenantThatIsDeletedMeanwhileIsLeftOut(t *testing.T) {
	gone := &fakeStores{listed: store.ErrTenantDeleted}
	stores := (&fakeStores{standings: []store.IndexStanding{standing("missing")}}).stores()
	points := stores.Points
	stores.Points = func(tenant uuid.UUID) reconcile.Points {
		if tenant == tenantA {
			return gone.stores().Points(tenant)
		}
		return points(tenant)
	}
	transport := newTransport()
	reconciler := reconcile.New(fakePlatform{}, stores, "m", transport, transport.topology, reconcile.Config{}, zerolog.Nop())
	report, err := reconciler.Run(t.Context(), []store.Tenant{{ID: tenantA}, {ID: tenantB}}, reconcile.Options{})
	require.NoError(t, err)
	require.Len(t, report.Tenants, 1)
	require.Equal(t, tenantB, report.Tenants[0].Tenant)
}
