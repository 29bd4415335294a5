package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// claims are the members of a token's body, by their exact names. A struct would do the same for any mix of upper and
// lower case, and take the last of two, where another reader of the token takes the first.
type claims map[string]json.RawMessage

// UnmarshalJSON implements json.Unmarshaler.
func (c *claims) UnmarshalJSON(data []byte) (err error) {
	*c, err = members(data)
	return err
}

// members takes a JSON object apart. A name that comes twice is refused.
func members(data []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("is not UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	if opening, err := decoder.Token(); err != nil || opening != json.Delim('{') {
		return nil, errors.New("is not a JSON object")
	}
	found := map[string]json.RawMessage{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		name, _ := token.(string) // the decoder allows no other key
		if _, twice := found[name]; twice {
			return nil, errors.New("has a member twice")
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, err
		}
		found[name] = value
	}
	_, err := decoder.Token() // the closing brace: json.Unmarshal has seen to what follows
	return found, err
}

// claim reads one claim; nil where it is absent. null is a wrong type like any other.
func claim[T any](c claims, name, must string) (*T, error) {
	raw, ok := c[name]
	if !ok {
		return nil, nil
	}
	var value *T
	if err := json.Unmarshal(raw, &value); err != nil || value == nil {
		return nil, &claimError{name, must}
	}
	return value, nil
}

// claimError names a claim and what it must be. It never holds the claim's value.
type claimError struct{ name, must string }

func (e *claimError) Error() string { return fmt.Sprintf("the claim %s must be %s", e.name, e.must) }

// lastSecond is that of the year 9999: later times do not survive being written down.
const lastSecond = 253_402_300_799

func (c claims) time(name string) (*jwt.NumericDate, error) {
	const must = "a time in seconds since 1970"
	seconds, err := claim[float64](c, name, must)
	if err != nil || seconds == nil {
		return nil, err
	}
	if *seconds < 0 || *seconds > lastSecond {
		return nil, &claimError{name, must}
	}
	return jwt.NewNumericDate(time.Unix(int64(math.Floor(*seconds)), 0)), nil
}

func (c claims) text(name string) (string, error) {
	text, err := claim[string](c, name, "a string")
	if err != nil || text == nil {
		return "", err
	}
	return *text, nil
}

// GetExpirationTime and those below implement jwt.Claims.
func (c *claims) GetExpirationTime() (*jwt.NumericDate, error) { return c.time("exp") }
func (c *claims) GetIssuedAt() (*jwt.NumericDate, error)       { return c.time("iat") }
func (c *claims) GetNotBefore() (*jwt.NumericDate, error)      { return c.time("nbf") }
func (c *claims) GetIssuer() (string, error)                   { return c.text("iss") }
func (c *claims) GetSubject() (string, error)                  { return c.text("sub") }

func (c *claims) GetAudience() (jwt.ClaimStrings, error) {
	if one, err := c.text("aud"); err == nil {
		return jwt.ClaimStrings{one}, nil
	}
	many, err := claim[[]string](*c, "aud", "a string or an array of strings")
	if err != nil {
		return nil, err
	}
	return *many, nil
}

// principal reads who a verified token is for.
//
// A token needs a tenant or `platform: true`. It may have both: its roles then hold for every tenant, and tenant_id is
// the one that it means where a request names none.
//
// Roles that are not known are left out: an issuer may serve other systems, whose roles grant nothing here, and a role of
// a later version must not lock its bearer out of this one.
func (c claims) principal() (Principal, error) {
	var p Principal
	var err error
	if p.Subject, err = c.subject(); err != nil {
		return Principal{}, err
	}
	if p.Tenant, err = c.tenant(); err != nil {
		return Principal{}, err
	}
	platform, err := claim[bool](c, "platform", "true or false")
	if err != nil {
		return Principal{}, err
	}
	p.Platform = platform != nil && *platform
	if p.Tenant == uuid.Nil && !p.Platform {
		return Principal{}, &claimError{"tenant_id", "the tenant's UUID, unless the claim platform is true"}
	}
	p.Roles, err = c.roles()
	return p, err
}

// maxSubjectBytes bounds what goes into the audit with every act.
const maxSubjectBytes = 255

func (c claims) subject() (string, error) {
	subject, err := c.text("sub")
	if err != nil {
		return "", err
	}
	if err := CheckSubject(subject); err != nil {
		return "", &claimError{"sub", err.Error()}
	}
	return subject, nil
}

// CheckSubject says what a subject must be where it is not.
func CheckSubject(subject string) error {
	if subject == "" || len(subject) > maxSubjectBytes || strings.ContainsFunc(subject, unicode.IsControl) {
		return fmt.Errorf("1 to %d bytes without control characters", maxSubjectBytes)
	}
	return nil
}

// tenant reads the tenant in the canonical form of a UUID only; uuid.Nil where the claim is absent.
//
// Invariant 4: the all-zero id, which stands for the platform, is no tenant of a token.
func (c claims) tenant() (uuid.UUID, error) {
	const name, must = "tenant_id", "the tenant's UUID"
	text, err := claim[string](c, name, must)
	if err != nil || text == nil {
		return uuid.Nil, err
	}
	id, err := uuid.Parse(*text)
	if err != nil || id == uuid.Nil || !strings.EqualFold(id.String(), *text) {
		return uuid.Nil, &claimError{name, must}
	}
	return id, nil
}

func (c claims) roles() ([]Role, error) {
	listed, err := claim[[]*string](c, "roles", "an array of strings")
	if err != nil {
		return nil, err
	}
	if listed == nil || slices.Contains(*listed, nil) {
		return nil, &claimError{"roles", "an array of strings"}
	}
	roles := []Role{}
	for _, name := range *listed {
		if role := Role(*name); slices.Contains(Roles, role) && !slices.Contains(roles, role) {
			roles = append(roles, role)
		}
	}
	return roles, nil
}
