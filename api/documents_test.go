package api_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// storedDocument is the answer to who stores one.
type storedDocument struct {
	Path     string
	Bytes    int64 `json:"size_bytes"`
	SHA256   string
	Type     string `json:"media_type"`
	EventUID string `json:"event_uid"`
}

type documentPage struct {
	Items []struct {
		Path  string
		Bytes int64 `json:"size_bytes"`
		ETag  string
	}
	Next string
}

// fileAt is a document's address, its slashes as such.
func fileAt(path string) string {
	return "/v1/documents/" + strings.ReplaceAll(url.PathEscape(path), "%2F", "/")
}

func (p documentPage) paths() string {
	paths := make([]string, len(p.Items))
	for i, item := range p.Items {
		paths[i] = item.Path
	}
	return strings.Join(paths, " ")
}

func TestADocumentIsStoredJudgedAndRemoved(t *testing.T) {
	t.Parallel()
	r := newReading(t)
	content := []byte("%PDF-1.7 not really")
	pdf := r.publisher.with("Content-Type", "application/pdf")
	var stored storedDocument
	answer := pdf.put(fileAt("deeds/2026/nw 1042.pdf")+"?listing_key=NW-1042", content).ok(&stored)
	require.Equal(t, http.StatusCreated, answer.status)
	require.Equal(t, "/v1/documents/deeds/2026/nw%201042.pdf", answer.header.Get("Location"))
	digest := sha256.Sum256(content)
	require.Equal(t, storedDocument{
		Path: "deeds/2026/nw 1042.pdf", Bytes: int64(len(content)), SHA256: hex.EncodeToString(digest[:]), Type: "application/pdf", EventUID: stored.EventUID,
	}, stored)

	fetched := r.reader.get(fileAt("deeds/2026/nw 1042.pdf")).ok(nil)
	require.Equal(t, content, fetched.body)
	require.Equal(t, "application/pdf", fetched.header.Get("Content-Type"))
	require.Equal(t, answer.header.Get("ETag"), fetched.header.Get("ETag"))
	require.Contains(t, fetched.header.Get("Content-Security-Policy"), "sandbox", "a document's scripts are nobody's")
	require.Equal(t, "nosniff", fetched.header.Get("X-Content-Type-Options"))
	require.Equal(t, content, r.reader.get(answer.header.Get("Location")).ok(nil).body)
	require.Equal(t, content, r.reader.get(path("/v1/documents/", "deeds/2026/nw 1042.pdf")).ok(nil).body, "slashes may be encoded")

	var timeline struct{ State string }
	r.publisher.get("/v1/events/" + stored.EventUID).ok(&timeline)
	require.Equal(t, "received", timeline.State)
	r.work()
	var view recordView
	r.reader.get(path("/v1/records/document/", "deeds/2026/nw 1042.pdf")).ok(&view)
	require.Equal(t, stored.EventUID, view.EventUID)
	require.Equal(t, "passed", view.Verdict.Verdict, "%+v", view.Verdict.Failures)
	require.Empty(t, view.Verdict.Failures)
	for _, want := range []string{`"SHA256":"` + stored.SHA256, `"SizeBytes":19`, `"MediaType":"application/pdf"`, `"ListingKey":"NW-1042"`, `"DocumentName":"nw 1042.pdf"`} {
		require.Contains(t, string(view.Record), want)
	}

	require.Equal(t, http.StatusNoContent, r.publisher.delete(fileAt("deeds/2026/nw 1042.pdf")).ok(nil).status)
	r.reader.get(fileAt("deeds/2026/nw 1042.pdf")).problem(http.StatusNotFound, api.ProblemNotFound)
	require.Equal(t, http.StatusNoContent, r.publisher.delete(fileAt("deeds/2026/nw 1042.pdf")).ok(nil).status, "again")
	r.work()
	r.reader.get(path("/v1/records/document/", "deeds/2026/nw 1042.pdf")).ok(&view)
	require.True(t, view.Deleted)
	require.Empty(t, walk(t, r.reader, "/v1/records/document?limit=10"))

	pdf.put(fileAt("deeds/2026/nw 1042.pdf"), []byte("anew")).ok(nil)
	r.work()
	view = recordView{}
	r.reader.get(path("/v1/records/document/", "deeds/2026/nw 1042.pdf")).ok(&view)
	require.False(t, view.Deleted)
	require.Contains(t, string(view.Record), `"SizeBytes":4`)
}

func TestDocumentsAreFetchedInParts(t *testing.T) {
	t.Parallel()
	r := newReading(t)
	content := bytes.Repeat([]byte("0123456789"), 500_000) // several windows
	tag := r.publisher.put(fileAt("big"), content).ok(nil).header.Get("ETag")
	require.Equal(t, "application/octet-stream", r.reader.get(fileAt("big")).ok(nil).header.Get("Content-Type"))
	require.True(t, bytes.Equal(content, r.reader.get(fileAt("big")).ok(nil).body))

	for asked, want := range map[string]string{
		"bytes=0-9": "bytes 0-9/5000000", "bytes=1048570-1048589": "bytes 1048570-1048589/5000000", "bytes=-5": "bytes 4999995-4999999/5000000",
		"bytes=4999999-": "bytes 4999999-4999999/5000000",
	} {
		part := r.reader.with("Range", asked).get(fileAt("big")).ok(nil)
		require.Equal(t, http.StatusPartialContent, part.status, asked)
		require.Equal(t, want, part.header.Get("Content-Range"))
		var from, to int
		_, err := fmt.Sscanf(want, "bytes %d-%d/", &from, &to)
		require.NoError(t, err)
		require.Equal(t, string(content[from:to+1]), string(part.body), asked)
	}
	require.Equal(t, http.StatusRequestedRangeNotSatisfiable, r.reader.with("Range", "bytes=5000000-").get(fileAt("big")).status)
	several := r.reader.with("Range", "bytes=0-1,4-5").get(fileAt("big")).ok(nil)
	require.Equal(t, http.StatusOK, several.status, "several parts are answered with the whole")
	require.Len(t, several.body, len(content))
	require.Equal(t, http.StatusNotModified, r.reader.with("If-None-Match", tag).get(fileAt("big")).status)
	require.Equal(t, http.StatusPreconditionFailed, r.reader.with("If-Match", `"other"`).get(fileAt("big")).status)
	require.Equal(t, http.StatusOK, r.reader.with("Range", "bytes=0-9").with("If-Range", `"other"`).get(fileAt("big")).status)

	head := r.reader.do(http.MethodHead, fileAt("big"), nil)
	require.Equal(t, http.StatusOK, head.status)
	require.Empty(t, head.body)
	require.Equal(t, "5000000", head.header.Get("Content-Length"))
	require.Equal(t, tag, head.header.Get("ETag"))
	require.Equal(t, http.StatusNotFound, r.reader.do(http.MethodHead, fileAt("none"), nil).status)

	r.publisher.put(fileAt("empty"), []byte{}).ok(nil)
	require.Empty(t, r.reader.get(fileAt("empty")).ok(nil).body)
}

func TestDocumentsAreListed(t *testing.T) {
	t.Parallel()
	r := newReading(t)
	for _, path := range []string{"a.txt", "b/1", "b/2", "b/3", "b/é", "c"} {
		r.publisher.put(fileAt(path), path).ok(nil)
	}
	r.as(r.other, auth.Publisher).put(fileAt("b/theirs"), "x").ok(nil)
	for _, limit := range []int{1, 2, 500} {
		for prefix, want := range map[string]string{"": "a.txt b/1 b/2 b/3 b/é c", "b/": "b/1 b/2 b/3 b/é", "b": "b/1 b/2 b/3 b/é", "x": ""} {
			var all []string
			for next := ""; ; {
				var page documentPage
				r.reader.get(fmt.Sprintf("/v1/documents?limit=%d&prefix=%s%s", limit, url.QueryEscape(prefix), next)).ok(&page)
				if paths := page.paths(); paths != "" {
					all = append(all, paths)
				}
				if page.Next == "" {
					break
				}
				next = "&cursor=" + page.Next
			}
			require.Equal(t, want, strings.Join(all, " "), "%q by %d", prefix, limit)
		}
	}
	for address, field := range map[string]string{
		"/v1/documents?prefix=../": "query.prefix", "/v1/documents?prefix=/a": "query.prefix", "/v1/documents?prefix=a%5Cb": "query.prefix",
		"/v1/documents?cursor=x": "query.cursor", "/v1/documents?limit=501": "query.limit",
	} {
		require.Equal(t, field, r.reader.get(address).problem(http.StatusUnprocessableEntity, api.ProblemInvalid).Errors[0].Location, address)
	}
}

func TestPathsThatAreNoDocumentsAreRefused(t *testing.T) {
	t.Parallel()
	r := newReading(t)
	for address, why := range map[string]string{
		"/v1/documents/a/": "empty segment", "/v1/documents/%252e%252e/x": "percent-encoded", "/v1/documents/a%255Cb": "percent-encoded",
		"/v1/documents/a%5Cb": "backslash", "/v1/documents/e%CC%81": "normalization form", "/v1/documents/%20a": "space", "/v1/documents/a%20": "space",
		"/v1/documents/" + strings.Repeat("a", 256): "255 bytes", "/v1/documents/%2Fa": "empty segment",
		"/v1/documents/": "required", "/v1/documents/a%EF%BF%BDb": "UTF-8",
	} {
		document := r.publisher.put(address, "x").problem(http.StatusUnprocessableEntity, api.ProblemInvalid)
		require.Contains(t, document.Detail, why, address)
		require.Contains(t, document.Errors[0].Location, "path", address)
	}
	for _, address := range []string{
		"/v1/documents/../x", "/v1/documents/a/%2e%2e/%2e%2e/x", "/v1/documents/a%2F..%2F..%2Fx", "/v1/documents/..%5Cx", "/v1/documents//x", "/v1/documents/a%00b",
	} {
		r.publisher.put(address, "x").problem(http.StatusBadRequest, api.ProblemInvalid)
		r.reader.get(address).problem(http.StatusBadRequest, api.ProblemInvalid)
		r.publisher.delete(address).problem(http.StatusBadRequest, api.ProblemInvalid)
	}
	require.Empty(t, r.broker.events(t))
	for _, wrong := range []string{"pdf", "text/plain; charset", "a/b; c=" + strings.Repeat("x", 130), ";"} {
		document := r.publisher.with("Content-Type", wrong).put(fileAt("a"), "x").problem(http.StatusUnsupportedMediaType, api.ProblemInvalid)
		require.Equal(t, "header.Content-Type", document.Errors[0].Location, wrong)
	}
	r.publisher.put(fileAt("dir"), "x").ok(nil)
	r.reader.put(fileAt("a"), "x").problem(http.StatusForbidden, api.ProblemForbidden)
	r.reader.delete(fileAt("a")).problem(http.StatusForbidden, api.ProblemForbidden)
	r.publisher.get(fileAt("dir")).problem(http.StatusForbidden, api.ProblemForbidden)
}

func TestADocumentHasALimit(t *testing.T) {
	t.Parallel()
	r := newReading(t, func(config *api.Config, _ *api.Parts) { config.MaxDocumentBytes = 1 << 20 })
	exact := bytes.Repeat([]byte("x"), 1<<20)
	r.publisher.put(fileAt("exact"), exact).ok(nil)
	r.publisher.put(fileAt("long"), append(exact, 'x')).problem(http.StatusRequestEntityTooLarge, api.ProblemTooLarge)
	connection := r.dial().send(fmt.Sprintf("PUT %s HTTP/1.1\r\nHost: api\r\nAuthorization: %s\r\nTransfer-Encoding: chunked\r\n\r\n100001\r\n",
		fileAt("chunked"), r.publisher.header.Get("Authorization")))
	connection.send(string(exact) + "x\r\n0\r\n\r\n")
	connection.answer("").problem(http.StatusRequestEntityTooLarge, api.ProblemTooLarge)
	var page documentPage
	r.reader.get("/v1/documents").ok(&page)
	require.Equal(t, "exact", page.paths(), "what is too long leaves nothing")
	require.Len(t, r.broker.events(t), 1)
}

func TestADocumentThatIsCutOffIsNotStored(t *testing.T) {
	t.Parallel()
	r := newReading(t)
	connection := r.dial().send(fmt.Sprintf("PUT %s HTTP/1.1\r\nHost: api\r\nAuthorization: %s\r\nContent-Length: 1000000\r\n\r\nhalf of it",
		fileAt("half"), r.publisher.header.Get("Authorization")))
	require.NoError(t, connection.Close())
	r.publisher.put(fileAt("next"), "x").ok(nil)
	var page documentPage
	r.reader.get("/v1/documents").ok(&page)
	require.Equal(t, "next", page.paths())
	require.Len(t, r.broker.events(t), 1)
}

func TestInvariant1ADocumentIsStoredBeforeItIsAnnouncedAndAcceptedAfter(t *testing.T) {
	t.Parallel()
	r := newReading(t)
	r.broker.set(func(b *fakeBroker) { b.down = errors.New("secret host is away") })
	answer := r.publisher.put(fileAt("a"), "first")
	answer.problem(http.StatusServiceUnavailable, api.ProblemUnavailable)
	require.NotEmpty(t, answer.header.Get("Retry-After"))
	require.NotContains(t, string(answer.body), "secret")
	r.reader.get(fileAt("a")).problem(http.StatusNotFound, api.ProblemNotFound)

	r.broker.set(func(b *fakeBroker) {
		b.down = nil
		b.refuse = func(context.Context, []events.Outgoing) error {
			require.Equal(t, "first", string(r.reader.get(fileAt("a")).ok(nil).body), "it is stored when it is announced")
			return events.ErrUnroutable
		}
	})
	r.publisher.put(fileAt("a"), "first").problem(http.StatusServiceUnavailable, api.ProblemUnavailable)
	r.broker.set(func(b *fakeBroker) { b.refuse = nil })
	r.publisher.put(fileAt("a"), "first").ok(nil)
	require.Len(t, r.broker.events(t), 1)

	r.broker.set(func(b *fakeBroker) {
		b.refuse = func(context.Context, []events.Outgoing) error { return events.ErrUnroutable }
	})
	r.publisher.delete(fileAt("a")).problem(http.StatusServiceUnavailable, api.ProblemUnavailable)
	r.broker.set(func(b *fakeBroker) { b.refuse = nil })
	r.publisher.delete(fileAt("a")).ok(nil)
	require.Len(t, r.broker.events(t), 2, "a delete that was not announced is announced by the next")
}

func TestInvariant4DocumentsOfAnotherTenantAreNotFound(t *testing.T) {
	t.Parallel()
	r := newReading(t)
	r.publisher.put(fileAt("secret/deed.pdf"), "mine").ok(nil)
	r.publisher.put(fileAt("z"), "mine").ok(nil)
	intruder := r.bearer(auth.Principal{Subject: "intruder", Tenant: r.other, Roles: []auth.Role{auth.Reader, auth.Publisher}})
	for name, address := range map[string]string{
		"the path": fileAt("secret/deed.pdf"), "its slashes encoded": path("/v1/documents/", "secret/deed.pdf"),
		"the tenant before it": fileAt(r.id.String() + "/documents/secret/deed.pdf"), "the prefix before it": fileAt("documents/secret/deed.pdf"),
	} {
		intruder.get(address).problem(http.StatusNotFound, api.ProblemNotFound)
		require.Equal(t, http.StatusNotFound, intruder.do(http.MethodHead, address, nil).status, name)
		intruder.with("Range", "bytes=0-1").get(address).problem(http.StatusNotFound, api.ProblemNotFound)
	}
	for _, address := range []string{
		fileAt("../" + r.id.String() + "/documents/z"), "/v1/documents/..%2F" + r.id.String() + "%2Fdocuments%2Fz", "/v1/documents/%2e%2e/%2e%2e/" + r.id.String() + "/documents/z",
	} {
		require.Equal(t, http.StatusBadRequest, intruder.get(address).status, address)
	}
	intruder.get(fileAt("z")+"?tenant="+r.id.String()).problem(http.StatusForbidden, api.ProblemForbidden)
	intruder.put(fileAt("z")+"?tenant="+r.id.String(), "theirs").problem(http.StatusForbidden, api.ProblemForbidden)

	intruder.delete(fileAt("secret/deed.pdf")).ok(nil)
	intruder.put(fileAt("z"), "theirs").ok(nil)
	require.Equal(t, "mine", string(r.reader.get(fileAt("secret/deed.pdf")).ok(nil).body))
	require.Equal(t, "mine", string(r.reader.get(fileAt("z")).ok(nil).body))
	var page documentPage
	r.reader.get("/v1/documents?limit=1").ok(&page)
	var theirs documentPage
	intruder.get("/v1/documents?cursor=" + page.Next).ok(&theirs)
	require.Equal(t, "z", theirs.paths(), "a cursor is a place in one's own listing")
	for _, e := range r.broker.events(t)[2:] {
		require.Equal(t, r.other, e.TenantID, "what the intruder did is said in their own name")
	}
}

// changing is a Documents whose object is another one as soon as a first part has been read.
type changing struct{ object store.ObjectInfo }

func (c changing) Put(context.Context, string, io.Reader, int64, string) error { return nil }
func (c changing) Delete(context.Context, string) error                        { return nil }
func (c changing) ListAfter(context.Context, string, string) iter.Seq2[store.ObjectInfo, error] {
	return func(func(store.ObjectInfo, error) bool) {}
}
func (c changing) Stat(context.Context, string) (store.ObjectInfo, error) { return c.object, nil }
func (c changing) OpenAt(_ context.Context, _ store.ObjectInfo, offset, length int64) (io.ReadCloser, error) {
	if offset > 0 {
		return nil, store.ErrConflict
	}
	return io.NopCloser(bytes.NewReader(make([]byte, length))), nil
}

func TestADocumentThatIsReplacedWhileItIsSentIsBrokenOff(t *testing.T) {
	t.Parallel()
	r := newReading(t, func(_ *api.Config, parts *api.Parts) {
		parts.Documents = func(uuid.UUID) api.Documents {
			return changing{store.ObjectInfo{Key: "documents/a", Bytes: 3 << 20, ETag: "e", ContentType: "text/plain"}}
		}
	})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.reader.base+fileAt("a"), nil)
	require.NoError(t, err)
	request.Header = r.reader.header
	response, err := http.DefaultTransport.RoundTrip(request)
	require.NoError(t, err)
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	require.Error(t, err, "what was sent does not pass for the whole")
	require.Less(t, len(got), 3<<20)
	require.NotContains(t, r.logged.String(), "panicked")
}
