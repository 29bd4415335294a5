package api

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// wire hands a handler the request itself, where the library must not read the body. It is embedded in an input.
type wire struct {
	request *http.Request
}

// Resolve implements huma.Resolver.
func (w *wire) Resolve(ctx huma.Context) []error {
	w.request, _ = humago.Unwrap(ctx)
	return nil
}

// firstGrowth is how much room a body is given on its client's word.
const firstGrowth = 1 << 20

// readBody reads a whole body of at most limit bytes. The bytes are the caller's.
func (w *wire) readBody(limit int64) ([]byte, error) {
	if w.request.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	var body bytes.Buffer
	body.Grow(int(min(max(w.request.ContentLength, 0)+bytes.MinRead, firstGrowth)))
	switch _, err := body.ReadFrom(io.LimitReader(w.request.Body, limit+1)); {
	case err != nil:
		return nil, err
	case int64(body.Len()) > limit:
		return nil, tooLarge(limit)
	}
	return body.Bytes(), nil
}

func tooLarge(limit int64) error {
	return problem(http.StatusRequestEntityTooLarge, ProblemTooLarge, fmt.Sprintf("the body may have at most %d bytes", limit))
}

// unsupported is a problem with a header that says how the body is written.
func unsupported(location, must string) error {
	return problem(http.StatusUnsupportedMediaType, ProblemInvalid, location+" "+must,
		&huma.ErrorDetail{Location: location, Message: must})
}
