package objects_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/objects"
)

// TestContract runs every behaviour against every server: the embedded one and, if S3_URL is set, that one.
func TestContract(t *testing.T) {
	behaviours := []struct {
		name  string
		check func(*testing.T, bucket)
	}{
		{"archive round trip", archiveRoundTrip},
		{"range read returns one record", rangeReadReturnsOneRecord},
		{"archive without records is not written", archiveWithoutRecords},
		{"concurrent archives", concurrentArchives},
		{"digest mismatch is detected", digestMismatch},
		{"span past the end is corrupt", spanPastTheEnd},
		{"invariant 4: spans of another tenant are refused", spansOfAnotherTenant},
		{"invariant 4: objects of another tenant are not found", objectsOfAnotherTenant},
		{"invariant 4: escaping keys are refused by every method", escapingKeysRefused},
		{"invariant 4: list and delete stay in the tenant", listAndDeleteStay},
		{"invariant 4: without a tenant nothing works", noTenant},
		{"objects of every size", objectsOfEverySize},
		{"put replaces", putReplaces},
		{"an object is described", described},
		{"an object is read from any offset", readAtOffsets},
		{"an object that was replaced is not read on", replacedWhileRead},
		{"body of the wrong size is refused", wrongSize},
		{"failing body leaves no object", failingBody},
		{"unusual names", unusualNames},
		{"list by prefix", listByPrefix},
		{"list over pages", listOverPages},
		{"list from behind a key", listAfterKey},
		{"a name below another object's is taken", nameBelowAnother},
		{"list may be left early", listLeftEarly},
		{"archived objects are listed in order", archivesListed},
		{"delete is idempotent", deleteIsIdempotent},
		{"ensure is idempotent and tolerates races", ensureTolerant},
		{"wrong secret is not unavailable", wrongSecret},
		{"cancelled caller is not unavailable", cancelledCaller},
		{"server stops and comes back", serverStops},
	}
	for _, server := range servers(t) {
		t.Run(server.name, func(t *testing.T) {
			for _, behaviour := range behaviours {
				t.Run(behaviour.name, func(t *testing.T) {
					t.Parallel()
					behaviour.check(t, server.newBucket(t))
				})
			}
		})
	}
}

func archiveRoundTrip(t *testing.T, b bucket) {
	tenant := b.client.Tenant(uuid.New())
	megabyte := make([]byte, 1<<20)
	_, _ = rand.Read(megabyte)
	records := [][]byte{{}, megabyte, []byte("{}"), bytes.Repeat([]byte("a"), 1<<20), {}}
	for i := range 200 {
		records = append(records, fmt.Appendf(nil, `{"ListingKey":"%d"}`, i))
	}
	spans, err := tenant.PutArchive(t.Context(), "2026/01/batch", records)
	require.NoError(t, err)
	require.Len(t, spans, len(records))
	for i, span := range spans {
		require.True(t, strings.HasSuffix(span.Key, "/raw/2026/01/batch.zst"), span.Key)
		record, err := tenant.ReadSpan(t.Context(), span)
		require.NoError(t, err)
		require.True(t, bytes.Equal(records[i], record), "record %d", i)
	}
}

func rangeReadReturnsOneRecord(t *testing.T, b bucket) {
	tenant := b.client.Tenant(uuid.New())
	noise := make([]byte, 8<<20)
	_, _ = rand.Read(noise)
	spans, err := tenant.PutArchive(t.Context(), "large", [][]byte{noise, []byte("the one"), noise})
	require.NoError(t, err)
	before := b.proxy.bytesFromServer()
	record, err := tenant.ReadSpan(t.Context(), spans[1])
	require.NoError(t, err)
	require.Equal(t, "the one", string(record))
	require.Less(t, b.proxy.bytesFromServer()-before, int64(4096), "only the span's bytes are read")
}

func archiveWithoutRecords(t *testing.T, b bucket) {
	tenant := b.client.Tenant(uuid.New())
	spans, err := tenant.PutArchive(t.Context(), "empty", nil)
	require.NoError(t, err)
	require.Empty(t, spans)
	require.Empty(t, keys(t, tenant, ""))
}

func concurrentArchives(t *testing.T, b bucket) {
	tenants := []*objects.Tenant{b.client.Tenant(uuid.New()), b.client.Tenant(uuid.New())}
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			tenant, record := tenants[i%2], fmt.Appendf(nil, "record %d", i)
			spans, err := tenant.PutArchive(t.Context(), fmt.Sprintf("batch-%d", i), [][]byte{record, record})
			if err != nil {
				t.Error(err)
				return
			}
			got, err := tenant.ReadSpan(t.Context(), spans[1])
			if err != nil || !bytes.Equal(got, record) {
				t.Errorf("read span: %q, %v", got, err)
			}
		})
	}
	all.Wait()
	require.Len(t, keys(t, tenants[0], "raw/"), 16)
}

func digestMismatch(t *testing.T, b bucket) {
	tenant := b.client.Tenant(uuid.New())
	spans, err := tenant.PutArchive(t.Context(), "a", [][]byte{[]byte("one"), []byte("two")})
	require.NoError(t, err)

	swapped := spans[0]
	swapped.SHA256 = spans[1].SHA256
	_, err = tenant.ReadSpan(t.Context(), swapped)
	require.ErrorIs(t, err, objects.ErrCorrupt)

	_, err = tenant.PutArchive(t.Context(), "a", [][]byte{[]byte("uno"), []byte("dos")})
	require.NoError(t, err)
	_, err = tenant.ReadSpan(t.Context(), spans[0])
	require.ErrorIs(t, err, objects.ErrCorrupt)
	require.NotErrorIs(t, err, store.ErrUnavailable)
}

func spanPastTheEnd(t *testing.T, b bucket) {
	tenant := b.client.Tenant(uuid.New())
	spans, err := tenant.PutArchive(t.Context(), "a", [][]byte{[]byte("one")})
	require.NoError(t, err)
	for _, wrong := range []store.Span{
		{Key: spans[0].Key, Offset: 1 << 20, Length: 10},
		{Key: spans[0].Key, Offset: 0, Length: 1 << 20},
		{Key: spans[0].Key, Offset: -1, Length: 10},
		{Key: spans[0].Key, Offset: 0, Length: 0},
		{Key: spans[0].Key, Offset: 0, Length: 1 << 40},
	} {
		_, err := tenant.ReadSpan(t.Context(), wrong)
		require.ErrorIs(t, err, objects.ErrCorrupt, "%+v", wrong)
	}
	missing := spans[0]
	missing.Key = strings.Replace(missing.Key, "a.zst", "b.zst", 1)
	_, err = tenant.ReadSpan(t.Context(), missing)
	require.ErrorIs(t, err, store.ErrNotFound)
}

func spansOfAnotherTenant(t *testing.T, b bucket) {
	ours, theirs := uuid.New(), uuid.New()
	spans, err := b.client.Tenant(theirs).PutArchive(t.Context(), "a", [][]byte{[]byte("theirs")})
	require.NoError(t, err)
	tenant := b.client.Tenant(ours)
	for _, key := range []string{
		spans[0].Key,
		ours.String() + "/../" + spans[0].Key,
		ours.String() + "/%2e%2e/" + spans[0].Key,
		ours.String() + "//" + spans[0].Key,
		ours.String() + spans[0].Key, // begins like the prefix, without its slash
		ours.String() + "-2/raw/a.zst",
		"/" + ours.String() + "/raw/a.zst",
		strings.ToUpper(ours.String()) + "/raw/a.zst",
		"raw/a.zst",
		"",
	} {
		span := spans[0]
		span.Key = key
		_, err := tenant.ReadSpan(t.Context(), span)
		require.ErrorIs(t, err, objects.ErrInvalidKey, key)
	}
}

func objectsOfAnotherTenant(t *testing.T, b bucket) {
	theirs, ours := b.client.Tenant(uuid.New()), b.client.Tenant(uuid.New())
	require.NoError(t, theirs.Put(t.Context(), "documents/a", strings.NewReader("theirs"), 6, "text/plain"))
	_, err := ours.Open(t.Context(), "documents/a")
	require.ErrorIs(t, err, store.ErrNotFound)
	require.NoError(t, ours.Delete(t.Context(), "documents/a"))
	require.Equal(t, "theirs", read(t, theirs, "documents/a"))
}

func escapingKeysRefused(t *testing.T, b bucket) {
	theirs := uuid.New()
	require.NoError(t, b.client.Tenant(theirs).Put(t.Context(), "documents/a", strings.NewReader("theirs"), 6, ""))
	tenant := b.client.Tenant(uuid.New())
	for _, key := range []string{
		"", ".", "..", "/", "/a", "a//b", "a/", "../" + theirs.String() + "/documents/a", "a/../../b", `..\a`, "a\x00b",
		"a\nb", "\xff", "%2e%2e/a", "a%2Fb", "cafe\u0301", strings.Repeat("a/", 450) + "b", strings.Repeat("a", 256),
	} {
		require.ErrorIs(t, tenant.Put(t.Context(), key, strings.NewReader("x"), 1, ""), objects.ErrInvalidKey, "%q", key)
		_, err := tenant.Open(t.Context(), key)
		require.ErrorIs(t, err, objects.ErrInvalidKey, "%q", key)
		require.ErrorIs(t, tenant.Delete(t.Context(), key), objects.ErrInvalidKey, "%q", key)
		if key != "" { // an archive's name gets an ending, a prefix may be empty
			_, err = tenant.PutArchive(t.Context(), key+"/x", [][]byte{{1}})
			require.ErrorIs(t, err, objects.ErrInvalidKey, "%q", key)
			for _, err := range tenant.List(t.Context(), key+"/x") {
				require.ErrorIs(t, err, objects.ErrInvalidKey, "%q", key)
			}
		}
	}
	require.Empty(t, keys(t, tenant, ""))
}

func listAndDeleteStay(t *testing.T, b bucket) {
	// Two ids that differ in their last digit only, and sort next to each other.
	id := uuid.New()
	next := id
	next[15] ^= 1
	ours, theirs := b.client.Tenant(id), b.client.Tenant(next)
	for _, key := range []string{"documents/a", "raw/b"} {
		require.NoError(t, ours.Put(t.Context(), key, strings.NewReader("x"), 1, ""))
		require.NoError(t, theirs.Put(t.Context(), key, strings.NewReader("y"), 1, ""))
	}
	require.Equal(t, []string{"documents/a", "raw/b"}, keys(t, ours, ""))
	require.NoError(t, ours.Delete(t.Context(), "documents/a"))
	require.Equal(t, []string{"raw/b"}, keys(t, ours, ""))
	require.Equal(t, []string{"documents/a", "raw/b"}, keys(t, theirs, ""))
}

func noTenant(t *testing.T, b bucket) {
	nobody := b.client.Tenant(uuid.Nil)
	require.ErrorIs(t, nobody.Put(t.Context(), "a", strings.NewReader("x"), 1, ""), objects.ErrInvalidKey)
	_, err := nobody.Open(t.Context(), "a")
	require.ErrorIs(t, err, objects.ErrInvalidKey)
	_, err = nobody.PutArchive(t.Context(), "a", [][]byte{{1}})
	require.ErrorIs(t, err, objects.ErrInvalidKey)
	_, err = nobody.ReadSpan(t.Context(), store.Span{Key: uuid.Nil.String() + "/raw/a.zst", Length: 1})
	require.ErrorIs(t, err, objects.ErrInvalidKey)
	require.ErrorIs(t, nobody.Delete(t.Context(), "a"), objects.ErrInvalidKey)
	for _, err := range nobody.List(t.Context(), "") {
		require.ErrorIs(t, err, objects.ErrInvalidKey)
	}
}

func objectsOfEverySize(t *testing.T, b bucket) {
	tenant := b.client.Tenant(uuid.New())
	const part = 16 << 20
	for _, size := range []int{0, 1, 4096, part, part + 1} {
		content := make([]byte, size)
		_, _ = rand.Read(content)
		for _, announced := range []int64{int64(size), -1} {
			key := fmt.Sprintf("documents/%d/%d", size, announced)
			require.NoError(t, tenant.Put(t.Context(), key, onlyReader{bytes.NewReader(content)}, announced, "application/pdf"), key)
			require.True(t, string(content) == read(t, tenant, key), key)
		}
	}
}

func putReplaces(t *testing.T, b bucket) {
	tenant := b.client.Tenant(uuid.New())
	// A seekable body is taken from where it stands.
	body := strings.NewReader("skipped:kept")
	_, err := body.Seek(8, io.SeekStart)
	require.NoError(t, err)
	require.NoError(t, tenant.Put(t.Context(), "a", strings.NewReader("a longer first version"), -1, "text/plain"))
	require.NoError(t, tenant.Put(t.Context(), "a", body, 4, "text/html"))
	require.Equal(t, "kept", read(t, tenant, "a"))
}

func wrongSize(t *testing.T, b bucket) {
	tenant := b.client.Tenant(uuid.New())
	large := int64(20 << 20)
	for name, put := range map[string]error{
		"short":        tenant.Put(t.Context(), "a", strings.NewReader("abc"), 4, ""),
		"long":         tenant.Put(t.Context(), "a", strings.NewReader("abc"), 2, ""),
		"none":         tenant.Put(t.Context(), "a", strings.NewReader(""), 1, ""),
		"not none":     tenant.Put(t.Context(), "a", strings.NewReader("a"), 0, ""),
		"large, short": tenant.Put(t.Context(), "a", io.LimitReader(zeros{}, large-1), large, ""),
		"large, long":  tenant.Put(t.Context(), "a", io.LimitReader(zeros{}, large+1), large, ""),
	} {
		require.Error(t, put, name)
		require.NotErrorIs(t, put, store.ErrUnavailable, name)
	}
	require.Empty(t, keys(t, tenant, ""))
}

func failingBody(t *testing.T, b bucket) {
	tenant := b.client.Tenant(uuid.New())
	broken := errors.New("broken")
	for _, size := range []int64{-1, 20 << 20} {
		for _, after := range []int64{0, 100, 17 << 20} {
			body := io.MultiReader(io.LimitReader(zeros{}, after), failing{broken})
			err := tenant.Put(t.Context(), "a", body, size, "")
			require.ErrorIs(t, err, broken)
			require.NotErrorIs(t, err, store.ErrUnavailable)
		}
	}
	require.Empty(t, keys(t, tenant, ""))
}

func unusualNames(t *testing.T, b bucket) {
	tenant := b.client.Tenant(uuid.New())
	names := []string{
		"documents/100% done.pdf", "documents/a b+c&d=e?f#g.pdf", "documents/café.pdf", "documents/契約.pdf",
		"documents/..hidden", "documents/quote'\"<>.pdf", "documents/" + strings.Repeat("n", 255),
	}
	for _, name := range names {
		require.NoError(t, tenant.Put(t.Context(), name, strings.NewReader(name), int64(len(name)), ""), name)
	}
	require.ElementsMatch(t, names, keys(t, tenant, "documents/"))
	for _, name := range names {
		require.Equal(t, name, read(t, tenant, name))
		require.NoError(t, tenant.Delete(t.Context(), name))
	}
	require.Empty(t, keys(t, tenant, ""))
}

func listByPrefix(t *testing.T, b bucket) {
	tenant := b.client.Tenant(uuid.New())
	started := time.Now().Add(-time.Minute)
	for _, key := range []string{"a/1", "a/2", "a/b/3", "a-b/4", "ab/5", "b"} {
		require.NoError(t, tenant.Put(t.Context(), key, strings.NewReader(key), -1, ""))
	}
	require.Equal(t, []string{"a-b/4", "a/1", "a/2", "a/b/3", "ab/5", "b"}, keys(t, tenant, ""))
	require.Equal(t, []string{"a/1", "a/2", "a/b/3"}, keys(t, tenant, "a/"))
	require.Equal(t, []string{"a/b/3"}, keys(t, tenant, "a/b/"))
	require.Equal(t, []string{"ab/5"}, keys(t, tenant, "ab"))
	require.Empty(t, keys(t, tenant, "c/"))
	for info, err := range tenant.List(t.Context(), "b") {
		require.NoError(t, err)
		require.EqualValues(t, 1, info.Bytes)
		require.NotEmpty(t, info.ETag)
		require.True(t, info.Modified.After(started), info.Modified)
	}
}

func listOverPages(t *testing.T, b bucket) {
	tenant, other := b.client.Tenant(uuid.New()), b.client.Tenant(uuid.New())
	require.NoError(t, other.Put(t.Context(), "x", strings.NewReader("x"), 1, ""))
	const total = 1100 // a page has 1,000
	var all sync.WaitGroup
	slots := make(chan struct{}, 8)
	want := make([]string, total)
	for i := range total {
		want[i] = fmt.Sprintf("raw/%04d", i)
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			if err := tenant.Put(t.Context(), want[i], strings.NewReader("x"), 1, ""); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.Equal(t, want, keys(t, tenant, ""))
}

func listLeftEarly(t *testing.T, b bucket) {
	tenant := b.client.Tenant(uuid.New())
	for _, key := range []string{"a", "b", "c"} {
		require.NoError(t, tenant.Put(t.Context(), key, strings.NewReader("x"), 1, ""))
	}
	for info, err := range tenant.List(t.Context(), "") {
		require.NoError(t, err)
		require.Equal(t, "a", info.Key)
		break
	}
}

func deleteIsIdempotent(t *testing.T, b bucket) {
	tenant := b.client.Tenant(uuid.New())
	require.NoError(t, tenant.Put(t.Context(), "a", strings.NewReader("x"), 1, ""))
	require.NoError(t, tenant.Delete(t.Context(), "a"))
	require.NoError(t, tenant.Delete(t.Context(), "a"))
	_, err := tenant.Open(t.Context(), "a")
	require.ErrorIs(t, err, store.ErrNotFound)
}

func ensureTolerant(t *testing.T, b bucket) {
	require.NoError(t, b.client.Ensure(t.Context()))
	other := b.sibling(t, "")
	require.ErrorContains(t, other.Ready(t.Context()), "does not exist")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := other.Ensure(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.NoError(t, other.Ready(t.Context()))
}

func wrongSecret(t *testing.T, b bucket) {
	intruder := b.sibling(t, "wrong")
	_, err := intruder.Tenant(uuid.New()).Open(t.Context(), "a")
	require.Error(t, err)
	require.NotErrorIs(t, err, store.ErrUnavailable)
	require.NotErrorIs(t, err, store.ErrNotFound)
	require.Error(t, intruder.Ready(t.Context()))
}

func cancelledCaller(t *testing.T, b bucket) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.client.Tenant(uuid.New()).PutArchive(ctx, "a", [][]byte{{1}})
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, store.ErrUnavailable)
}

func serverStops(t *testing.T, b bucket) {
	tenant := b.client.Tenant(uuid.New())
	spans, err := tenant.PutArchive(t.Context(), "before", [][]byte{[]byte("kept")})
	require.NoError(t, err)
	require.NoError(t, b.client.Ready(t.Context()))

	b.proxy.stop()
	started := time.Now()
	_, err = tenant.ReadSpan(t.Context(), spans[0])
	require.ErrorIs(t, err, store.ErrUnavailable)
	_, err = tenant.PutArchive(t.Context(), "during", [][]byte{[]byte("x")})
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.ErrorIs(t, tenant.Put(t.Context(), "a", strings.NewReader("x"), 1, ""), store.ErrUnavailable)
	require.ErrorIs(t, tenant.Delete(t.Context(), "a"), store.ErrUnavailable)
	_, err = tenant.Open(t.Context(), "a")
	require.ErrorIs(t, err, store.ErrUnavailable)
	for _, err := range tenant.List(t.Context(), "") {
		require.ErrorIs(t, err, store.ErrUnavailable)
	}
	require.ErrorIs(t, b.client.Ready(t.Context()), store.ErrUnavailable)
	require.Less(t, time.Since(started), 7*3*time.Second, "an outage is reported within seconds")

	b.proxy.restart(t)
	record, err := tenant.ReadSpan(t.Context(), spans[0])
	require.NoError(t, err)
	require.Equal(t, "kept", string(record))
	require.NoError(t, b.client.Ready(t.Context()))
}
