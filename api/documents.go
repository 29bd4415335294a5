package api

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// Documents is a tenant's part of the object store. Keys are relative to the tenant; those that are refused fail with a
// *store.KeyError.
type Documents interface {
	// Put writes an object of size bytes, -1 for unknown, whole or not at all. store.ErrExists: the name is in the way of
	// another's.
	Put(ctx context.Context, key string, body io.Reader, size int64, contentType string) error
	// Stat describes an object; else store.ErrNotFound.
	Stat(ctx context.Context, key string) (store.ObjectInfo, error)
	// OpenAt reads a part of a described object; store.ErrConflict: it is another one by now.
	OpenAt(ctx context.Context, object store.ObjectInfo, offset, length int64) (io.ReadCloser, error)
	Delete(ctx context.Context, key string) error
	// ListAfter lists objects by the beginning of their keys, in the order of keys, from behind one on.
	ListAfter(ctx context.Context, prefix, after string) iter.Seq2[store.ObjectInfo, error]
}

// documentsPrefix begins the keys of documents.
const documentsPrefix = "documents/"

// documents keeps tenants' files.
type documents struct {
	*intake
	objects  func(tenant uuid.UUID) Documents
	maxBytes int64
	uploads  *inFlight
	log      zerolog.Logger
}

// Uploads under way at once. Each may hold two buffers of 16 MiB.
const (
	maxTenantUploads = 6
	maxUploads       = 16
)

// DocumentIn names a document.
type DocumentIn struct {
	wire
	Path string `path:"path" doc:"The document's path within the tenant; the key of its record. Slashes may be written as such." example:"deeds/2026/nw-1042.pdf"`
}

// putDocumentIn stores a document.
type putDocumentIn struct {
	DocumentIn
	ListingKey string `query:"listing_key" maxLength:"255" doc:"The property that the document is about." example:"NW-1042"`
}

// storedDocument says what was stored.
type storedDocument struct {
	Path     string    `json:"path"`
	Bytes    int64     `json:"size_bytes"`
	SHA256   string    `json:"sha256" doc:"Of the content, in hexadecimal digits."`
	Type     string    `json:"media_type" example:"application/pdf"`
	EventUID uuid.UUID `json:"event_uid" doc:"The event that brings the document's record: see /v1/events/{id}."`
}

type putDocumentOut struct {
	Location string `header:"Location"`
	ETag     string `header:"ETag"`
	Body     storedDocument
}

// documentItem is a document in a listing.
type documentItem struct {
	Path     string    `json:"path"`
	Bytes    int64     `json:"size_bytes"`
	ETag     string    `json:"etag"`
	Modified time.Time `json:"modified_at"`
}

type documentsIn struct {
	PageIn
	Prefix string `query:"prefix" maxLength:"900" doc:"What the paths begin with." example:"deeds/2026/"`
}

type documentsOut struct {
	Body struct {
		Items []documentItem `json:"items" doc:"In the order of their paths' bytes."`
		Next  string         `json:"next,omitempty" doc:"The cursor of the page behind; left out where this is the last."`
	}
}

const (
	documentPath = "/v1/documents/{path...}"

	putDocumentText = `The body is the document, with its content type; it is stored while it comes. Then its record is published as
reos.document.received.v1, to be judged like any other: GET /v1/records/document/{path}, with the path's slashes as %2F.

201: it is stored, and the broker has confirmed the event. 503: it may be stored, and no event says so: send it again,
which is harmless. Of two that store the same path at the same moment, the one that ends last is kept; its record may
be the other's until it is stored again.

A path has 1 to 255 bytes of UTF-8 in normalization form C: no empty, . or .. segments, backslashes, control characters or
percent-escapes of its own.`

	deleteDocumentText = `Removes the document and publishes reos.document.deleted.v1. That there is none is no failure. 503: it may be removed, and
no event says so: delete it again.`
)

// registerDocuments adds what keeps documents.
func (s *Server) registerDocuments(parts Parts, in *intake) {
	d := &documents{
		intake: in, objects: parts.Documents, maxBytes: s.config.MaxDocumentBytes,
		uploads: newInFlight(maxTenantUploads, maxUploads), log: parts.Log,
	}
	describe := func(id, method, summary, text string, roles []auth.Role, errors ...int) operation {
		return operation{
			ID: id, Method: method, Path: documentPath, Tag: "documents", Roles: roles, Summary: summary, Description: text,
			Errors: errors, Streams: true, WhileSuspended: method == http.MethodGet || method == http.MethodHead,
		}
	}
	put := describe("put-document", http.MethodPut, "Store a document", putDocumentText, []auth.Role{auth.Publisher},
		http.StatusRequestTimeout, http.StatusConflict, http.StatusRequestEntityTooLarge)
	put.Status = http.StatusCreated
	register(s, put, d.put)
	const getText = "Ranges and conditional requests are answered."
	register(s, describe("get-document", http.MethodGet, "Fetch a document", getText, readers, http.StatusNotFound), d.get)
	register(s, describe("head-document", http.MethodHead, "Describe a document", "", readers, http.StatusNotFound), d.get)
	remove := describe("delete-document", http.MethodDelete, "Remove a document", deleteDocumentText, []auth.Role{auth.Publisher})
	remove.Status = http.StatusNoContent
	register(s, remove, d.remove)
	register(s, operation{
		ID: "list-documents", Method: http.MethodGet, Path: "/v1/documents", Tag: "documents", Roles: readers,
		Summary: "List documents", WhileSuspended: true,
	}, d.list)
	describeDocuments(s.huma.OpenAPI())
}

// describeDocuments mends what the library cannot know: the path's form, and bodies that it does not read.
func describeDocuments(api *huma.OpenAPI) {
	item := api.Paths[documentPath]
	delete(api.Paths, documentPath)
	api.Paths["/v1/documents/{path}"] = item
	content := map[string]*huma.MediaType{"*/*": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}
	item.Put.RequestBody = &huma.RequestBody{Required: true, Content: content}
	item.Get.Responses["200"] = &huma.Response{Description: "The document.", Content: content}
	item.Get.Responses["206"] = &huma.Response{Description: "The part asked for by Range.", Content: content}
	item.Head.Responses["200"] = &huma.Response{Description: "The document's type, size, ETag and date."}
}

// list lists a page of documents.
func (d *documents) list(ctx context.Context, who caller, request *documentsIn) (*documentsOut, error) {
	after, err := readKeyCursor(request.Cursor)
	if err != nil {
		return nil, err
	}
	if after != "" {
		after = documentsPrefix + after
	}
	out := &documentsOut{}
	out.Body.Items = []documentItem{}
	for object, err := range d.objects(who.Owner.ID).ListAfter(ctx, documentsPrefix+request.Prefix, after) {
		if err != nil {
			return nil, refusedKey(err, "query.prefix")
		}
		if items := out.Body.Items; len(items) == request.Limit {
			out.Body.Next, err = writeCursor(keyCursor{After: items[len(items)-1].Path})
			return out, err
		}
		out.Body.Items = append(out.Body.Items, documentItem{
			Path: object.Key[len(documentsPrefix):], Bytes: object.Bytes, ETag: object.ETag, Modified: object.Modified.UTC(),
		})
	}
	return out, nil
}

// refusedKey says what is wrong with a path; any other error stays what it is.
func refusedKey(err error, location string) error {
	if refused, ok := errors.AsType[*store.KeyError](err); ok {
		return invalid(location, "is refused: "+refused.Why)
	}
	return err
}

// locationOf is the address of a document.
func locationOf(path string) string {
	address := url.URL{Path: "/v1/documents/" + path}
	return address.EscapedPath()
}

// remove deletes a document, and then says so to the pipeline.
//
// It always says so: a delete that was cut off in between is repeated when there is nothing left to delete.
func (d *documents) remove(ctx context.Context, who caller, request *DocumentIn) (*struct{}, error) {
	e := d.event(who, request.Path, events.Deleted, nil)
	if err := checkDocument(e, request.Path); err != nil {
		return nil, err
	}
	if err := d.ready(ctx); err != nil {
		return nil, err
	}
	if err := d.objects(who.Owner.ID).Delete(ctx, documentsPrefix+request.Path); err != nil {
		return nil, refusedKey(err, "path")
	}
	e.Time = time.Now()
	return nil, d.announce(ctx, who, e)
}
