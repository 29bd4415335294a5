package auth

import (
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// Mint signs a token for development with the configured secret, valid from now for a time to live. Without a secret
// there is nothing to sign with: the keys behind a URL are the issuer's.
func Mint(config Config, who Principal, now time.Time, ttl time.Duration) (string, error) {
	if config.Secret == "" {
		return "", errors.New("set API_JWT_SECRET: tokens are minted with a shared secret only")
	}
	if err := config.Check(); err != nil {
		return "", err
	}
	said := jwt.MapClaims{
		"iss": config.Issuer, "aud": config.Audience, "sub": who.Subject,
		"roles": append([]Role{}, who.Roles...), // never null
		"iat":   now.Unix(), "nbf": now.Unix(), "exp": now.Add(ttl).Unix(),
	}
	if who.Tenant != uuid.Nil {
		said["tenant_id"] = who.Tenant.String()
	}
	if who.Platform {
		said["platform"] = true
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, said).SignedString([]byte(config.Secret))
	if err != nil {
		return "", fmt.Errorf("sign the token: %w", err)
	}
	return token, nil
}
