package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/api/auth"
)

// tokenRequest is what `reos token` was asked for.
type tokenRequest struct {
	tenant, subject string
	roles           []string
	platform        bool
	ttl             time.Duration
}

// mintedToken is what `reos token` says.
type mintedToken struct {
	Token     string      `json:"token"`
	Subject   string      `json:"subject"`
	Tenant    *uuid.UUID  `json:"tenant_id,omitempty"`
	Platform  bool        `json:"platform"`
	Roles     []auth.Role `json:"roles"`
	ExpiresAt time.Time   `json:"expires_at"`
}

func tokenCommand(c *console) *cobra.Command {
	var asked tokenRequest
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Mint a token for the API, for development",
		Long: `Prints a token for the HTTP API, signed with API_JWT_SECRET, or with the secret of a running "reos up". Whoever has
that secret can do this for any tenant: where real data are, API_JWKS_URL has the API believe an issuer's keys instead.

A token is for one tenant, or with --platform for all; with both, its roles hold for all and --tenant is the one that
requests mean which name none. Roles do not include each other: ` + roleNames(", ") + `.`,
		Example: `  reos token --tenant acme --role reader,publisher
  curl -H "Authorization: Bearer $(reos token --tenant acme --role reader)" localhost:8080/v1/properties
  reos token --platform --role admin --subject ops@example.com --ttl 15m --json`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := asked.check(); err != nil {
				return err
			}
			var opens []func(*installation, context.Context) error
			if asked.tenant != "" && uuid.Validate(asked.tenant) != nil {
				opens = append(opens, (*installation).openDatabase) // it is a name
			}
			return withOpen(cmd.Context(), c, func(ctx context.Context, in *installation) error {
				minted, err := in.mint(ctx, asked)
				if err != nil {
					return err
				}
				return c.print(minted, func(w io.Writer) { fmt.Fprintln(w, minted.Token) })
			}, opens...)
		},
	}
	cmd.Flags().StringVar(&asked.tenant, "tenant", "", "the tenant's id or name")
	cmd.Flags().StringSliceVar(&asked.roles, "role", nil, "what the token is good for: "+roleNames(", ")+"; several with commas")
	cmd.Flags().BoolVar(&asked.platform, "platform", false, "the roles hold for every tenant")
	cmd.Flags().StringVar(&asked.subject, "subject", "reos token", "who the bearer is, for the audit")
	cmd.Flags().DurationVar(&asked.ttl, "ttl", time.Hour, "how long the token is good")
	return cmd
}

func roleNames(separator string) string {
	names := make([]string, len(auth.Roles))
	for i, role := range auth.Roles {
		names[i] = string(role)
	}
	return strings.Join(names, separator)
}

// maxTokenTTL keeps a forgotten token for development from living on for good.
const maxTokenTTL = 30 * 24 * time.Hour

func (r tokenRequest) check() error {
	if r.tenant == "" && !r.platform {
		return badInput("--tenant must name a tenant, unless there is --platform")
	}
	if len(r.roles) == 0 {
		return badInput("--role must be one or more of %s", roleNames(", "))
	}
	for _, role := range r.roles {
		if !slices.Contains(auth.Roles, auth.Role(role)) {
			return badInput("--role %q must be one of %s", role, roleNames(", "))
		}
	}
	if err := auth.CheckSubject(r.subject); err != nil {
		return badInput("--subject must be %w", err)
	}
	if r.ttl < time.Second || r.ttl > maxTokenTTL {
		return badInput("--ttl must be from 1s to %s", maxTokenTTL)
	}
	return nil
}

// mint makes a token that this installation's API believes.
func (in *installation) mint(ctx context.Context, asked tokenRequest) (mintedToken, error) {
	if err := in.config.adoptTokens(); err != nil {
		return mintedToken{}, err
	}
	if in.config.Auth.Secret == "" {
		return mintedToken{}, environmentError{errors.New("set API_JWT_SECRET to that of the API, or run `reos up`: tokens for API_JWKS_URL come from its issuer")}
	}
	who := auth.Principal{Subject: asked.subject, Platform: asked.platform}
	for _, role := range asked.roles {
		who.Roles = append(who.Roles, auth.Role(role))
	}
	if asked.tenant != "" {
		id, err := in.tenantID(ctx, asked.tenant)
		if err != nil {
			return mintedToken{}, err
		}
		who.Tenant = id
	}
	now := time.Now()
	token, err := auth.Mint(in.config.Auth, who, now, asked.ttl)
	if err != nil {
		return mintedToken{}, environmentError{err}
	}
	minted := mintedToken{
		Token: token, Subject: who.Subject, Platform: who.Platform, Roles: who.Roles,
		ExpiresAt: now.Add(asked.ttl).UTC().Truncate(time.Second),
	}
	if who.Tenant != uuid.Nil {
		minted.Tenant = &who.Tenant
	}
	return minted, nil
}

// tenantID takes an id as it is, and looks a name up.
func (in *installation) tenantID(ctx context.Context, idOrName string) (uuid.UUID, error) {
	if id, err := uuid.Parse(idOrName); err == nil {
		if id == uuid.Nil {
			return uuid.Nil, badInput("--tenant %q is no tenant", idOrName)
		}
		return id, nil
	}
	tenant, err := in.tenant(ctx, idOrName)
	return tenant.ID, err
}

// verifier believes tokens as the environment says, and keeps the issuer's keys fresh until ctx ends.
func (in *installation) verifier(ctx context.Context) (auth.Verifier, error) {
	verifier, err := auth.New(ctx, in.config.Auth, in.log)
	if err != nil {
		return nil, environmentError{err}
	}
	return verifier, nil
}

// ensureSecret gives an installation in one process a secret of its own where the environment says nothing of tokens.
// It stays in the data directory, so that tokens outlive a restart.
func (in *installation) ensureSecret() error {
	if in.config.Auth.Secret == "" && in.config.Auth.JWKSURL == "" {
		secret, err := keptSecret(filepath.Join(in.config.DataDir, "jwt-secret"))
		if err != nil {
			return environmentError{fmt.Errorf("keep a secret for tokens: %w", err)}
		}
		in.config.Auth.Secret = secret
	}
	if err := in.config.Auth.Check(); err != nil {
		return environmentError{err}
	}
	return nil
}

// keptSecret reads a secret, or makes one that only its owner may read.
func keptSecret(path string) (string, error) {
	content, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(content)), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	var random [auth.MinSecretBytes]byte
	_, _ = rand.Read(random[:]) // never fails
	secret := hex.EncodeToString(random[:])
	if err := os.WriteFile(path+".new", []byte(secret+"\n"), 0o600); err != nil {
		return "", err
	}
	return secret, os.Rename(path+".new", path)
}
