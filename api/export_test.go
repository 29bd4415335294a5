package api

import (
	"context"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/codybias9/real-estate-os/api/auth"
)

// Thing is a body that a test's operation takes.
type Thing struct {
	Name  string `json:"name" maxLength:"10"`
	Count int    `json:"count" minimum:"1"`
}

// MaxThingBytes bounds the bodies of operations that a test adds.
const MaxThingBytes = 1 << 16

func ofTest(method, path string) operation {
	return operation{
		ID: method + path, Summary: "For a test", Method: method, Path: path, Tag: "test", Roles: []auth.Role{auth.Publisher},
		MaxBodyBytes: MaxThingBytes,
	}
}

// AddGet adds an operation that answers with what answer returns.
func (s *Server) AddGet(path string, answer func(context.Context) (string, error)) {
	type answered struct{ Body string }
	register(s, ofTest(http.MethodGet, path), func(ctx context.Context, _ caller, _ *struct{}) (*answered, error) {
		text, err := answer(ctx)
		return &answered{Body: text}, err
	})
}

// AddPost adds an operation that takes a Thing.
func (s *Server) AddPost(path string, take func(context.Context, Thing) error) {
	register(s, ofTest(http.MethodPost, path), func(ctx context.Context, _ caller, in *struct{ Body Thing }) (*struct{}, error) {
		return nil, take(ctx, in.Body)
	})
}

// connected gives an operation the connection itself.
type connected struct {
	request *http.Request
	writer  http.ResponseWriter
}

// Resolve implements huma.Resolver.
func (c *connected) Resolve(ctx huma.Context) []error {
	c.request, c.writer = humago.Unwrap(ctx)
	return nil
}

// AddStream adds an operation that reads its body itself, however long that takes, and may write as it goes.
func (s *Server) AddStream(path string, take func(context.Context, io.Reader, http.ResponseWriter) error) {
	op := ofTest(http.MethodPut, path)
	op.Streams = true
	register(s, op, func(ctx context.Context, _ caller, in *connected) (*struct{}, error) {
		return nil, take(ctx, in.request.Body, in.writer)
	})
}

// AddRaw adds a handler past the library.
func (s *Server) AddRaw(pattern string, handler http.HandlerFunc) { s.mux.HandleFunc(pattern, handler) }
