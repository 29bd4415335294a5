package api_test

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/api/auth"
)

// FuzzRequest sends what Go's server would let through: no request is our fault, and none is answered with anything but
// what the page says.
func FuzzRequest(f *testing.F) {
	for _, request := range []string{
		"GET /healthz?x=%zz HTTP/1.1\r\nHost: api\r\n\r\n",
		"GET /v1/events/..%2fx?tenant=%00 HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer x\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: api\r\n\r\n",
		"PUT //v1/documents/%2e%2e/a HTTP/1.1\r\nHost: api\r\nContent-Encoding: br\r\n\r\n",
		"POST /v1/events HTTP/1.1\r\nHost: api\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}",
		"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
	} {
		f.Add(request)
	}
	var logged lines
	server := api.New(api.Config{RequestTimeout: 5 * time.Second, BodyTimeout: 5 * time.Second}, api.Parts{
		Verifier: powerless{}, Tenants: &knownTenants{}, Pings: pings{}, Registry: prometheus.NewRegistry(), Log: zerolog.New(&logged),
	})
	f.Fuzz(func(t *testing.T, text string) {
		request, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
		if err != nil {
			return
		}
		recorder := httptest.NewRecorder()
		server.ServeHTTP(recorder, request)
		require.Less(t, recorder.Code, 500, logged.String())
		if recorder.Code >= 400 && request.Method != http.MethodHead {
			require.Equal(t, "application/problem+json", recorder.Header().Get("Content-Type"), recorder.Body.String())
		}
	})
}

// powerless is a Verifier who believes everybody, and knows of no roles.
type powerless struct{}

func (powerless) Verify(context.Context, string) (auth.Principal, error) {
	return auth.Principal{Subject: "nobody", Tenant: uuid.Max}, nil
}
