package isolation

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/codybias9/real-estate-os/api/console"
)

// A forgery makes a token that nobody may believe, or reports false where the installation gives nothing to make it of.
type forgery struct {
	name string
	make func(w *World) (token string, ok bool)
}

// forgeries for the victim, as an attacker with good tokens of its own could make them.
func forgeries() []forgery {
	return append(append(unsigned(), wronglySigned()...), wronglyMeant()...)
}

// unsigned forgeries have no signature, or one of another token.
func unsigned() []forgery {
	all := []forgery{
		{"nothing at all", func(*World) (string, bool) { return " ", true }},
		{"words", func(*World) (string, bool) { return "let me in", true }},
		{"a token of five parts", func(w *World) (string, bool) { return "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..a.b.c", true }},
		{"its own token with the victim as its tenant", ownBut(func(w *World, c map[string]any) { c["tenant_id"] = w.Victim.ID.String() })},
		{"its own token with a claim to the platform", ownBut(func(_ *World, c map[string]any) { c["platform"] = true })},
		{"its own token, prolonged", ownBut(func(_ *World, c map[string]any) { c["exp"] = time.Now().Add(time.Hour * 9999).Unix() })},
		{"its own token with its signature cut", func(w *World) (string, bool) {
			token, ok := good(w, w.Attacker)
			return token[:max(0, len(token)-2)], ok
		}},
		{"its own token without its signature", func(w *World) (string, bool) {
			token, ok := good(w, w.Attacker)
			return token[:strings.LastIndex(token, ".")+1], ok
		}},
	}
	for _, alg := range []string{"none", "None", "NONE", "nOnE", ""} {
		all = append(all, forgery{"a token for the victim with alg=" + alg, func(w *World) (string, bool) {
			return compact(map[string]any{"alg": alg, "typ": "JWT"}, w.API.claims(w.Victim), nil), true
		}})
	}
	return all
}

// wronglySigned forgeries are signed with what an attacker has.
func wronglySigned() []forgery {
	with := func(header map[string]any, key func(w *World) []byte) func(*World) (string, bool) {
		return func(w *World) (string, bool) { return compact(header, w.API.claims(w.Victim), hs256(key(w))), true }
	}
	hs := map[string]any{"alg": "HS256", "typ": "JWT"}
	all := []forgery{
		{"a token signed with another secret", with(hs, func(*World) []byte { return []byte(rand.Text() + rand.Text()) })},
		{"a token signed with the empty secret", with(hs, func(*World) []byte { return nil })},
		{"a token signed with a well-known secret", with(hs, func(*World) []byte { return []byte("secret") })},
		{"a token signed with the issuer's name", with(hs, func(w *World) []byte { return []byte(w.API.Issuer) })},
		{"a token whose key id is an empty file", with(map[string]any{"alg": "HS256", "kid": "../../../../dev/null"}, func(*World) []byte { return nil })},
		{"a token whose key id is SQL", with(map[string]any{"alg": "HS256", "kid": "x' UNION SELECT 'k' --"}, func(*World) []byte { return []byte("k") })},
		{"a token that brings its own secret", with(map[string]any{"alg": "HS256", "jwk": map[string]any{"kty": "oct", "k": "aw"}}, func(*World) []byte { return []byte("k") })},
		{"a token that says what must be understood", with(map[string]any{"alg": "HS256", "crit": []string{"b64"}, "b64": false}, func(*World) []byte { return []byte("k") })},
		{"a token that brings its own RSA key", ownKey(func(key *rsa.PrivateKey) map[string]any {
			return map[string]any{"jwk": map[string]any{"kty": "RSA", "e": "AQAB", "n": base64.RawURLEncoding.EncodeToString(key.N.Bytes())}}
		})},
		{"a token that names where its key is", ownKey(func(*rsa.PrivateKey) map[string]any {
			return map[string]any{"jku": "https://127.0.0.1:1/keys", "x5u": "https://127.0.0.1:1/cert", "kid": "x"}
		})},
	}
	for i, encoding := range []string{"PEM", "DER", "PKCS #1", "a number"} {
		all = append(all, forgery{"a token signed with the public key as a secret, in " + encoding, func(w *World) (string, bool) {
			if i >= len(w.API.PublicKeys) {
				return "", false
			}
			return compact(hs, w.API.claims(w.Victim), hs256(w.API.PublicKeys[i])), true
		}})
	}
	return all
}

// wronglyMeant forgeries are signed as the API believes it, and still not for it.
func wronglyMeant() []forgery {
	but := func(change func(claims map[string]any)) func(*World) (string, bool) {
		return func(w *World) (string, bool) {
			claims := w.API.claims(w.Victim)
			change(claims)
			return signed(w, map[string]any{}, claims)
		}
	}
	set := func(name string, value any) func(*World) (string, bool) {
		return but(func(claims map[string]any) { claims[name] = value })
	}
	without := func(name string) func(*World) (string, bool) {
		return but(func(claims map[string]any) { delete(claims, name) })
	}
	return []forgery{
		{"an expired token of the victim's", set("exp", time.Now().Add(-time.Hour).Unix())},
		{"a token that never expires", without("exp")},
		{"a token that is not valid yet", set("nbf", time.Now().Add(time.Hour).Unix())},
		{"a token for another audience", set("aud", "another-api")},
		{"a token for no audience", without("aud")},
		{"a token of another issuer", set("iss", "https://issuer.example")},
		{"a token of no issuer", without("iss")},
		{"a token of no tenant", without("tenant_id")},
		{"a token of the platform's id", set("tenant_id", "00000000-0000-0000-0000-000000000000")},
		{"a token of a tenant in braces", but(func(claims map[string]any) { claims["tenant_id"] = "{" + claims["tenant_id"].(string) + "}" })},
		{"a token of several tenants", but(func(claims map[string]any) { claims["tenant_id"] = []any{claims["tenant_id"]} })},
		{"a token whose platform claim is a word", but(func(claims map[string]any) { delete(claims, "tenant_id"); claims["platform"] = "true" })},
		{"a token whose tenant has another case of name", but(func(claims map[string]any) {
			claims["Tenant_ID"] = claims["tenant_id"]
			delete(claims, "tenant_id")
		})},
		{"a token of nobody", without("sub")},
		{"a token signed with a longer digest", func(w *World) (string, bool) {
			return signed(w, map[string]any{"alg": "HS512"}, w.API.claims(w.Victim))
		}},
	}
}

// tokenAttempts offers every forgery to every endpoint.
func tokenAttempts(_ *World, secured []operation) []Attempt {
	var all []Attempt
	for _, f := range forgeries() {
		all = append(all, Attempt{Name: "call every endpoint with " + f.name, Layer: API, Try: func(ctx context.Context, w *World) Outcome {
			token, ok := f.make(w)
			if !ok {
				return notApplicable("there is no key to make the token with")
			}
			var into tally
			for _, o := range secured {
				answer, err := w.API.do(ctx, w.onVictim(o).bearing(token))
				w.mustDeny(o.Method+" "+o.Path, http.StatusUnauthorized, answer, err, &into)
			}
			return into.outcome()
		}})
	}
	return append(all, Attempt{Name: "bring the victim's token in any other way than the API asks for", Layer: API, Try: func(ctx context.Context, w *World) Outcome {
		token, ok := good(w, w.Victim)
		if !ok {
			return notApplicable("there is no key to sign a token with")
		}
		var into tally
		for _, o := range secured {
			for _, header := range []http.Header{
				{},
				{"Authorization": {token}},
				{"Authorization": {"Basic " + token}},
				{"Authorization": {"bearer  " + token}},
				{"Cookie": {"token=" + token}},
				{"Cookie": {console.CookieName + "=" + token}},
				{"X-Authorization": {"Bearer " + token}},
				{"X-Auth-Token": {token}},
				{"Proxy-Authorization": {"Bearer " + token}},
			} {
				r := w.onVictim(o)
				r.header = header
				answer, err := w.API.do(ctx, r)
				w.mustDeny(o.Method+" "+o.Path, http.StatusUnauthorized, answer, err, &into)
			}
			answer, err := w.API.do(ctx, w.onVictim(o).with("access_token", token))
			w.mustDeny(o.Method+" "+o.Path, http.StatusUnauthorized, answer, err, &into)
		}
		return into.outcome()
	}})
}

// good is a good token; false where there is no key to sign it with.
func good(w *World, c *Canary) (string, bool) { return signed(w, map[string]any{}, w.API.claims(c)) }

func signed(w *World, header, claims map[string]any) (string, bool) {
	if w.API.Sign == nil {
		return "", false
	}
	token, err := w.API.Sign(header, claims)
	return token, err == nil
}

// ownBut is the attacker's own token with other claims under its signature.
func ownBut(change func(w *World, claims map[string]any)) func(*World) (string, bool) {
	return func(w *World) (string, bool) {
		own, ok := good(w, w.Attacker)
		if !ok {
			return "", false
		}
		claims := w.API.claims(w.Attacker)
		change(w, claims)
		parts := strings.Split(own, ".")
		return parts[0] + "." + segment(claims) + "." + parts[2], true
	}
}

// ownKey is a token that is signed with a key which the attacker has made.
func ownKey(header func(*rsa.PrivateKey) map[string]any) func(*World) (string, bool) {
	return func(w *World) (string, bool) {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return "", false
		}
		head := maps.Clone(header(key))
		head["alg"] = "RS256"
		return compact(head, w.API.claims(w.Victim), func(text []byte) []byte {
			digest := sha256.Sum256(text)
			signature, _ := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:]) // a signature that is missing is refused as well
			return signature
		}), true
	}
}
