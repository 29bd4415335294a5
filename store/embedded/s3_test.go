package embedded_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/codybias9/real-estate-os/store/embedded"
	"github.com/codybias9/real-estate-os/store/objects"
)

func TestS3KeepsItsObjectsAndItsSecret(t *testing.T) {
	defer goleak.VerifyNone(t)
	dir, tenant := t.TempDir(), uuid.New()
	first, err := embedded.StartS3(dir)
	require.NoError(t, err)
	put(t, first.URL(), tenant, "documents/a", "kept")
	require.NoError(t, first.Close())
	require.NoError(t, first.Close(), "closing is idempotent")

	second, err := embedded.StartS3(dir)
	require.NoError(t, err)
	defer second.Close()
	require.Equal(t, "kept", fetch(t, second.URL(), tenant, "documents/a"))
	require.Equal(t, secretOf(t, first.URL()), secretOf(t, second.URL()))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, entry := range entries {
		info, err := entry.Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), entry.Name())
	}
}

func TestInvariant1S3LosesNothingWhenKilled(t *testing.T) {
	defer goleak.VerifyNone(t)
	dir := t.TempDir()
	child := startChild(t, nil, "s3", dir)
	tenant := uuid.New()
	for i := range 50 {
		put(t, child.url, tenant, fmt.Sprintf("documents/%02d", i), strings.Repeat("x", i*1000))
	}
	child.kill(t)

	server, err := embedded.StartS3(dir)
	require.NoError(t, err)
	defer server.Close()
	for i := range 50 {
		require.Len(t, fetch(t, server.URL(), tenant, fmt.Sprintf("documents/%02d", i)), i*1000)
	}
}

func TestS3DirectoryInUse(t *testing.T) {
	dir := t.TempDir()
	server, err := embedded.StartS3(dir)
	require.NoError(t, err)
	defer server.Close()
	_, err = embedded.StartS3(dir)
	require.ErrorContains(t, err, "another process is using it")
	require.ErrorContains(t, err, dir)
}

func TestS3TwoAtOnce(t *testing.T) {
	tenant := uuid.New()
	for _, content := range []string{"one", "two"} {
		server, err := embedded.StartS3(t.TempDir())
		require.NoError(t, err)
		defer server.Close()
		put(t, server.URL(), tenant, "a", content)
		require.Equal(t, content, fetch(t, server.URL(), tenant, "a"))
	}
}

func TestS3DemandsASignature(t *testing.T) {
	server, err := embedded.StartS3(t.TempDir())
	require.NoError(t, err)
	defer server.Close()
	tenant := uuid.New()
	put(t, server.URL(), tenant, "a", "private")
	u, err := url.Parse(server.URL())
	require.NoError(t, err)
	u.User = nil
	object := u.JoinPath(tenant.String(), "a")

	signed := recordSignedRequest(t, server.URL(), tenant)
	for name, change := range map[string]func(*http.Request){
		"unsigned":            func(r *http.Request) { r.Header.Del("Authorization") },
		"other algorithm":     func(r *http.Request) { r.Header.Set("Authorization", "AWS reos:x") },
		"other path":          func(r *http.Request) { r.URL = object },
		"other method":        func(r *http.Request) { r.Method = http.MethodDelete },
		"other query":         func(r *http.Request) { r.URL.RawQuery = "acl=" },
		"other date":          func(r *http.Request) { r.Header.Set("X-Amz-Date", "20260101T000000Z") },
		"fewer signed fields": func(r *http.Request) { dropSigned(r, ";x-amz-date") },
		"other key": func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "Credential=reos", "Credential=root", 1))
		},
	} {
		request := signed.Clone(t.Context())
		require.Equal(t, http.StatusOK, status(t, signed.Clone(t.Context())), "the request itself is good")
		change(request)
		require.Equal(t, http.StatusForbidden, status(t, request), name)
	}
}

func TestS3ListsGroupsOverPages(t *testing.T) {
	server, err := embedded.StartS3(t.TempDir())
	require.NoError(t, err)
	defer server.Close()
	client := rawClient(t, server.URL())
	for _, key := range []string{"a/1", "a/2", "a/3", "a-1", "b", "c/1", "c/d/1", "e"} {
		_, err := client.PutObject(t.Context(), "reos", key, strings.NewReader(key), int64(len(key)), minio.PutObjectOptions{})
		require.NoError(t, err)
	}
	for prefix, want := range map[string][]string{
		"":    {"a-1", "a/", "b", "c/", "e"},
		"a":   {"a-1", "a/"},
		"a/":  {"a/1", "a/2", "a/3"},
		"c/":  {"c/1", "c/d/"},
		"c/d": {"c/d/"},
		"z":   nil,
	} {
		for page := 1; page <= 6; page++ {
			var got []string
			for object := range client.ListObjectsIter(t.Context(), "reos", minio.ListObjectsOptions{Prefix: prefix, MaxKeys: page}) {
				require.NoError(t, object.Err)
				got = append(got, object.Key)
			}
			require.ElementsMatch(t, want, got, "prefix %q, pages of %d", prefix, page)
		}
	}
}

func TestS3RefusesWhatItCannotHold(t *testing.T) {
	server, err := embedded.StartS3(t.TempDir())
	require.NoError(t, err)
	defer server.Close()
	request := recordSignedPut(t, server.URL(), 257<<20)
	request.Header.Set("Expect", "100-continue") // the answer comes before the body
	require.Equal(t, http.StatusBadRequest, status(t, request))
}

// --- the client's side

func openObjects(t *testing.T, url string) *objects.Client {
	client, err := objects.Open(t.Context(), objects.Config{URL: url})
	require.NoError(t, err)
	return client
}

func put(t *testing.T, url string, tenant uuid.UUID, key, content string) {
	client := openObjects(t, url)
	defer client.Close()
	require.NoError(t, client.Tenant(tenant).Put(t.Context(), key, strings.NewReader(content), int64(len(content)), "text/plain"))
}

func fetch(t *testing.T, url string, tenant uuid.UUID, key string) string {
	client := openObjects(t, url)
	defer client.Close()
	body, err := client.Tenant(tenant).Open(t.Context(), key)
	require.NoError(t, err)
	defer body.Close()
	content, err := io.ReadAll(body)
	require.NoError(t, err)
	return string(content)
}

func secretOf(t *testing.T, raw string) string {
	u, err := url.Parse(raw)
	require.NoError(t, err)
	secret, _ := u.User.Password()
	require.NotEmpty(t, secret)
	return secret
}

func rawClient(t *testing.T, raw string) *minio.Client {
	return rawClientOver(t, raw, http.DefaultTransport)
}

func rawClientOver(t *testing.T, raw string, transport http.RoundTripper) *minio.Client {
	u, err := url.Parse(raw)
	require.NoError(t, err)
	client, err := minio.New(u.Host, &minio.Options{
		Creds: credentials.NewStaticV4(u.User.Username(), secretOf(t, raw), ""), Region: "us-east-1", Transport: transport, MaxRetries: 1,
	})
	require.NoError(t, err)
	return client
}

// recorder keeps a request in place of sending it.
type recorder struct{ request *http.Request }

func (r *recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	r.request = request.Clone(context.Background())
	return nil, io.EOF
}

func recordSignedRequest(t *testing.T, raw string, tenant uuid.UUID) *http.Request {
	var kept recorder
	_, _ = rawClientOver(t, raw, &kept).BucketExists(t.Context(), "reos")
	require.NotNil(t, kept.request)
	return kept.request
}

func recordSignedPut(t *testing.T, raw string, size int64) *http.Request {
	var kept recorder
	body := io.LimitReader(zeros{}, size)
	_, _ = rawClientOver(t, raw, &kept).PutObject(t.Context(), "reos", "large", body, size, minio.PutObjectOptions{DisableMultipart: true, DisableContentSha256: true})
	require.NotNil(t, kept.request)
	return kept.request
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func dropSigned(r *http.Request, field string) {
	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), field, "", 1))
}

func status(t *testing.T, request *http.Request) int {
	transport := &http.Transport{DisableKeepAlives: true, ExpectContinueTimeout: time.Minute}
	response, err := transport.RoundTrip(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}
