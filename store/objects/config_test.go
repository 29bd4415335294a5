package objects

import (
	"context"
	"fmt"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestURLIsTakenApart(t *testing.T) {
	secret := `s/e+c:r@e?t#%&`
	cfg := Config{URL: "https://AKIA:" + url.QueryEscape(secret) + "@s3.example.com:9000/reos-raw?region=eu-west-1"}
	got, err := cfg.parse()
	require.NoError(t, err)
	require.Equal(t, target{
		secure: true, host: "s3.example.com:9000", access: "AKIA", secret: secret, bucket: "reos-raw", region: "eu-west-1",
	}, got)

	got, err = Config{URL: "http://a:b@[::1]:9000/reos"}.parse()
	require.NoError(t, err)
	require.Equal(t, "us-east-1", got.region)
	require.Equal(t, "[::1]:9000", got.host)
}

func TestWrongURLNamesTheVariableAndNoSecret(t *testing.T) {
	for _, value := range []string{
		"",
		"HUNTER2",
		"s3://HUNTER2:HUNTER2@host/reos",
		"http://host/reos",
		"http://HUNTER2@host/reos",
		"http://:HUNTER2@host/reos",
		"http://a:HUNTER2@/reos",
		"http://a:HUNTER2@host",
		"http://a:HUNTER2@host/",
		"http://a:HUNTER2@host/reos/deeper",
		"http://a:HUNTER2@host/Upper",
		"http://a:HUNTER2@host/reos?HUNTER2=x",
		"http://a:HUNTER2@host/reos?region=",
		"http://a:HUNTER2@host/reos?region=x&region=y",
		"http://a:HUNTER2@host/reos#HUNTER2",
		"http://a:with/HUNTER2@host/reos",
		"http://a:with%HUNTER2@host/reos",
		"http://a:with?HUNTER2@host/reos",
		"http://a:with#HUNTER2@host/reos",
		"http://a:x@HUNTER2 host/reos",
		"http://a:x@HUNTER2_/:/reos",
	} {
		_, err := Open(context.Background(), Config{URL: value})
		require.ErrorContains(t, err, "S3_URL must be http(s)://", value)
		require.NotContains(t, err.Error(), "HUNTER2", value)
		require.NotContains(t, Config{URL: value}.Redacted(), "HUNTER2", value)
	}
}

func TestInvariant9ConfigurationPrintsRedacted(t *testing.T) {
	cfg := Config{URL: "http://AKIA:HUNTER2@host:9000/reos"}
	require.Equal(t, "http://AKIA:***@host:9000/reos?region=us-east-1", cfg.Redacted())
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		require.NotContains(t, fmt.Sprintf(verb, cfg), "HUNTER2")
		require.NotContains(t, fmt.Sprintf(verb, &cfg), "HUNTER2")
		require.NotContains(t, fmt.Sprintf(verb, struct{ S3 Config }{cfg}), "HUNTER2")
	}
}
