package postgres_test

import (
	"io"
	"net"
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/store/postgres"
)

// forgetfulPooler passes connections on to Postgres without the settings that they ask for, as PgBouncer does that is told to
// ignore them. It returns the URL that leads through it.
func forgetfulPooler(t *testing.T, databaseURL string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	through, err := url.Parse(databaseURL)
	require.NoError(t, err)
	behind := through.Host
	through.Host = listener.Addr().String()
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go passOn(client, behind)
		}
	}()
	return through.String()
}

func passOn(client net.Conn, behind string) {
	defer client.Close()
	first, err := pgproto3.NewBackend(client, client).ReceiveStartupMessage()
	startup, ok := first.(*pgproto3.StartupMessage)
	server, dialErr := net.Dial("tcp", behind)
	if err != nil || !ok || dialErr != nil {
		return
	}
	defer server.Close()
	for _, name := range []string{"search_path", "plan_cache_mode", "enable_seqscan", "jit"} {
		delete(startup.Parameters, name)
	}
	packet, err := startup.Encode(nil)
	if err != nil {
		return
	}
	if _, err := server.Write(packet); err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	}()
	_, _ = io.Copy(client, server)
}

func TestInvariant4APoolerThatDropsSettingsIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, err := postgres.Open(t.Context(), postgres.Config{URL: forgetfulPooler(t, f.URL), MaxConns: 2})
	require.ErrorContains(t, err, "DATABASE_URL leads through a connection pooler")
	require.ErrorContains(t, err, "connect to Postgres itself")

	asked, err := url.Parse(f.URL)
	require.NoError(t, err)
	query := asked.Query()
	query.Set("enable_seqscan", "on") // somebody's own wish
	asked.RawQuery = query.Encode()
	db, err := postgres.Open(t.Context(), postgres.Config{URL: asked.String(), MaxConns: 2})
	require.NoError(t, err)
	db.Close()
}
