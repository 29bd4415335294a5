package auth

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"
)

// Config says whose tokens are believed: those signed with a shared secret (development), or those signed with a key of
// a published set (production). Printing it, in any format, never shows the secret.
type Config struct {
	// Secret signs and verifies HS256 tokens: whoever holds it can mint a token for any tenant.
	Secret string `env:"API_JWT_SECRET"`
	// JWKSURL is where the issuer publishes the public keys of its RS256 and ES256 tokens (RFC 7517).
	JWKSURL string `env:"API_JWKS_URL"`
	// JWKSRefresh is how often the set is read again: the longest that a key lives on after its removal.
	JWKSRefresh time.Duration `env:"API_JWKS_REFRESH, default=5m"`
	Issuer      string        `env:"API_JWT_ISSUER, default=reos"`       // a token's `iss`
	Audience    string        `env:"API_JWT_AUDIENCE, default=reos-api"` // must be in a token's `aud`
}

// The variables that say how tokens are signed, as a minter needs to know them.
const (
	EnvSecret   = "API_JWT_SECRET"
	EnvIssuer   = "API_JWT_ISSUER"
	EnvAudience = "API_JWT_AUDIENCE"
)

// MinSecretBytes is the least length of the secret: that of the digest, as RFC 7518 demands.
const MinSecretBytes = 32

// Check says which variable is wrong, and what it must be. It never repeats a value.
func (c Config) Check() error {
	switch {
	case c.Secret == "" && c.JWKSURL == "":
		return errors.New("set API_JWKS_URL to the https URL of the issuer's keys, or, for development, API_JWT_SECRET to 32 bytes or more")
	case c.Secret != "" && c.JWKSURL != "":
		return errors.New("API_JWT_SECRET must not be set together with API_JWKS_URL: one of them says whose tokens are believed")
	case c.Issuer == "":
		return errors.New("API_JWT_ISSUER must be the issuer in the tokens (iss)")
	case c.Audience == "":
		return errors.New("API_JWT_AUDIENCE must be the audience in the tokens (aud)")
	case c.Secret != "":
		return c.checkSecret()
	case c.JWKSRefresh <= 0:
		return errors.New("API_JWKS_REFRESH must be more than 0s")
	}
	return c.checkURL()
}

func (c Config) checkSecret() error {
	if len(c.Secret) < MinSecretBytes {
		return fmt.Errorf("API_JWT_SECRET must be %d bytes or more, such as the output of `openssl rand -hex 32`", MinSecretBytes)
	}
	return nil
}

// checkURL demands TLS: whoever can change the answer can mint tokens for every tenant.
func (c Config) checkURL() error {
	u, err := url.Parse(c.JWKSURL)
	if err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname())) {
		return nil
	}
	return errors.New("API_JWKS_URL must be an https URL such as https://login.example.com/.well-known/jwks.json (http for a loopback host only)")
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// String shows the configuration without its secrets.
//
// Invariant 9: no secret in logs.
func (c Config) String() string {
	secret := ""
	if c.Secret != "" {
		secret = "***"
	}
	return fmt.Sprintf("API_JWT_SECRET=%s API_JWKS_URL=%s API_JWT_ISSUER=%s API_JWT_AUDIENCE=%s",
		secret, redactedURL(c.JWKSURL), c.Issuer, c.Audience)
}

// GoString keeps %#v from showing what String hides.
func (c Config) GoString() string { return "auth.Config{" + c.String() + "}" }

// MarshalText keeps JSON logging from showing what String hides.
func (c Config) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// redactedURL is a URL without what may be a secret in it: its user and its query.
func redactedURL(text string) string {
	if text == "" {
		return ""
	}
	u, err := url.Parse(text)
	if err != nil {
		return "(not a URL)"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
