package rabbitmq

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

func TestConfigNamesWhatIsWrong(t *testing.T) {
	for name, test := range map[string]struct {
		config Config
		want   string
	}{
		"no URL":           {Config{}, "RABBITMQ_URL is not set"},
		"other scheme":     {Config{URL: "http://u:s3cret@localhost/"}, "RABBITMQ_URL cannot be read"},
		"unescaped":        {Config{URL: "amqp://u:s3cret%zz@localhost/"}, "RABBITMQ_URL cannot be read"},
		"bad port":         {Config{URL: "amqp://u:s3cret@localhost:x/"}, "RABBITMQ_URL cannot be read"},
		"prefetch":         {Config{URL: "amqp://u:s3cret@localhost/", Prefetch: 2001}, "RABBITMQ_PREFETCH is 2001"},
		"prefetch below 0": {Config{URL: "amqp://u:s3cret@localhost/", Prefetch: -1}, "RABBITMQ_PREFETCH is -1"},
		"close timeout":    {Config{URL: "amqp://u:s3cret@localhost/", CloseTimeout: -1}, "RABBITMQ_CLOSE_TIMEOUT is -1ns"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(context.Background(), test.config, newTopology(), zerolog.Nop())
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "s3cret")
		})
	}
}

func TestInvariant9ConnectErrorsHoldNoPassword(t *testing.T) {
	u, err := url.Parse(sharedBroker(t))
	require.NoError(t, err)
	u.User = url.UserPassword("reos", "s3cret")
	began := time.Now()
	_, err = Open(context.Background(), Config{URL: u.String()}, newTopology(), zerolog.Nop())
	require.ErrorContains(t, err, "RABBITMQ_URL (amqp://reos:xxxxx@")
	require.NotContains(t, err.Error(), "s3cret")
	require.Less(t, time.Since(began), openTimeout, "a refusal is final")

	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err = Open(ctx, Config{URL: "amqp://reos:s3cret@127.0.0.1:1/"}, newTopology(), zerolog.Nop())
	require.ErrorContains(t, err, "RABBITMQ_URL (amqp://reos:xxxxx@127.0.0.1:1/): dial tcp")
}
