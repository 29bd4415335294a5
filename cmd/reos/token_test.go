package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/api/auth"
)

const testSecret = "a secret of more than thirty-two bytes"

// believed is what an API of that secret reads in a token.
func believed(t *testing.T, token, secret string) auth.Principal {
	t.Helper()
	config := auth.Config{Secret: secret, Issuer: "reos", Audience: "reos-api"}
	verifier, err := auth.New(t.Context(), config, zerolog.Nop())
	require.NoError(t, err)
	who, err := verifier.Verify(t.Context(), token)
	require.NoError(t, err)
	return who
}

func TestTokenIsAloneOnStdout(t *testing.T) {
	t.Parallel()
	env := append(bare(t.TempDir()), "API_JWT_SECRET="+testSecret)
	tenant := uuid.New()
	stdout, stderr, code := runReos(t, env, "token", "--tenant", tenant.String(), "--role", "reader,publisher")
	require.Equal(t, exitOK, code, stderr)
	require.Empty(t, stderr)
	require.Equal(t, 1, strings.Count(stdout, "\n"), "shells take the last line's end away")
	require.Equal(t, auth.Principal{Subject: "reos token", Tenant: tenant, Roles: []auth.Role{auth.Reader, auth.Publisher}},
		believed(t, strings.TrimSpace(stdout), testSecret))

	stdout, stderr, code = runReos(t, env, "token", "--platform", "--role", "admin", "--role", "operator", "--subject", "ops", "--ttl", "15m", "--json")
	require.Equal(t, exitOK, code, stderr)
	var minted mintedToken
	decode(t, stdout, &minted)
	require.WithinDuration(t, time.Now().Add(15*time.Minute), minted.ExpiresAt, time.Minute)
	require.Equal(t, auth.Principal{Subject: "ops", Platform: true, Roles: []auth.Role{auth.Admin, auth.Operator}}, believed(t, minted.Token, testSecret))
}

func TestTokenFindsTheSecretOfARunningInstallation(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	remove, err := writeRuntime(dir, map[string]string{auth.EnvSecret: testSecret, auth.EnvIssuer: "reos", auth.EnvAudience: "reos-api"})
	require.NoError(t, err)
	asked := []string{"token", "--tenant", uuid.NewString(), "--role", "reader"}
	// Other services in the environment do not make it look elsewhere.
	stdout, stderr, code := runReos(t, append(bare(dir), "S3_URL=http://a:b@127.0.0.1:1/c"), asked...)
	require.Equal(t, exitOK, code, stderr)
	believed(t, strings.TrimSpace(stdout), testSecret)

	require.NoError(t, remove())
	_, stderr, code = runReos(t, bare(dir), asked...)
	require.Equal(t, exitEnvironment, code)
	require.Contains(t, stderr, "API_JWT_SECRET")
}

func TestTokenSaysWhatItNeeds(t *testing.T) {
	t.Parallel()
	env := append(bare(t.TempDir()), "API_JWT_SECRET=HUNTER2")
	tenant := uuid.NewString()
	for says, test := range map[string]struct {
		args []string
		code int
	}{
		"--tenant must name":                        {[]string{"--role", "reader"}, exitInput},
		"--role must be one or more":                {[]string{"--tenant", tenant}, exitInput},
		`--role "root" must be one of publisher`:    {[]string{"--tenant", tenant, "--role", "root"}, exitInput},
		"--subject must be 1 to 255 bytes":          {[]string{"--tenant", tenant, "--role", "reader", "--subject", ""}, exitInput},
		"--ttl must be from 1s":                     {[]string{"--tenant", tenant, "--role", "reader", "--ttl", "0s"}, exitInput},
		"is no tenant":                              {[]string{"--tenant", uuid.Nil.String(), "--role", "reader"}, exitInput},
		"DATABASE_URL":                              {[]string{"--tenant", "acme", "--role", "reader"}, exitEnvironment}, // a name is looked up
		"API_JWT_SECRET must be 32 bytes or more":   {[]string{"--tenant", tenant, "--role", "reader"}, exitEnvironment},
		"unknown flag: --secret (see `reos token -": {[]string{"--secret", "x"}, exitInput},
	} {
		stdout, stderr, code := runReos(t, env, append([]string{"token"}, test.args...)...)
		require.Equal(t, test.code, code, stderr)
		require.Contains(t, stderr, says)
		require.NotContains(t, stderr, "HUNTER2")
		require.Empty(t, stdout)
	}
}

func TestSecretIsKeptForItsOwnerOnly(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	in := &installation{config: config{DataDir: dir, Auth: auth.Config{Issuer: "reos", Audience: "reos-api", JWKSRefresh: time.Minute}}}
	require.NoError(t, in.ensureSecret())
	first := in.config.Auth.Secret
	require.GreaterOrEqual(t, len(first), 2*auth.MinSecretBytes)
	info, err := os.Stat(filepath.Join(dir, "jwt-secret"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	in.config.Auth.Secret = ""
	require.NoError(t, in.ensureSecret())
	require.Equal(t, first, in.config.Auth.Secret, "tokens outlive a restart")

	in.config.Auth.Secret, in.config.Auth.JWKSURL = "", "https://login.example.com/keys"
	require.NoError(t, in.ensureSecret())
	require.Empty(t, in.config.Auth.Secret, "an issuer is believed, and nobody else")

	in.config.Auth.JWKSURL = "http://login.example.com/keys"
	require.ErrorContains(t, in.ensureSecret(), "API_JWKS_URL must be")
}
