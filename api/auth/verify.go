package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/rs/zerolog"
)

const (
	// maxTokenBytes bounds what is decoded before a signature is checked.
	maxTokenBytes = 8 << 10
	// leeway is how far the issuer's clock may be from ours.
	leeway = 30 * time.Second
)

// ErrUnavailable says that a token cannot be judged just now: the issuer's keys could not be read. Nothing is known to
// be wrong with the token.
var ErrUnavailable = errors.New("the issuer's keys cannot be read")

// tokens implements Verifier.
type tokens struct {
	parser *jwt.Parser
	key    func(context.Context, *jwt.Token) (any, error)
}

// New makes the verifier that a configuration asks for. With a URL of keys it reads them before it returns, for as long
// as fetchTimeout, and again and again until ctx ends; keys that cannot be read are a warning, since they may come later.
//
// The configuration fixes the algorithms, never the token: HS256 with the secret, RS256 and ES256 with the keys. So no
// public key is ever taken for a secret, and a token without a signature is no token.
func New(ctx context.Context, config Config, log zerolog.Logger) (Verifier, error) {
	if err := config.Check(); err != nil {
		return nil, err
	}
	if config.Secret != "" {
		secret := []byte(config.Secret)
		return newTokens(config, func(context.Context, *jwt.Token) (any, error) { return secret, nil }, jwt.SigningMethodHS256), nil
	}
	keys := newKeys(config, log)
	keys.start(ctx)
	return newTokens(config, keys.of, jwt.SigningMethodRS256, jwt.SigningMethodES256), nil
}

func newTokens(config Config, key func(context.Context, *jwt.Token) (any, error), methods ...jwt.SigningMethod) *tokens {
	names := make([]string, len(methods))
	for i, method := range methods {
		names[i] = method.Alg()
	}
	return &tokens{key: key, parser: jwt.NewParser(
		jwt.WithValidMethods(names), jwt.WithIssuer(config.Issuer), jwt.WithAudience(config.Audience),
		jwt.WithExpirationRequired(), jwt.WithLeeway(leeway), jwt.WithStrictDecoding(),
	)}
}

// Verify implements Verifier. Beside ErrUnauthenticated its error may wrap ErrUnavailable, or be the context's.
func (t *tokens) Verify(ctx context.Context, token string) (Principal, error) {
	if len(token) > maxTokenBytes {
		return Principal{}, refused(fmt.Sprintf("the token is longer than %d bytes", maxTokenBytes))
	}
	var said claims
	_, err := t.parser.ParseWithClaims(token, &said, func(parsed *jwt.Token) (any, error) {
		if err := checkHeader(parsed); err != nil {
			return nil, err
		}
		return t.key(ctx, parsed)
	})
	switch {
	case err == nil:
	case errors.Is(err, ErrUnavailable):
		return Principal{}, ErrUnavailable
	case ctx.Err() != nil:
		return Principal{}, ctx.Err()
	default:
		return Principal{}, refused(reason(err))
	}
	who, err := said.principal()
	if err != nil {
		return Principal{}, refused(err.Error())
	}
	return who, nil
}

var errHeader = errors.New("header")

// checkHeader refuses a header that two readers may understand differently: with a member twice, or with one that says
// of others that they must be understood (RFC 7515 §4.1.11: none is).
func checkHeader(token *jwt.Token) error {
	segment, _, _ := strings.Cut(token.Raw, ".")
	header, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		return errHeader
	}
	found, err := members(header)
	if err != nil {
		return errHeader
	}
	if _, critical := found["crit"]; critical {
		return errHeader
	}
	return nil
}

func refused(why string) error { return fmt.Errorf("%w: %s", ErrUnauthenticated, why) }

// reason says in words of our own why a token is not believed: the parser's may hold parts of the token.
//
// Invariant 9: no secret in logs.
func reason(err error) string {
	var wrong *claimError
	switch {
	case errors.As(err, &wrong):
		return wrong.Error()
	case errors.Is(err, errHeader):
		return "the token's header must not have a member twice, nor crit"
	case errors.Is(err, errUnknownKey):
		return "the token is signed with a key that the issuer does not publish"
	case errors.Is(err, jwt.ErrTokenMalformed):
		return "the token is not a JSON Web Token of three parts"
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return "the token's signature or its algorithm is wrong"
	case errors.Is(err, jwt.ErrTokenUnverifiable):
		return "the token's algorithm or key is not one that is believed"
	case errors.Is(err, jwt.ErrTokenExpired):
		return "the token has expired"
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return "the token is not valid yet"
	case errors.Is(err, jwt.ErrTokenInvalidIssuer):
		return "the token is of another issuer"
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return "the token is for another audience"
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return "the token needs the claims iss, aud and exp"
	}
	return "the token is not valid"
}
