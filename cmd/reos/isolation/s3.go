package isolation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/objects"
)

func s3Attempts(w *World) []Attempt {
	var all []Attempt
	for _, hostile := range hostileKeys {
		all = append(all, w.onObjects("name the victim's document by "+hostile.name, func(ctx context.Context, w *World, into *tally) {
			useKey(ctx, w, w.hostileKey(hostile.key), into)
		}))
	}
	for name, prefix := range map[string]string{
		"everything": "", "the victim's id": w.Victim.ID.String(), "the victim's prefix": w.Victim.ID.String() + "/",
		"a parent": "../", "the victim by a parent": "../" + w.Victim.ID.String() + "/", "the bucket's root": "/",
		"an encoded parent": "%2e%2e/", "a prefix that ids share": w.Victim.ID.String()[:1],
	} {
		all = append(all, w.onObjects("list objects under "+name, func(ctx context.Context, w *World, into *tally) {
			listKeys(ctx, w, prefix, into)
		}))
	}
	return append(all,
		w.onObjects("read the victim's archived record by its span", readSpans),
		w.onObjects("write an archive by a name that escapes", writeArchives),
		w.onObjects("upload in parts by a key that escapes", uploadParts),
		w.onObjects("purge more than its own", purgeObjects),
		Attempt{Name: "find a method of the handle that nobody attacks", Layer: S3, Try: objectMethods},
		Attempt{Name: "have a URL signed for the victim's object", Layer: S3, Try: presigned},
		Attempt{Name: "read the victim's object without a signature", Layer: S3, Try: anonymous("", "{victim}/{key}")},
		Attempt{Name: "list the bucket without a signature", Layer: S3, Try: anonymous("list-type=2", "")},
		Attempt{Name: "read the victim's object by a forged signed URL", Layer: S3, Try: anonymous(
			"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=reos%2F20260101%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260101T000000Z"+
				"&X-Amz-Expires=604800&X-Amz-SignedHeaders=host&X-Amz-Signature="+strings.Repeat("0", 64), "{victim}/{key}")})
}

// onObjects makes an attempt where there is an object store, and looks afterwards at whether the victim's objects are
// what they were.
func (w *World) onObjects(name string, try func(context.Context, *World, *tally)) Attempt {
	return Attempt{Name: name, Layer: S3, Try: func(ctx context.Context, w *World) Outcome {
		if w.Objects == nil {
			return notApplicable("no S3_URL")
		}
		var into tally
		try(ctx, w, &into)
		into.changed("objects", w.checkObjects(ctx))
		return into.outcome()
	}}
}

// checkObjects compares the victim's objects with what was planted.
func (w *World) checkObjects(ctx context.Context) error {
	content, err := readObject(ctx, w.Objects(w.Victim.ID), w.Victim.documentKey())
	if err != nil {
		return err
	}
	if content != w.Victim.document() {
		return errors.New("its document is another")
	}
	for object, err := range w.Objects(w.Victim.ID).List(ctx, "") {
		if err != nil {
			return err
		}
		if !strings.Contains(object.Key, w.Victim.Mark) && !strings.HasPrefix(object.Key, "raw/") {
			return fmt.Errorf("there is %q among them", object.Key)
		}
	}
	return nil
}

func readObject(ctx context.Context, handle Objects, key string) (string, error) {
	return readAll(handle.Open(ctx, key))
}

func readAll(body io.ReadCloser, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer body.Close()
	content, err := io.ReadAll(body)
	return string(content), err
}

// judgeKey says what the use of a key came to. A key that is taken for one of the attacker's own harms nobody.
func (w *World) judgeKey(what, content string, err error, into *tally) {
	switch {
	case w.tells(content):
		into.leak("%s: the victim's document", what)
	case err == nil, errors.Is(err, store.ErrNotFound):
		into.nothing()
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		into.fail("%s: %v", what, err)
	default:
		into.refuse()
	}
}

// useKey reads, overwrites and deletes by a key.
func useKey(ctx context.Context, w *World, key string, into *tally) {
	own := w.Objects(w.Attacker.ID)
	content, err := readObject(ctx, own, key)
	w.judgeKey("open", content, err, into)
	_, err = own.Stat(ctx, key)
	w.judgeKey("describe", "", err, into)
	content, err = readAll(own.OpenAt(ctx, objects.ObjectInfo{Key: key, Bytes: int64(len(w.Victim.document()))}, 0, int64(len(w.Victim.document()))))
	w.judgeKey("open at", content, err, into)
	err = own.Put(ctx, key, strings.NewReader("overwritten"), int64(len("overwritten")), "text/plain")
	w.judgeKey("put", "", err, into)
	w.judgeKey("delete", "", own.Delete(ctx, key), into)
}

func listKeys(ctx context.Context, w *World, prefix string, into *tally) {
	own := w.Objects(w.Attacker.ID)
	w.judgeListing(own.List(ctx, prefix), into)
	for _, after := range []string{"", "../", w.Victim.ID.String() + "/", "../" + w.Victim.ID.String()} {
		w.judgeListing(own.ListAfter(ctx, prefix, after), into)
	}
}

func (w *World) judgeListing(listing iter.Seq2[objects.ObjectInfo, error], into *tally) {
	for object, err := range listing {
		if strings.Contains(object.Key, w.Victim.Mark) || strings.Contains(object.Key, w.Victim.ID.String()) {
			into.leak("the listing shows %q", object.Key)
		}
		if err != nil {
			w.judgeKey("list", "", err, into)
			return
		}
	}
	into.nothing()
}

// readSpans reads by spans that point into the victim's archive.
func readSpans(ctx context.Context, w *World, into *tally) {
	for _, key := range []string{
		w.Victim.Span.Key,
		w.Attacker.ID.String() + "/../" + w.Victim.Span.Key,
		w.Attacker.ID.String() + "/%2e%2e/" + w.Victim.Span.Key,
		"/" + w.Victim.Span.Key,
		strings.ToUpper(w.Victim.Span.Key),
	} {
		span := w.Victim.Span
		span.Key = key
		content, err := w.Objects(w.Attacker.ID).ReadSpan(ctx, span)
		w.judgeKey("read span "+key, string(content), err, into)
	}
}

func writeArchives(ctx context.Context, w *World, into *tally) {
	raw := strings.TrimSuffix(strings.TrimPrefix(w.Victim.Span.Key, w.Victim.ID.String()+"/raw/"), ".zst")
	for _, name := range []string{
		"../../" + w.Victim.ID.String() + "/raw/" + raw, "/../../" + w.Victim.ID.String() + "/raw/" + raw,
		`..\..\` + w.Victim.ID.String() + `\raw\` + raw, "%2e%2e/%2e%2e/" + w.Victim.ID.String() + "/raw/" + raw, "",
	} {
		_, err := w.Objects(w.Attacker.ID).PutArchive(ctx, name, [][]byte{[]byte("overwritten")})
		w.judgeKey("put archive "+name, "", err, into)
		_, err = w.Objects(w.Attacker.ID).PutFrames(ctx, name, []store.Frame{{Packed: []byte("x")}})
		w.judgeKey("put frames "+name, "", err, into)
	}
	content, err := w.Objects(w.Victim.ID).ReadSpan(ctx, w.Victim.Span)
	if err == nil && !bytes.Contains(content, []byte(w.Victim.Secret)) {
		err = errors.New("it is another")
	}
	into.changed("archive", err)
}

// uploadParts offers more than goes in one request: the key has to be refused before the first part.
func uploadParts(ctx context.Context, w *World, into *tally) {
	body := &counted{}
	err := w.Objects(w.Attacker.ID).Put(ctx, "../"+w.Victim.ID.String()+"/"+w.Victim.documentKey(), body, -1, "text/plain")
	w.judgeKey("put", "", err, into)
	if err == nil {
		into.leak("%d bytes were taken for a key that escapes", body.n)
	}
}

// purgeObjects removes all that is the attacker's, and plants it again.
func purgeObjects(ctx context.Context, w *World, into *tally) {
	own := w.Objects(w.Attacker.ID)
	w.judgeKey("purge", "", own.Purge(ctx, func(int) {}), into)
	left, err := own.Leftovers(ctx)
	w.judgeKey("count", "", err, into)
	if n := leftOf(left); n > 0 {
		into.leak("%d objects are left that it could not purge, and counts", n)
	}
	if err := w.plantObjects(ctx, w.Attacker); err != nil {
		into.fail("plant them again: %v", err)
	}
}

// attackedObjectMethods are those of a tenant's handle that the attempts here use; Pack, Unpack and ArchiveObjects take no
// key.
var attackedObjectMethods = []string{
	"ArchiveObjects", "Delete", "Leftovers", "List", "ListAfter", "Open", "OpenAt", "Pack", "Purge", "Put", "PutArchive", "PutFrames",
	"ReadSpan", "Stat", "Unpack",
}

func objectMethods(context.Context, *World) Outcome {
	var into tally
	requireAttacked(reflect.TypeFor[*objects.Tenant](), attackedObjectMethods, &into)
	return into.outcome()
}

// counted is a long body that counts what is read of it.
type counted struct{ n int }

func (c *counted) Read(p []byte) (int, error) {
	if c.n > 1<<20 {
		return 0, io.EOF
	}
	clear(p)
	c.n += len(p)
	return len(p), nil
}

// presigned looks for a way to a signed URL: there is none to abuse where none is handed out.
func presigned(context.Context, *World) Outcome {
	var into tally
	for _, handle := range []reflect.Type{reflect.TypeFor[*objects.Tenant](), reflect.TypeFor[*objects.Client]()} {
		for method := range handle.Methods() {
			for out := range method.Type.Outs() {
				if strings.Contains(strings.ToLower(method.Name), "sign") || out == reflect.TypeFor[*url.URL]() {
					into.leak("%s.%s hands out URLs: attack them here", handle, method.Name)
				}
			}
			into.refuse()
		}
	}
	return into.outcome()
}

// anonymousWithin bounds a request that no handle makes.
const anonymousWithin = 5 * time.Second

// anonymous asks the server itself, with no signature or one that nobody has made.
func anonymous(query, key string) func(context.Context, *World) Outcome {
	return func(ctx context.Context, w *World) Outcome {
		at, err := url.Parse(w.S3URL)
		if err != nil || w.S3URL == "" {
			return notApplicable("no S3_URL")
		}
		at.User, at.RawQuery = nil, query
		if key != "" {
			at = at.JoinPath(w.hostileKey(key))
		}
		ctx, cancel := context.WithTimeout(ctx, anonymousWithin)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
		if err != nil {
			return fault(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return fault(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
		if err != nil {
			return fault(err)
		}
		var into tally
		switch {
		case response.StatusCode < 300 || w.tells(string(body)): // a refusal may repeat the key that was asked for
			into.leak("the server answers %s to whoever asks", response.Status)
		case response.StatusCode >= 500:
			into.fail("the server answers %s", response.Status)
		default:
			into.refuse()
		}
		return into.outcome()
	}
}
