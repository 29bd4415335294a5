package isolation

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/store"
)

// issuer publishes a key, and signs with it.
func issuer(t *testing.T) (sign func(header, claims map[string]any) (string, error), url string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	set, err := json.Marshal(map[string]any{"keys": []any{map[string]any{
		"kty": "RSA", "kid": "k", "use": "sig", "e": "AQAB", "n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()),
	}}})
	require.NoError(t, err)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(set) }))
	t.Cleanup(server.Close)
	return func(header, claims map[string]any) (string, error) {
		head := map[string]any{"alg": "RS256", "kid": "k"}
		maps.Copy(head, header)
		return compact(head, claims, func(text []byte) []byte {
			digest := sha256.Sum256(text)
			signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
			require.NoError(t, err)
			return signature
		}), nil
	}, server.URL
}

func TestNoForgeryIsBelieved(t *testing.T) {
	t.Parallel()
	sign, keys := issuer(t)
	secret := auth.Config{Secret: strings.Repeat("s", auth.MinSecretBytes), Issuer: "reos", Audience: "reos-api"}
	public := auth.Config{JWKSURL: keys, JWKSRefresh: time.Hour, Issuer: "reos", Audience: "reos-api"}
	encodings, err := PublicKeys(t.Context(), http.DefaultClient, keys)
	require.NoError(t, err)
	for name, of := range map[string]struct {
		config auth.Config
		server *Server
	}{
		"a shared secret": {secret, &Server{Issuer: "reos", Audience: "reos-api", Sign: SignWith(secret)}},
		"published keys":  {public, &Server{Issuer: "reos", Audience: "reos-api", Sign: sign, PublicKeys: encodings}},
	} {
		verifier, err := auth.New(t.Context(), of.config, zerolog.Nop())
		require.NoError(t, err)
		w := &World{Installation: Installation{API: of.server}}
		w.Attacker, w.Victim = newCanary(store.NewCanary(store.CanaryVerify), 1), newCanary(store.NewCanary(store.CanaryVerify), 1)
		believed, ok := good(w, w.Attacker)
		require.True(t, ok)
		who, err := verifier.Verify(t.Context(), believed)
		require.NoError(t, err, name)
		require.Equal(t, w.Attacker.ID, who.Tenant, "a good token is believed: the others are refused for what they are")
		for _, f := range forgeries() {
			token, ok := f.make(w)
			if !ok {
				require.Contains(t, f.name, "public key", "%s: %s", name, f.name)
				continue
			}
			_, err := verifier.Verify(t.Context(), token)
			require.ErrorIs(t, err, auth.ErrUnauthenticated, "%s: %s", name, f.name)
		}
	}
}
