package isolation

import (
	"context"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net/http"

	"github.com/codybias9/real-estate-os/api/auth"
)

// compact writes a token, signed or not.
func compact(header, claims map[string]any, sign func([]byte) []byte) string {
	text := segment(header) + "." + segment(claims)
	if sign == nil {
		return text + "."
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sign([]byte(text)))
}

func segment(part map[string]any) string {
	encoded, _ := json.Marshal(part) // texts, numbers and lists of them
	return base64.RawURLEncoding.EncodeToString(encoded)
}

func hs256(key []byte) func([]byte) []byte {
	return func(text []byte) []byte {
		mac := hmac.New(sha256.New, key)
		mac.Write(text)
		return mac.Sum(nil)
	}
}

// SignWith signs tokens with the API's own secret, as reos token does.
func SignWith(config auth.Config) func(header, claims map[string]any) (string, error) {
	return func(header, claims map[string]any) (string, error) {
		head := map[string]any{"alg": "HS256", "typ": "JWT"}
		maps.Copy(head, header)
		sign := hs256([]byte(config.Secret))
		if head["alg"] == "HS512" {
			sign = func(text []byte) []byte {
				mac := hmac.New(sha512.New, []byte(config.Secret))
				mac.Write(text)
				return mac.Sum(nil)
			}
		}
		return compact(head, claims, sign), nil
	}
}

// PublicKeys reads an issuer's RSA keys in the encodings that a careless verifier could take for a secret.
func PublicKeys(ctx context.Context, client *http.Client, from string) ([][]byte, error) {
	answer, err := (&Server{URL: from, Client: client}).do(ctx, request{method: http.MethodGet})
	if err != nil {
		return nil, fmt.Errorf("read the issuer's keys: %w", err)
	}
	var set struct {
		Keys []struct{ Kty, N, E string }
	}
	if err := json.Unmarshal([]byte(answer.body), &set); err != nil {
		return nil, fmt.Errorf("read the issuer's keys: %w", err)
	}
	var all [][]byte
	for _, listed := range set.Keys {
		n, err := base64.RawURLEncoding.DecodeString(listed.N)
		if err != nil || listed.Kty != "RSA" {
			continue
		}
		e, err := base64.RawURLEncoding.DecodeString(listed.E)
		if err != nil {
			continue
		}
		key := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
		encoded, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			continue
		}
		all = append(all, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: encoded}), encoded, x509.MarshalPKCS1PublicKey(key), n)
	}
	return all, nil
}
