package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/codybias9/real-estate-os/store"
)

// get answers with a document, or the part of it that was asked for.
func (d *documents) get(ctx context.Context, who caller, request *DocumentIn) (*huma.StreamResponse, error) {
	objects := d.objects(who.Owner.ID)
	object, err := objects.Stat(ctx, documentsPrefix+request.Path)
	if err != nil {
		return nil, refusedKey(err, "path")
	}
	return &huma.StreamResponse{Body: func(answer huma.Context) {
		_, response := humago.Unwrap(answer)
		content := &objectReader{ctx: ctx, objects: objects, object: object}
		defer content.close()
		header := response.Header()
		header.Set("Content-Type", object.ContentType)
		header.Set("ETag", `"`+object.ETag+`"`)
		header.Set("Cache-Control", "private, no-cache") // kept by its reader alone, and asked for again each time
		header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
		http.ServeContent(response, oneRange(request.request), "", object.Modified, content)
		if content.err != nil && ctx.Err() == nil {
			d.log.Warn().Err(content.err).Stringer("tenant_id", who.Owner.ID).Msg("document broken off")
			panic(http.ErrAbortHandler) // what was sent is not all of it
		}
	}}, nil
}

// oneRange is the request without a Range of several parts: each part would be a request to the object store. To answer
// with the whole instead is what HTTP allows.
func oneRange(r *http.Request) *http.Request {
	if !strings.Contains(r.Header.Get("Range"), ",") {
		return r
	}
	whole := r.Clone(r.Context())
	whole.Header.Del("Range")
	return whole
}

// What is fetched of an object at a time: little at first, since a client may want little.
const (
	firstWindow = 1 << 20
	lastWindow  = 16 << 20
)

// objectReader reads an object from wherever it was told to seek, a window at a time. It fails where the object was
// replaced in between: no mix of two is ever sent.
type objectReader struct {
	ctx     context.Context // of the one request that it serves
	objects Documents
	object  store.ObjectInfo

	at     int64
	window int64
	open   io.ReadCloser // positioned at at; nil where nothing is open
	err    error         // why reading ended early
}

var errSeek = errors.New("seek outside of the object")

// Seek implements io.Seeker.
func (r *objectReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.object.Bytes
	}
	if offset < 0 || offset > r.object.Bytes {
		return 0, errSeek
	}
	if offset != r.at {
		r.close()
		r.at = offset
	}
	return offset, nil
}

// Read implements io.Reader.
func (r *objectReader) Read(p []byte) (int, error) {
	if r.at == r.object.Bytes {
		return 0, io.EOF
	}
	if r.open == nil {
		r.window = min(max(r.window*2, firstWindow), lastWindow)
		if r.open, r.err = r.objects.OpenAt(r.ctx, r.object, r.at, min(r.window, r.object.Bytes-r.at)); r.err != nil {
			return 0, r.err
		}
	}
	n, err := r.open.Read(p)
	r.at += int64(n)
	switch {
	case errors.Is(err, io.EOF):
		r.close() // the next window begins here
		if n == 0 {
			return r.Read(p)
		}
		return n, nil
	case err != nil:
		r.err = fmt.Errorf("read document: %w", err)
	}
	return n, r.err
}

func (r *objectReader) close() {
	if r.open != nil {
		_ = r.open.Close() // read only: nothing is lost
		r.open = nil
	}
}
