package postgres

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/text/secure/precis"
)

const (
	scramIterations = 4096 // Postgres' own default
	scramSaltBytes  = 16

	// A role belongs to the cluster: processes that migrate its other databases may alter it at the same moment.
	alterAttempts = 50
	alterPause    = 20 * time.Millisecond
)

// letLogIn makes sure that the application's role can log in with its password. The role is left alone where it can.
func letLogIn(ctx context.Context, adminURL string, app *pgx.ConnConfig) error {
	err := tryLogIn(ctx, app)
	if err == nil || !strings.HasPrefix(codeOf(err), "28") {
		return err
	}
	if err := alterPassword(ctx, adminURL, app.Password); err != nil {
		return fmt.Errorf("let %s log in: %w", appRole, err)
	}
	return tryLogIn(ctx, app)
}

func tryLogIn(ctx context.Context, app *pgx.ConnConfig) error {
	conn, err := pgx.ConnectConfig(ctx, app)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", envURL, classify(ctx, err))
	}
	return conn.Close(ctx)
}

// alterPassword gives the role its password.
//
// Invariant 9: only a verifier is sent. A server that logs its statements would log the password.
func alterPassword(ctx context.Context, adminURL, password string) error {
	config, err := adminConfig(adminURL)
	if err != nil {
		return err
	}
	verifier, err := scramVerifier(password)
	if err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return classify(ctx, err)
	}
	defer conn.Close(ctx)
	// ALTER ROLE takes no parameters; a verifier holds nothing that needs quoting.
	statement := "ALTER ROLE " + appRole + " LOGIN PASSWORD '" + verifier + "'"
	for range alterAttempts {
		if _, err = conn.Exec(ctx, statement); codeOf(err) != "XX000" { // "tuple concurrently updated"
			return err
		}
		select {
		case <-time.After(alterPause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return err
}

// scramVerifier is what Postgres stores of a password (RFC 5803): it proves the password and does not tell it.
func scramVerifier(password string) (string, error) {
	// As the driver does on its side of the exchange. What the profile refuses is taken as it is.
	if normal, err := precis.OpaqueString.String(password); err == nil {
		password = normal
	}
	salt := make([]byte, scramSaltBytes)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	salted, err := pbkdf2.Key(sha256.New, password, salt, scramIterations, sha256.Size)
	if err != nil {
		return "", errors.New("derive the password's verifier")
	}
	clientKey := keyed(salted, "Client Key")
	storedKey := sha256.Sum256(clientKey)
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", scramIterations, encode(salt), encode(storedKey[:]),
		encode(keyed(salted, "Server Key"))), nil
}

func keyed(key []byte, message string) []byte {
	digest := hmac.New(sha256.New, key)
	digest.Write([]byte(message))
	return digest.Sum(nil)
}
