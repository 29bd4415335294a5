package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// Problem names a kind of failure: the last segment of a problem document's type (RFC 9457), and the fragment of the
// reference page that explains it. Clients may switch on it.
type Problem string

// The problems. Those of bad input also name the field.
const (
	ProblemUnauthenticated Problem = "unauthenticated"    // 401
	ProblemForbidden       Problem = "forbidden"          // 403: the role, or the tenant, is not the token's
	ProblemSuspended       Problem = "tenant-suspended"   // 403
	ProblemNotFound        Problem = "not-found"          // 404: does not exist for this tenant
	ProblemMethod          Problem = "method-not-allowed" // 405
	ProblemInvalid         Problem = "invalid"            // 400, 408, 415 or 422: names the field and what it must be
	ProblemTooLarge        Problem = "too-large"          // 413, 414 or 431
	ProblemConflict        Problem = "conflict"           // 409
	ProblemTooMany         Problem = "too-many"           // 429: wait as long as Retry-After says
	ProblemUnavailable     Problem = "unavailable"        // 503: a dependency cannot work just now; try again
	ProblemBug             Problem = "bug"                // 500
)

// problemPath begins a problem's type.
const problemPath = "/docs#problem-"

// problem makes an error that becomes a problem document. Fields, where there are any, say where and what it must be.
func problem(status int, kind Problem, detail string, fields ...*huma.ErrorDetail) *huma.ErrorModel {
	return &huma.ErrorModel{
		Type: problemPath + string(kind), Title: http.StatusText(status), Status: status, Detail: detail, Errors: fields,
	}
}

// invalid is a problem with one field of the request.
func invalid(location, must string) error {
	return problem(http.StatusUnprocessableEntity, ProblemInvalid, location+" "+must,
		&huma.ErrorDetail{Location: location, Message: must})
}

// retryLater is a problem that goes away by itself.
func retryLater(status int, kind Problem, detail string, after time.Duration) error {
	seconds := max(1, int((after+time.Second-1)/time.Second))
	return huma.ErrorWithHeaders(problem(status, kind, detail), http.Header{"Retry-After": {strconv.Itoa(seconds)}})
}

// unavailableFor is what a caller should wait for a dependency that is down.
const unavailableFor = 5 * time.Second

// translate makes a problem of an error of the stores or the transport. What it does not know is a bug: the caller gets
// no detail of it, the log does.
func (s *Server) translate(ctx context.Context, operation string, err error) error {
	var status huma.StatusError
	var cut *bodyError
	switch {
	case errors.As(err, &status):
		return err
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrTenantDeleted):
		return problem(http.StatusNotFound, ProblemNotFound, "there is no such thing for this tenant")
	case errors.As(err, &cut):
		return problem(http.StatusRequestTimeout, ProblemInvalid, bodyDetail)
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, auth.ErrUnavailable), errors.Is(err, events.ErrUnroutable),
		errors.Is(err, context.DeadlineExceeded):
		s.log.Warn().Err(err).Str("operation", operation).Msg("unavailable")
		return retryLater(http.StatusServiceUnavailable, ProblemUnavailable, "a service behind the API cannot work just now", unavailableFor)
	case ctx.Err() != nil:
		return problem(statusClientGone, ProblemUnavailable, "the client has gone") // nobody reads it; the metrics do
	}
	s.log.Error().Err(err).Str("operation", operation).Msg("request failed")
	return problem(http.StatusInternalServerError, ProblemBug, fmt.Sprintf("%s failed; the log of the service says why", operation))
}

// writeProblem answers a request with an error that translate has made.
func writeProblem(ctx huma.Context, err error) {
	var headers huma.HeadersError
	if errors.As(err, &headers) {
		for name, values := range headers.GetHeaders() {
			for _, value := range values {
				ctx.SetHeader(name, value)
			}
		}
	}
	document := &huma.ErrorModel{Status: http.StatusInternalServerError}
	errors.As(err, &document)
	ctx.SetHeader("Content-Type", "application/problem+json")
	ctx.SetStatus(document.Status)
	_ = json.NewEncoder(ctx.BodyWriter()).Encode(document) // the client has gone: nobody is left to tell
}
