package api

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxPathBytes   = 4 << 10
	maxQueryBytes  = 8 << 10
	maxHeaderBytes = 64 << 10 // names and values, all together
	maxHeaders     = 100
)

// refuse says what is wrong with a request before anything looks at it closer; nil where nothing is.
func refuse(r *http.Request, op operation) error {
	for _, check := range []func(*http.Request) error{checkSizes, checkPath, checkQuery, checkHeader} {
		if err := check(r); err != nil {
			return err
		}
	}
	return checkEncoding(r, op.Unpacks)
}

func checkSizes(r *http.Request) error {
	headers := 0
	for _, values := range r.Header {
		headers += len(values)
	}
	switch {
	case len(r.URL.EscapedPath()) > maxPathBytes:
		return problem(http.StatusRequestURITooLong, ProblemTooLarge, "the path must be 4096 bytes or less")
	case len(r.URL.RawQuery) > maxQueryBytes:
		return problem(http.StatusRequestURITooLong, ProblemTooLarge, "the query must be 8192 bytes or less")
	case headers > maxHeaders:
		return problem(http.StatusRequestHeaderFieldsTooLarge, ProblemTooLarge, "the request must have 100 headers or less")
	}
	return nil
}

// checkPath refuses what two readers may take for different paths. Bytes that stand for themselves in a record key or a
// document's name are encoded: `%2F` is a slash within a name.
//
// Invariant 4: no path climbs out of where it begins.
func checkPath(r *http.Request) error {
	path := r.URL.Path
	switch {
	case !strings.HasPrefix(path, "/"):
		return badRequest("path", "must begin with a slash")
	case !utf8.ValidString(path) || strings.ContainsFunc(path, unicode.IsControl):
		return badRequest("path", "must be UTF-8 without control characters")
	case strings.Contains(r.URL.EscapedPath(), "//"):
		return badRequest("path", "must not have empty segments")
	}
	for segment := range strings.FieldsFuncSeq(path, func(c rune) bool { return c == '/' || c == '\\' }) {
		if segment == "." || segment == ".." {
			return badRequest("path", "must not have the segments . and ..")
		}
	}
	return nil
}

func checkQuery(r *http.Request) error {
	for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
		text, err := url.QueryUnescape(pair)
		if err != nil || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			return badRequest("query", "must be percent-encoded UTF-8 without NUL")
		}
	}
	return nil
}

// checkHeader refuses values in another encoding than UTF-8.
func checkHeader(r *http.Request) error {
	for name, values := range r.Header {
		if slices.ContainsFunc(values, func(value string) bool { return !utf8.ValidString(value) }) {
			return badRequest("header."+name, "must be UTF-8")
		}
	}
	return nil
}

// checkEncoding refuses bodies that are packed: a bound on what is read is only then a bound on what becomes of it.
func checkEncoding(r *http.Request, unpacks bool) error {
	for _, encoding := range r.Header.Values("Content-Encoding") {
		packed := encoding != "" && !strings.EqualFold(encoding, "identity")
		if packed && !(unpacks && strings.EqualFold(encoding, "gzip")) {
			return refuseEncoding()
		}
	}
	return nil
}
