package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/api/auth"
)

func errorAs[T error](err error, target *T) bool { return errors.As(err, target) }

// counted is how many answers of a route had a code.
func (s *service) counted(route string, code int) float64 {
	return s.counts()[route+" "+strconv.Itoa(code)]
}

// counts are all answers by route and code.
func (s *service) counts() map[string]float64 {
	families, err := s.registry.Gather()
	require.NoError(s.t, err)
	found := map[string]float64{}
	for _, family := range families {
		if family.GetName() != "reos_api_requests_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			labels := map[string]string{}
			for _, label := range metric.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			found[labels["route"]+" "+labels["code"]] = metric.GetCounter().GetValue()
		}
	}
	return found
}

func TestBodiesThatAreNotWhatTheOperationTakes(t *testing.T) {
	s := serve(t)
	var taken atomic.Int64
	s.server.AddPost("/v1/things", func(context.Context, api.Thing) error {
		taken.Add(1)
		return nil
	})
	publisher := s.as(s.tenant(), auth.Publisher)
	json := publisher.with("Content-Type", "application/json")
	for name, test := range map[string]struct {
		sender *client
		body   any
		status int
		kind   api.Problem
		says   string
	}{
		"nothing":              {json, nil, 400, api.ProblemInvalid, "required"},
		"not JSON":             {json, "{SECRET", 400, api.ProblemInvalid, "body"},
		"JSON cut off":         {json, `{"name":"SECRET`, 400, api.ProblemInvalid, "body"},
		"two values":           {json, `{"name":"a","count":1}{}`, 400, api.ProblemInvalid, "body"},
		"NUL":                  {json, "\x00", 400, api.ProblemInvalid, "body"},
		"nested deep":          {json, strings.Repeat("[", 30_000), 400, api.ProblemInvalid, "body"},
		"an array":             {json, `[]`, 422, api.ProblemInvalid, "body expected object"},
		"null":                 {json, `null`, 422, api.ProblemInvalid, "body expected object"},
		"a field missing":      {json, `{"name":"a"}`, 422, api.ProblemInvalid, "count"},
		"a field unknown":      {json, `{"name":"a","count":1,"colour":"x"}`, 422, api.ProblemInvalid, "body.colour"},
		"a long unknown field": {json, `{"name":"a","count":1,"` + strings.Repeat("k", 10_000) + `":"x"}`, 422, api.ProblemInvalid, "body.kkk"},
		"a field too long":     {json, `{"name":"SECRET-SECRET","count":1}`, 422, api.ProblemInvalid, "body.name"},
		"a field of a type":    {json, `{"name":"a","count":"SECRET"}`, 422, api.ProblemInvalid, "body.count"},
		"a number too large":   {json, `{"name":"a","count":1e400}`, 400, api.ProblemInvalid, "body"},
		"text":                 {publisher.with("Content-Type", "text/plain"), "hello", 415, api.ProblemInvalid, "content type"},
		"XML":                  {publisher.with("Content-Type", "application/xml"), "<a/>", 415, api.ProblemInvalid, "content type"},
		"a form":               {publisher.with("Content-Type", "multipart/form-data; boundary=x"), "--x--", 415, api.ProblemInvalid, "content type"},
		"too long":             {json, strings.Repeat(" ", api.MaxThingBytes+1), 413, api.ProblemTooLarge, "too large"},
		"much too long":        {json, strings.Repeat(" ", 20*api.MaxThingBytes), 413, api.ProblemTooLarge, "too large"},
		"a gzip bomb":          {json.with("Content-Encoding", "gzip"), bomb(t), 415, api.ProblemInvalid, "header.Content-Encoding must be"},
		"a bomb in disguise":   {json, bomb(t)[:4<<10], 400, api.ProblemInvalid, "body"},
	} {
		t.Run(name, func(t *testing.T) {
			answer := test.sender.post("/v1/things", test.body)
			document := answer.problem(test.status, test.kind)
			require.Contains(t, document.Detail, test.says)
			require.NotContains(t, string(answer.body), "SECRET", "the body is not echoed")
			require.Less(t, len(answer.body), 2_000)
			s.anonymous().get("/healthz").ok(nil)
		})
	}
	require.Zero(t, taken.Load())
	json.post("/v1/things", `{"name":"a","count":1}`).ok(nil)
	publisher.with("Expect", "100-continue").post("/v1/things", api.Thing{Name: "a", Count: 1}).ok(nil)
	require.EqualValues(t, 2, taken.Load())
}

// thingRequest is the begin of a request to /v1/things, up to what is said of its body.
func thingRequest(s *service, rest string) string {
	token := s.as(s.tenant(), auth.Publisher).header.Get("Authorization")
	return "POST /v1/things HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\nAuthorization: " + token + "\r\n" + rest
}

func TestBodiesThatDoNotArrive(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *api.Config, _ *api.Parts) { c.BodyTimeout = 300 * time.Millisecond })
	s.server.AddPost("/v1/things", func(context.Context, api.Thing) error {
		t.Error("half a thing was taken")
		return nil
	})
	for name, rest := range map[string]string{
		"cut off":         "Content-Length: 100\r\n\r\n{\"name\":",
		"chunks cut off":  "Transfer-Encoding: chunked\r\n\r\n9\r\n{\"name\":\"\r\n",
		"half a chunk":    "Transfer-Encoding: chunked\r\n\r\nff\r\n{\"name\":",
		"no chunk at all": "Transfer-Encoding: chunked\r\n\r\nnothing\r\n",
		"chunk too large": "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			connection := s.dial().send(thingRequest(s, rest))
			require.NoError(t, closeWrite(connection))
			connection.answer("").problem(http.StatusRequestTimeout, api.ProblemInvalid)
			connection.closed()
			s.anonymous().get("/healthz").ok(nil)
		})
	}
	t.Run("slow", func(t *testing.T) {
		connection := s.dial().send(thingRequest(s, "Content-Length: 100\r\n\r\n{"))
		document := connection.answer("").problem(http.StatusRequestTimeout, api.ProblemInvalid)
		require.Contains(t, document.Detail, "in time")
		connection.closed()
	})
	require.Zero(t, s.counted("POST /v1/things", 500), "none is an error of ours")
	require.EqualValues(t, 6, s.counted("POST /v1/things", 408))
}

func closeWrite(w *wire) error {
	return w.Conn.(interface{ CloseWrite() error }).CloseWrite()
}

// What is left of a body must not be taken for the next request: a proxy would hand its answer to somebody else.
func TestInvariant4NoRequestHidesInABody(t *testing.T) {
	s := serve(t)
	s.server.AddPost("/v1/things", func(context.Context, api.Thing) error { return nil })
	s.server.AddGet("/v1/hidden", func(context.Context) (string, error) {
		t.Error("a request hid in a body")
		return "", nil
	})
	// It lies just behind what the operation reads, and before more than the server cares to throw away.
	hidden := strings.Repeat(" ", api.MaxThingBytes) + strings.Replace(thingRequest(s, "\r\n"), "POST /v1/things", "GET /v1/hidden", 1) +
		strings.Repeat(" ", 1<<19)
	for name, rest := range map[string]string{
		"longer than it may be": fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(hidden), hidden),
		"in chunks":             fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(hidden), hidden),
	} {
		for _, refusal := range []string{"", "Content-Encoding: gzip\r\n", "Authorization: none\r\n"} {
			t.Run(name+" "+refusal, func(t *testing.T) {
				request := thingRequest(s, refusal+rest)
				if strings.HasPrefix(refusal, "Authorization") {
					request = "POST /v1/things HTTP/1.1\r\nHost: api\r\n" + refusal + rest
				}
				connection := s.dial()
				go connection.send(request)
				if answer := connection.answer(""); answer != nil {
					require.GreaterOrEqual(t, answer.status, 400)
					require.Nil(t, connection.answer(""), "no second answer")
				}
			})
		}
	}
}

func TestPanicIsOneRequestsTrouble(t *testing.T) {
	s := serve(t)
	s.server.AddGet("/v1/panic", func(context.Context) (string, error) { panic("SECRET payload") })
	s.server.AddGet("/v1/index", func(context.Context) (string, error) { return strings.Split("SECRET", ",")[1], nil })
	s.server.AddRaw("GET /v1/half", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(errors.New("SECRET payload"))
	})
	publisher := s.as(s.tenant(), auth.Publisher)
	for _, path := range []string{"/v1/panic", "/v1/index"} {
		answer := publisher.get(path)
		answer.problem(http.StatusInternalServerError, api.ProblemBug)
		require.NotContains(t, string(answer.body), "SECRET")
		require.EqualValues(t, 1, s.counted("GET "+path, 500))
	}
	connection := s.dial().send("GET /v1/half HTTP/1.1\r\nHost: api\r\n\r\n")
	response, err := http.ReadResponse(connection.reader, nil)
	require.NoError(t, err)
	_, err = io.ReadAll(response.Body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF, "half an answer must not look like a whole one")
	require.Eventually(t, func() bool { return s.counted("GET /v1/half", 500) == 1 }, 5*time.Second, time.Millisecond)

	logged := s.logged.String()
	require.NotContains(t, logged, "SECRET")
	require.Contains(t, logged, `"panic":"string"`)
	require.Contains(t, logged, "index out of range [1] with length 1")
	require.Contains(t, logged, "TestPanicIsOneRequestsTrouble", "the stack says where")
	s.anonymous().get("/healthz").ok(nil)
}

func TestTimeToAnswerIsBounded(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *api.Config, _ *api.Parts) { c.RequestTimeout = 200 * time.Millisecond })
	release := make(chan struct{})
	ended := make(chan struct{})
	s.server.AddGet("/v1/minds", func(ctx context.Context) (string, error) {
		<-ctx.Done()
		return "", fmt.Errorf("ask the database: %w", ctx.Err())
	})
	s.server.AddGet("/v1/minds-not", func(context.Context) (string, error) {
		defer close(ended)
		<-release
		return "LATE", nil
	})
	publisher := s.as(s.tenant(), auth.Publisher)
	for _, path := range []string{"/v1/minds", "/v1/minds-not"} {
		began := time.Now()
		answer := publisher.get(path)
		answer.problem(http.StatusServiceUnavailable, api.ProblemUnavailable)
		require.NotEmpty(t, answer.header.Get("Retry-After"))
		require.NotContains(t, string(answer.body), "LATE")
		require.Less(t, time.Since(began), 5*time.Second)
		require.EqualValues(t, 1, s.counted("GET "+path, 503))
	}
	close(release)
	<-ended
	s.anonymous().get("/healthz").ok(nil)
	require.NotContains(t, s.logged.String(), "panicked")
}

// Go's server cancels what runs when the deadline to read the body passes, although the body is there.
func TestDeadlineOfTheBodyIsNotThatOfTheOperation(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *api.Config, _ *api.Parts) { c.BodyTimeout = 100 * time.Millisecond })
	wait := func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(400 * time.Millisecond): // longer than the deadline: what this test is about
			return nil
		}
	}
	s.server.AddGet("/v1/slow", func(ctx context.Context) (string, error) { return "done", wait(ctx) })
	s.server.AddPost("/v1/things", func(ctx context.Context, _ api.Thing) error { return wait(ctx) })
	publisher := s.as(s.tenant(), auth.Publisher)
	publisher.get("/v1/slow").ok(nil)
	publisher.post("/v1/things", api.Thing{Name: "a", Count: 1}).ok(nil)
}

func TestStreamsTakeTheirTime(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *api.Config, _ *api.Parts) {
		c.RequestTimeout, c.BodyTimeout = 50*time.Millisecond, 200*time.Millisecond
	})
	s.server.AddStream("/v1/stream", func(ctx context.Context, body io.Reader, w http.ResponseWriter) error {
		if _, err := io.Copy(w, body); err != nil {
			return fmt.Errorf("read the stream: %w", err)
		}
		return ctx.Err()
	})
	token := s.as(s.tenant(), auth.Publisher).header.Get("Authorization")
	begin := "PUT /v1/stream HTTP/1.1\r\nHost: api\r\nAuthorization: " + token + "\r\nContent-Length: 8\r\n\r\n"
	connection := s.dial().send(begin)
	for range 8 {
		time.Sleep(60 * time.Millisecond) // a client that takes its time is what this test is about
		connection.send("x")
	}
	require.Equal(t, "xxxxxxxx", string(connection.answer("").ok(nil).body))

	began := time.Now()
	connection = s.dial().send(begin)
	connection.answer("").problem(http.StatusRequestTimeout, api.ProblemInvalid)
	require.Less(t, time.Since(began), 5*time.Second, "silence is bounded")

	connection = s.dial().send(begin)
	require.NoError(t, closeWrite(connection))
	connection.answer("").problem(http.StatusRequestTimeout, api.ProblemInvalid)
	require.Zero(t, s.counted("PUT /v1/stream", 500))
}

func TestPlacesAreShared(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *api.Config, _ *api.Parts) { c.ConcurrentPerTenant, c.Concurrent = 2, 3 })
	entered, release := make(chan struct{}), make(chan struct{})
	s.server.AddGet("/v1/wait", func(context.Context) (string, error) {
		entered <- struct{}{}
		<-release
		return "done", nil
	})
	var wait sync.WaitGroup
	begin := func(who *client) {
		wait.Go(func() { who.get("/v1/wait").ok(nil) })
		<-entered
	}
	greedy, modest, late := s.as(s.tenant(), auth.Publisher), s.as(s.tenant(), auth.Publisher), s.as(s.tenant(), auth.Publisher)
	begin(greedy)
	begin(greedy)
	answer := greedy.get("/v1/wait")
	answer.problem(http.StatusTooManyRequests, api.ProblemTooMany)
	require.Equal(t, "1", answer.header.Get("Retry-After"))
	begin(modest)
	late.get("/v1/wait").problem(http.StatusServiceUnavailable, api.ProblemUnavailable)
	s.anonymous().get("/healthz").ok(nil)
	close(release)
	wait.Wait()
	go func() { <-entered }()
	late.get("/v1/wait").ok(nil)
}

func TestMetricsNameRoutesNotPaths(t *testing.T) {
	s := serve(t)
	for i := range 20 {
		s.anonymous().get(fmt.Sprintf("/nowhere/%d", i))
	}
	require.Equal(t, map[string]float64{"none 404": 20}, s.counts())
}
