package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/time/rate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// issuer publishes keys, or does not.
type issuer struct {
	t      *testing.T
	server *httptest.Server

	mu     sync.Mutex
	order  []string
	keys   map[string]map[string]string
	answer http.HandlerFunc // in place of the keys; nil publishes them
	asked  int
}

func newIssuer(t *testing.T) *issuer {
	i := &issuer{t: t, keys: map[string]map[string]string{}}
	i.server = httptest.NewServer(i)
	t.Cleanup(i.server.Close)
	return i
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked++
	if i.answer != nil {
		i.answer(w, r)
		return
	}
	listed := []map[string]string{}
	for _, kid := range i.order {
		if key, ok := i.keys[kid]; ok {
			listed = append(listed, key)
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"keys": listed})
}

func (i *issuer) instead(answer http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answer = answer
}

func (i *issuer) asks() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked
}

func (i *issuer) add(kid string, members map[string]string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	members["kid"] = kid
	i.keys[kid] = members
	i.order = append(i.order, kid)
}

func (i *issuer) remove(kid string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.keys, kid)
}

func (i *issuer) addRSA(kid string) *rsa.PrivateKey {
	key := newRSA(i.t)
	i.add(kid, rsaMembers(key))
	return key
}

func rsaMembers(key *rsa.PrivateKey) map[string]string {
	return map[string]string{"kty": "RSA", "use": "sig", "n": base64url(key.N.Bytes()), "e": base64url(big.NewInt(int64(key.E)).Bytes())}
}

func (i *issuer) addEC(kid string, curve elliptic.Curve, name string) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(i.t, err)
	point, err := key.PublicKey.Bytes()
	require.NoError(i.t, err)
	half := (len(point) - 1) / 2
	i.add(kid, map[string]string{"kty": "EC", "crv": name, "x": base64url(point[1 : 1+half]), "y": base64url(point[1+half:])})
	return key
}

func newRSA(t *testing.T) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return key
}

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func production(i *issuer) Config {
	return Config{JWKSURL: i.server.URL + "/keys", Issuer: "reos", Audience: "reos-api", JWKSRefresh: time.Hour}
}

// published is a verifier of an issuer's tokens whose patience with unknown keys a test sets.
func published(t *testing.T, config Config, unknown *rate.Limiter) Verifier {
	t.Helper()
	k := newKeys(config, zerolog.Nop())
	k.unknown = unknown
	k.start(t.Context())
	return newTokens(config, k.of, jwt.SigningMethodRS256, jwt.SigningMethodES256)
}

func always() *rate.Limiter { return rate.NewLimiter(rate.Inf, 1) }

func TestPublishedKeys(t *testing.T) {
	i := newIssuer(t)
	rs, es, other := i.addRSA("rs"), i.addEC("es", elliptic.P256(), "P-256"), i.addEC("p384", elliptic.P384(), "P-384")
	wrapping := newRSA(t)
	members := rsaMembers(wrapping)
	members["use"] = "enc"
	i.add("wrapping", members)
	pss := newRSA(t)
	members = rsaMembers(pss)
	members["alg"] = "PS256"
	i.add("pss", members)
	nameless := newRSA(t)
	i.add("", rsaMembers(nameless))
	shared := []byte("a symmetric key of thirty-two bytes.")
	i.add("oct", map[string]string{"kty": "oct", "k": base64url(shared)})
	i.add("odd", map[string]string{"kty": "lattice"})
	verifier := newVerifier(t, production(i))

	for name, token := range map[string]string{
		"RS256": sign(t, jwt.SigningMethodRS256, rs, "rs", good()), "ES256": sign(t, jwt.SigningMethodES256, es, "es", good()),
	} {
		who, err := verifier.Verify(t.Context(), token)
		require.NoError(t, err, name)
		require.Equal(t, tenant, who.Tenant)
	}
	for name, token := range map[string]string{
		"kid of another key":      sign(t, jwt.SigningMethodRS256, rs, "pss", good()),
		"kid of another kind":     sign(t, jwt.SigningMethodRS256, rs, "es", good()),
		"RS384":                   sign(t, jwt.SigningMethodRS384, rs, "rs", good()),
		"PS256":                   sign(t, jwt.SigningMethodPS256, rs, "rs", good()),
		"ES384":                   sign(t, jwt.SigningMethodES384, other, "p384", good()),
		"a key to wrap others":    sign(t, jwt.SigningMethodRS256, wrapping, "wrapping", good()),
		"a key of another alg":    sign(t, jwt.SigningMethodRS256, pss, "pss", good()),
		"a key without kid":       sign(t, jwt.SigningMethodRS256, nameless, "", good()),
		"no kid":                  sign(t, jwt.SigningMethodRS256, rs, "", good()),
		"published symmetric key": sign(t, jwt.SigningMethodHS256, shared, "oct", good()),
		"alg=none":                sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, "rs", good()),
		"forged":                  sign(t, jwt.SigningMethodRS256, newRSA(t), "rs", good()),
		"unknown kid":             sign(t, jwt.SigningMethodRS256, newRSA(t), "other", good()),
		"kid a path":              sign(t, jwt.SigningMethodRS256, newRSA(t), "../../../../etc/passwd", good()),
		"kid a URL":               sign(t, jwt.SigningMethodRS256, newRSA(t), "http://127.0.0.1/keys", good()),
		"kid SQL":                 sign(t, jwt.SigningMethodRS256, newRSA(t), "' UNION SELECT 'x", good()),
		"kid with NUL":            sign(t, jwt.SigningMethodRS256, newRSA(t), "rs\x00", good()),
		"own key in jwk":          embedded(t, newRSA(t)),
		"expired":                 sign(t, jwt.SigningMethodRS256, rs, "rs", with("exp", 1)),
		"audience":                sign(t, jwt.SigningMethodRS256, rs, "rs", with("aud", "x")),
	} {
		_, err := verifier.Verify(t.Context(), token)
		require.ErrorIs(t, err, ErrUnauthenticated, name)
		require.NotContains(t, err.Error(), "passwd", name)
	}
	require.LessOrEqual(t, i.asks(), 1+unknownBurst, "made-up keys do not make us ask again and again")
}

// embedded brings its own key along, in the header and by URL.
func embedded(t *testing.T, key *rsa.PrivateKey) string {
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, good())
	token.Header["jwk"], token.Header["jku"], token.Header["kid"] = rsaMembers(key), "https://evil.example.com/keys", "own"
	signed, err := token.SignedString(key)
	require.NoError(t, err)
	return signed
}

func TestKeysRotateWithoutARestart(t *testing.T) {
	i := newIssuer(t)
	old := i.addRSA("old")
	verifier := published(t, production(i), always())
	before := sign(t, jwt.SigningMethodRS256, old, "old", good())
	_, err := verifier.Verify(t.Context(), before)
	require.NoError(t, err)

	next := i.addRSA("next")
	after := sign(t, jwt.SigningMethodRS256, next, "next", good())
	_, err = verifier.Verify(t.Context(), after)
	require.NoError(t, err, "the new key")
	_, err = verifier.Verify(t.Context(), before)
	require.NoError(t, err, "the old one is still published")

	i.remove("old")
	i.addRSA("third")
	_, err = verifier.Verify(t.Context(), sign(t, jwt.SigningMethodRS256, newRSA(t), "unknown", good()))
	require.ErrorIs(t, err, ErrUnauthenticated)
	_, err = verifier.Verify(t.Context(), before)
	require.ErrorIs(t, err, ErrUnauthenticated, "the old one is published no more")
	_, err = verifier.Verify(t.Context(), after)
	require.NoError(t, err)
}

func TestRemovedKeyEndsWithTheInterval(t *testing.T) {
	i := newIssuer(t)
	old := i.addRSA("old")
	i.addRSA("next")
	config := production(i)
	config.JWKSRefresh = 10 * time.Millisecond
	verifier := newVerifier(t, config)
	token := sign(t, jwt.SigningMethodRS256, old, "old", good())
	_, err := verifier.Verify(t.Context(), token)
	require.NoError(t, err)
	i.remove("old")
	require.Eventually(t, func() bool {
		_, err := verifier.Verify(t.Context(), token)
		return errors.Is(err, ErrUnauthenticated)
	}, 5*time.Second, 5*time.Millisecond)
}

func TestIssuerIsDownAtStart(t *testing.T) {
	i := newIssuer(t)
	key := i.addRSA("k")
	i.instead(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	verifier := published(t, production(i), always())
	token := sign(t, jwt.SigningMethodRS256, key, "k", good())
	_, err := verifier.Verify(t.Context(), token)
	require.ErrorIs(t, err, ErrUnavailable, "not the token's fault")
	require.NotErrorIs(t, err, ErrUnauthenticated)
	_, err = verifier.Verify(t.Context(), hs256(t, good()))
	require.ErrorIs(t, err, ErrUnauthenticated, "no key could make this one right")

	i.instead(nil)
	_, err = verifier.Verify(t.Context(), token)
	require.NoError(t, err, "the issuer is back")
}

func TestIssuerGoesDownLater(t *testing.T) {
	i := newIssuer(t)
	key := i.addRSA("k")
	verifier := published(t, production(i), always())
	token := sign(t, jwt.SigningMethodRS256, key, "k", good())
	for name, answer := range map[string]http.HandlerFunc{
		"error":          func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"empty set":      func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys":[]}`)) },
		"not a set":      func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`<html>`)) },
		"too long a set": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, maxSetBytes+1)) },
		"redirect":       func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/other", http.StatusFound) },
		"cut off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte(`{"keys":`))
		},
	} {
		i.instead(answer)
		_, err := verifier.Verify(t.Context(), sign(t, jwt.SigningMethodRS256, key, "made up", good()))
		require.ErrorIs(t, err, ErrUnavailable, name)
		_, err = verifier.Verify(t.Context(), token)
		require.NoError(t, err, name)
	}
	i.server.Close()
	_, err := verifier.Verify(t.Context(), token)
	require.NoError(t, err, "nobody listens")
}

func TestRequestsShareOneReadOfTheKeys(t *testing.T) {
	i := newIssuer(t)
	i.addRSA("k")
	verifier := published(t, production(i), rate.NewLimiter(0, 1))
	token := sign(t, jwt.SigningMethodRS256, i.addRSA("next"), "next", good())
	results := make(chan error, 20)
	for range cap(results) {
		go func() {
			_, err := verifier.Verify(t.Context(), token)
			results <- err
		}()
	}
	for range cap(results) {
		require.NoError(t, <-results, "who may not ask waits for who does")
	}
	require.Equal(t, 2, i.asks(), "one at the start, one for all")
}

func TestKeyURLStaysOutOfErrors(t *testing.T) {
	k := newKeys(Config{JWKSURL: "http://user:HUNTER2@127.0.0.1:1/keys?token=HUNTER2"}, zerolog.Nop())
	_, err := k.fetch(t.Context())
	require.ErrorContains(t, err, "API_JWKS_URL (http://127.0.0.1:1/keys)")
	require.NotContains(t, err.Error(), "HUNTER2")
}

func TestPrivatePartsOfPublishedKeysAreLeftOut(t *testing.T) {
	key := newRSA(t)
	members := rsaMembers(key)
	members["kid"], members["d"] = "k", base64url(key.D.Bytes())
	encoded, err := json.Marshal(map[string]any{"keys": []any{members}})
	require.NoError(t, err)
	set, err := parseSet(t.Context(), encoded)
	require.NoError(t, err)
	kept, err := set.Storage().KeyRead(t.Context(), "k")
	require.NoError(t, err)
	_, private := kept.Key().(crypto.Signer)
	require.False(t, private)
}

func FuzzParseSet(f *testing.F) {
	f.Add(`{"keys":[{"kty":"EC","crv":"P-256","kid":"k","x":"AA","y":"AA"}]}`)
	f.Add(`{"keys":[{"kty":"RSA","kid":"k","n":"` + strings.Repeat("_", 342) + `","e":"AQAB"}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		set, err := parseSet(t.Context(), []byte(body))
		if err == nil {
			require.NotNil(t, set)
		}
	})
}
