package api_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/api"
)

// wire is a connection on which a test writes what it likes.
type wire struct {
	t *testing.T
	net.Conn
	reader *bufio.Reader
}

func (s *service) dial() *wire {
	s.t.Helper()
	connection, err := net.Dial("tcp", s.address)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = connection.Close() })
	require.NoError(s.t, connection.SetDeadline(time.Now().Add(20*time.Second)))
	return &wire{t: s.t, Conn: connection, reader: bufio.NewReader(connection)}
}

// send writes as much as the server takes: it may have hung up before the end.
func (w *wire) send(text string) *wire {
	_, _ = w.Write([]byte(text))
	return w
}

// answer reads one answer; nil where the connection is closed without one.
func (w *wire) answer(method string) *answer {
	w.t.Helper()
	response, err := http.ReadResponse(w.reader, &http.Request{Method: method})
	if err != nil {
		var timeout net.Error
		require.False(w.t, errorAs(err, &timeout) && timeout.Timeout(), "the server neither answers nor hangs up")
		return nil
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil // hung up in the middle
	}
	return &answer{t: w.t, status: response.StatusCode, header: response.Header, body: body}
}

// closed requires that the server has hung up.
func (w *wire) closed() {
	w.t.Helper()
	_, err := w.reader.ReadByte()
	require.Error(w.t, err)
	var timeout net.Error
	require.False(w.t, errorAs(err, &timeout) && timeout.Timeout(), "the server does not hang up")
}

func headers(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "X-%d: 1\r\n", i)
	}
	return text.String()
}

func TestHostileRequestsAreRefusedAndTheNextWorks(t *testing.T) {
	s := serve(t)
	begin := func(line string) string { return line + " HTTP/1.1\r\nHost: api\r\n" }
	get := func(path string) string { return begin("GET "+path) + "\r\n" }
	for name, test := range map[string]struct {
		text   string
		status int         // 0 = any 4xx, or a closed connection
		kind   api.Problem // empty = Go's server says it, in plain text
	}{
		"unknown path":              {get("/nowhere"), 404, api.ProblemNotFound},
		"no path at all":            {get("/"), 404, api.ProblemNotFound},
		"trailing slash":            {get("/healthz/"), 404, api.ProblemNotFound},
		"wrong method":              {begin("POST /healthz") + "Content-Length: 0\r\n\r\n", 405, api.ProblemMethod},
		"made-up method":            {begin("BREW /healthz") + "\r\n", 405, api.ProblemMethod},
		"TRACE":                     {begin("TRACE /healthz") + "Cookie: secret\r\n\r\n", 405, api.ProblemMethod},
		"CONNECT":                   {"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n", 400, api.ProblemInvalid},
		"OPTIONS of nothing":        {begin("OPTIONS /nowhere") + "\r\n", 404, api.ProblemNotFound},
		"another host's URL":        {get("http://example.com/nowhere"), 404, api.ProblemNotFound},
		"10,000 headers":            {begin("GET /healthz") + headers(10_000) + "\r\n", 431, ""},
		"101 headers":               {begin("GET /healthz") + headers(101) + "\r\n", 431, api.ProblemTooLarge},
		"101 times one header":      {begin("GET /healthz") + strings.Repeat("X: 1\r\n", 101) + "\r\n", 431, api.ProblemTooLarge},
		"a header of 1 MiB":         {begin("GET /healthz") + "X: " + strings.Repeat("x", 1<<20) + "\r\n\r\n", 431, ""},
		"a header's name of 1 MiB":  {begin("GET /healthz") + strings.Repeat("x", 1<<20) + ": 1\r\n\r\n", 431, ""},
		"a request line of 1 MiB":   {get("/" + strings.Repeat("x", 1<<20)), 431, ""},
		"a path of 5,000 bytes":     {get("/" + strings.Repeat("x", 5_000)), 414, api.ProblemTooLarge},
		"a query of 9,000 bytes":    {get("/healthz?" + strings.Repeat("x", 9_000)), 414, api.ProblemTooLarge},
		"4,000 parameters":          {get("/healthz?" + strings.Repeat("x&", 4_000)), 422, api.ProblemInvalid},
		"unknown parameter":         {get("/healthz?x=1"), 422, api.ProblemInvalid},
		"query badly encoded":       {get("/healthz?x=%zz"), 400, api.ProblemInvalid},
		"query cut off":             {get("/healthz?x=%"), 400, api.ProblemInvalid},
		"query not in UTF-8":        {get("/healthz?x=%ff"), 400, api.ProblemInvalid},
		"query with NUL":            {get("/healthz?x=a%00b"), 400, api.ProblemInvalid},
		"path badly encoded":        {get("/%zz"), 400, ""},
		"path not in UTF-8":         {get("/healthz%ff"), 400, api.ProblemInvalid},
		"path with NUL":             {get("/healthz%00"), 400, api.ProblemInvalid},
		"path of two lines":         {get("/healthz%0d%0aX:1"), 400, api.ProblemInvalid},
		"path that climbs":          {get("/v1/../healthz"), 400, api.ProblemInvalid},
		"path that stands still":    {get("/./healthz"), 400, api.ProblemInvalid},
		"path that climbs, encoded": {get("/v1/%2e%2e/healthz"), 400, api.ProblemInvalid},
		"path with encoded slashes": {get("/v1/documents/..%2f..%2fx"), 400, api.ProblemInvalid},
		"path with backslashes":     {get("/v1/documents/..%5c..%5cx"), 400, api.ProblemInvalid},
		"path with empty segments":  {get("//healthz"), 400, api.ProblemInvalid},
		"header not in UTF-8":       {begin("GET /healthz") + "X: \xff\xfe\r\n\r\n", 400, api.ProblemInvalid},
		"header with NUL":           {begin("GET /healthz") + "X: a\x00b\r\n\r\n", 400, ""},
		"header without a name":     {begin("GET /healthz") + ": 1\r\n\r\n", 400, ""},
		"header name with a space":  {begin("GET /healthz") + "X : 1\r\n\r\n", 400, ""},
		"no host":                   {"GET /healthz HTTP/1.1\r\n\r\n", 400, ""},
		"two hosts":                 {begin("GET /healthz") + "Host: b\r\n\r\n", 400, ""},
		"HTTP/9.9":                  {"GET /healthz HTTP/9.9\r\nHost: api\r\n\r\n", 505, ""},
		"TLS":                       {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, ""},
		"HTTP/2":                    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0, ""},
		"noise":                     {strings.Repeat("\x00\xff\r\n", 1000), 400, ""},
		"two lengths":               {begin("POST /ping") + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400, ""},
		"length and chunks":         {begin("GET /nowhere") + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 404, api.ProblemNotFound},
		"negative length":           {begin("POST /ping") + "Content-Length: -1\r\n\r\n", 400, ""},
		"length beyond numbers":     {begin("POST /ping") + "Content-Length: 99999999999999999999\r\n\r\n", 400, ""},
		"unknown transfer encoding": {begin("POST /ping") + "Transfer-Encoding: gzip, chunked\r\n\r\n", 501, ""},
		"packed body":               {begin("POST /healthz") + "Content-Encoding: gzip\r\nContent-Length: 0\r\n\r\n", 415, api.ProblemInvalid},
		"packed twice":              {begin("POST /healthz") + "Content-Encoding: identity\r\nContent-Encoding: br\r\nContent-Length: 0\r\n\r\n", 415, api.ProblemInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			answer := s.dial().send(test.text).answer("")
			s.anonymous().get("/healthz").ok(nil)
			switch {
			case test.status == 0:
				require.True(t, answer == nil || answer.status >= 400 && answer.status < 500)
			case test.kind != "":
				require.NotNil(t, answer, "the connection is closed")
				answer.problem(test.status, test.kind)
				require.Equal(t, "nosniff", answer.header.Get("X-Content-Type-Options"))
			default:
				require.NotNil(t, answer, "the connection is closed")
				require.Equal(t, test.status, answer.status, string(answer.body))
			}
		})
	}
	require.NotContains(t, s.logged.String(), "panic")
}

func TestMethodsThatAskAboutAPath(t *testing.T) {
	s := serve(t)
	answer := s.anonymous().do(http.MethodHead, "/healthz", nil)
	require.Equal(t, http.StatusOK, answer.status)
	require.Empty(t, answer.body)
	require.Equal(t, "application/json", answer.header.Get("Content-Type"))

	answer = s.anonymous().do(http.MethodOptions, "/healthz", nil)
	require.Equal(t, http.StatusNoContent, answer.status)
	require.Equal(t, "GET, HEAD", answer.header.Get("Allow"))
	answer = s.anonymous().do(http.MethodDelete, "/healthz", nil)
	require.Equal(t, "GET, HEAD", answer.header.Get("Allow"))
	require.Equal(t, http.StatusNotFound, s.anonymous().do(http.MethodHead, "/nowhere", nil).status)
	require.Equal(t, http.StatusOK, s.dial().send("OPTIONS * HTTP/1.1\r\nHost: api\r\n\r\n").answer("").status)
}

func TestDataAreNobodyElsesToKeepOrFrame(t *testing.T) {
	s := serve(t)
	for _, path := range []string{"/healthz", "/nowhere", "/healthz?x=1", "/openapi.json"} {
		header := s.anonymous().get(path).header
		require.Equal(t, "nosniff", header.Get("X-Content-Type-Options"), path)
		require.Equal(t, "no-store", header.Get("Cache-Control"), path)
		require.Equal(t, "default-src 'none'; frame-ancestors 'none'", header.Get("Content-Security-Policy"), path)
	}
}

func TestPipelinedRequests(t *testing.T) {
	s := serve(t)
	one := "GET /healthz HTTP/1.1\r\nHost: api\r\n\r\n"
	connection := s.dial().send(one + one + "garbage\r\n\r\n")
	connection.answer("").ok(nil)
	connection.answer("").ok(nil)
	require.Equal(t, http.StatusBadRequest, connection.answer("").status)
	connection.closed()
}

func TestSlowClientsAreCutOff(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *api.Config, _ *api.Parts) { c.BodyTimeout = 150 * time.Millisecond })
	for name, sent := range map[string]string{
		"says nothing":       "",
		"half a line":        "GET /hea",
		"half a header":      "GET /healthz HTTP/1.1\r\nHost: ",
		"no end of a header": "GET /healthz HTTP/1.1\r\nHost: api\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			connection := s.dial().send(sent)
			if answer := connection.answer(""); answer != nil {
				require.Contains(t, []int{400, 408}, answer.status)
			}
			connection.closed()
			s.anonymous().get("/healthz").ok(nil)
		})
	}
	t.Run("one byte after the other", func(t *testing.T) {
		connection := s.dial()
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			for _, c := range []byte("GET /healthz HTTP/1.1\r\nX: " + strings.Repeat("x", 10_000)) {
				select {
				case <-stop:
					return
				case <-time.After(10 * time.Millisecond):
					_, _ = connection.Write([]byte{c})
				}
			}
		}()
		if answer := connection.answer(""); answer != nil {
			require.Contains(t, []int{400, 408}, answer.status)
		}
	})
}

// bomb packs many zeros into few bytes.
func bomb(t *testing.T) []byte {
	t.Helper()
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	zeros := make([]byte, 1<<20)
	for range 8 {
		_, err := writer.Write(zeros)
		require.NoError(t, err)
	}
	require.NoError(t, writer.Close())
	require.Less(t, packed.Len(), 1<<14)
	return packed.Bytes()
}
