package embedded

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const signatureAlgorithm = "AWS4-HMAC-SHA256"

// signedBy lets only requests through that carry the AWS signature, version 4, of the key: the loopback interface is
// open to every user of the machine. The library's server verifies nothing by itself; it does refuse a date that is
// more than a quarter of an hour off.
//
// The body is covered as far as its digest is among the signed headers.
func signedBy(access, secret string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given, ok := parseAuthorization(r.Header.Get("Authorization"))
		if !ok || given.access != access || !given.covers("host", "x-amz-date", "x-amz-content-sha256") {
			denyS3(w, r, "AccessDenied")
			return
		}
		if !hmac.Equal([]byte(given.signature), []byte(given.expected(r, secret))) {
			denyS3(w, r, "SignatureDoesNotMatch")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func denyS3(w http.ResponseWriter, r *http.Request, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(http.StatusForbidden)
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte("<Error><Code>" + code + "</Code><Message>Access Denied.</Message></Error>"))
	}
}

// authorization is a parsed Authorization header.
type authorization struct {
	access    string
	scope     string // "<day>/<region>/<service>/aws4_request"
	headers   []string
	signature string // hexadecimal
}

func parseAuthorization(header string) (authorization, bool) {
	fields, ok := strings.CutPrefix(header, signatureAlgorithm+" ")
	if !ok {
		return authorization{}, false
	}
	var a authorization
	for field := range strings.SplitSeq(fields, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch name {
		case "Credential":
			a.access, a.scope, _ = strings.Cut(value, "/")
		case "SignedHeaders":
			a.headers = strings.Split(value, ";")
		case "Signature":
			a.signature = value
		}
	}
	return a, strings.Count(a.scope, "/") == 3
}

func (a authorization) covers(names ...string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return !slices.Contains(a.headers, name) })
}

// expected is the signature that the holder of secret would have given the request.
func (a authorization) expected(r *http.Request, secret string) string {
	key := []byte("AWS4" + secret)
	for part := range strings.SplitSeq(a.scope, "/") {
		key = hmacSHA256(key, part)
	}
	digest := sha256.Sum256([]byte(a.canonical(r)))
	text := strings.Join([]string{
		signatureAlgorithm, r.Header.Get("X-Amz-Date"), a.scope, hex.EncodeToString(digest[:]),
	}, "\n")
	return hex.EncodeToString(hmacSHA256(key, text))
}

// canonical is the canonical form of the request as S3 defines it: the path is taken as it was sent.
func (a authorization) canonical(r *http.Request) string {
	var b strings.Builder
	b.WriteString(r.Method + "\n" + r.URL.EscapedPath() + "\n" + canonicalQuery(r.URL.RawQuery) + "\n")
	for _, name := range a.headers {
		b.WriteString(name + ":" + canonicalHeader(r, name) + "\n")
	}
	b.WriteString("\n" + strings.Join(a.headers, ";") + "\n" + r.Header.Get("X-Amz-Content-Sha256"))
	return b.String()
}

func canonicalQuery(raw string) string {
	query, _ := url.ParseQuery(raw)
	for _, values := range query {
		slices.Sort(values)
	}
	return strings.ReplaceAll(query.Encode(), "+", "%20")
}

func canonicalHeader(r *http.Request, name string) string {
	switch name {
	case "host": // net/http keeps these two out of the headers
		return r.Host
	case "content-length":
		return strconv.FormatInt(r.ContentLength, 10)
	}
	values := slices.Clone(r.Header.Values(name))
	for i, value := range values {
		values[i] = strings.Join(strings.Fields(value), " ")
	}
	return strings.Join(values, ",")
}

func hmacSHA256(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
