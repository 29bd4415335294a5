package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// documentSource is the CloudEvents source of what the API says of documents itself.
const documentSource = "reos/documents"

// put stores a document while it comes, and then says so to the pipeline.
//
// Invariant 1: stored and announced means that the object store has it and the broker has confirmed the event. What is
// stored and not announced is told as a failure, and can be sent again.
func (d *documents) put(ctx context.Context, who caller, request *putDocumentIn) (*putDocumentOut, error) {
	draft := documentData{Key: request.Path, Path: request.Path, Name: path.Base(request.Path), ListingKey: request.ListingKey}
	var err error
	if draft.MediaType, err = mediaTypeOf(request.request.Header.Get("Content-Type")); err != nil {
		return nil, err
	}
	if err := checkDocument(d.event(who, request.Path, events.Received, draft), request.Path); err != nil {
		return nil, err
	}
	if err := d.ready(ctx); err != nil {
		return nil, err
	}
	leave, err := d.uploads.enter(who.Owner.ID)
	if err != nil {
		return nil, err
	}
	defer leave()
	content, object, err := d.store(ctx, who, request, draft.MediaType)
	if err != nil {
		return nil, err
	}
	draft.Bytes, draft.SHA256 = content.bytes, hex.EncodeToString(content.digest.Sum(nil))
	e := d.event(who, request.Path, events.Received, draft)
	if err := d.announce(ctx, who, e); err != nil {
		return nil, err
	}
	return &putDocumentOut{Location: locationOf(request.Path), ETag: `"` + object.ETag + `"`, Body: storedDocument{
		Path: request.Path, Bytes: draft.Bytes, SHA256: draft.SHA256, Type: draft.MediaType, EventUID: e.UID(),
	}}, nil
}

// store writes the request's body to the object store.
func (d *documents) store(ctx context.Context, who caller, request *putDocumentIn, mediaType string) (*measured, store.ObjectInfo, error) {
	size := request.request.ContentLength
	if size > d.maxBytes {
		return nil, store.ObjectInfo{}, tooLarge(d.maxBytes)
	}
	content := &measured{body: http.MaxBytesReader(nil, request.request.Body, d.maxBytes), digest: sha256.New()}
	objects, key := d.objects(who.Owner.ID), documentsPrefix+request.Path
	err := objects.Put(ctx, key, content, size, mediaType)
	var cut *bodyError
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &cut):
		return nil, store.ObjectInfo{}, problem(http.StatusRequestTimeout, ProblemInvalid, bodyDetail)
	case errors.As(err, &long):
		return nil, store.ObjectInfo{}, tooLarge(d.maxBytes)
	case errors.Is(err, store.ErrExists):
		return nil, store.ObjectInfo{}, problem(http.StatusConflict, ProblemConflict,
			"path is in the way of another document's: one of the two would have to be a file and a directory")
	case err != nil:
		return nil, store.ObjectInfo{}, refusedKey(err, "path")
	}
	object, err := objects.Stat(ctx, key)
	return content, object, err
}

// measured is a body that is measured while it is read.
type measured struct {
	body   io.Reader
	bytes  int64
	digest hash.Hash
}

// Read implements io.Reader.
func (m *measured) Read(p []byte) (int, error) {
	n, err := m.body.Read(p)
	m.bytes += int64(n)
	m.digest.Write(p[:n])
	return n, err
}

// documentData is the data of reos.document.received.v1.
type documentData struct {
	Key        string `json:"DocumentKey"`
	Path       string `json:"DocumentPath"`
	Name       string `json:"DocumentName"`
	ListingKey string `json:"ListingKey,omitempty"`
	MediaType  string `json:"MediaType"`
	Bytes      int64  `json:"SizeBytes"`
	SHA256     string `json:"SHA256"`
}

// event says what happened to a document, now: its time is the record's version.
func (d *documents) event(who caller, path string, verb events.Verb, data any) events.Event {
	e := events.Event{
		ID: uuid.NewString(), Source: documentSource, Type: events.Type(events.Document, verb), Subject: path,
		Time: time.Now(), TenantID: who.Owner.ID,
	}
	if data != nil {
		e.Data, _ = json.Marshal(data) // strings and a number
	}
	return e
}

// checkDocument refuses, before anything is stored, what ingestion would refuse afterwards: paths that are no record keys.
func checkDocument(e events.Event, path string) error {
	record, err := events.Normalise(e)
	if rejection, ok := errors.AsType[*events.Rejection](err); ok {
		return invalid("path", "must be "+rejection.Must)
	}
	if err == nil && record.Key != path {
		return invalid("path", "must not begin or end in a space")
	}
	return err
}

// mediaTypeOf is a body's media type, which its record can take.
func mediaTypeOf(contentType string) (string, error) {
	const unknown, longest = "application/octet-stream", 127
	if contentType == "" {
		return unknown, nil
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil || !strings.Contains(media, "/") || len(contentType) > longest {
		return "", unsupported("header.Content-Type", fmt.Sprintf("must be a media type of at most %d bytes, such as application/pdf", longest))
	}
	return contentType, nil
}

// ready refuses what could not be announced.
func (d *documents) ready(ctx context.Context) error {
	if err := d.transport.Ready(ctx); err != nil {
		d.log.Warn().Err(err).Msg("document refused: the transport is not ready")
		return retryLater(http.StatusServiceUnavailable, ProblemUnavailable, "the broker takes no events just now; nothing was changed", unavailableFor)
	}
	return nil
}

// announce publishes a document's event through the ordinary intake. The client may go meanwhile.
func (d *documents) announce(ctx context.Context, who caller, e events.Event) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.config.RequestTimeout)
	defer cancel()
	result := d.publish(ctx, outbox{incoming: []events.Incoming{{Event: e}}, by: who.Subject, lane: store.LiveEntry})
	d.keep(ctx, who.Owner.ID, result)
	if result.Accepted == 0 {
		return retryLater(http.StatusServiceUnavailable, ProblemUnavailable,
			"the change was made, and the broker has not confirmed the event that says so: send the request again", unavailableFor)
	}
	return nil
}
