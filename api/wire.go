package api

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/google/uuid"
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

// readBody reads a whole body of at most limit bytes, in memory that comes out of room. The bytes are the caller's until it
// calls done, which it does unless there is an error.
func (w *wire) readBody(limit int64, room *inFlight, tenant uuid.UUID) (content []byte, done func(), err error) {
	if w.request.ContentLength > limit {
		return nil, nil, tooLarge(limit)
	}
	paid := &paidReader{Reader: io.LimitReader(w.request.Body, limit+1), pay: func() error { return room.take(tenant) }}
	done = func() { room.give(tenant, paid.steps) }
	var body bytes.Buffer
	body.Grow(int(min(max(w.request.ContentLength, 0)+bytes.MinRead, firstGrowth)))
	_, err = body.ReadFrom(paid)
	if err == nil && int64(body.Len()) > limit {
		err = tooLarge(limit)
	}
	if err != nil {
		done()
		return nil, nil, err
	}
	return body.Bytes(), done, nil
}

// bodyStep is what memory for bodies is counted in.
const bodyStep = 64 << 10

// What bodies that are read whole may take of memory, in bodies of the largest size: a token per request says nothing of
// how large it is.
const (
	tenantBodies = 2
	allBodies    = 8
)

// newBodyRoom is the memory for bodies of at most so many bytes each.
func newBodyRoom(largest int64) *inFlight {
	steps := int(largest/bodyStep) + 2 // begun ones count, and so does the byte that says that a body is too large
	return newInFlight(tenantBodies*steps, allBodies*steps)
}

// paidReader pays for each bodyStep before it reads it: who announces much, and sends nothing, takes nothing.
type paidReader struct {
	io.Reader
	pay   func() error
	steps int // that were paid
	left  int // of the last of them
}

// Read implements io.Reader.
func (r *paidReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		if err := r.pay(); err != nil {
			return 0, err
		}
		r.steps, r.left = r.steps+1, bodyStep
	}
	n, err := r.Reader.Read(p[:min(len(p), r.left)])
	r.left -= n
	return n, err
}

func tooLarge(limit int64) error {
	return problem(http.StatusRequestEntityTooLarge, ProblemTooLarge, fmt.Sprintf("the body may have at most %d bytes", limit))
}

// unsupported is a problem with a header that says how the body is written.
func unsupported(location, must string) error {
	return problem(http.StatusUnsupportedMediaType, ProblemInvalid, location+" "+must,
		&huma.ErrorDetail{Location: location, Message: must})
}
