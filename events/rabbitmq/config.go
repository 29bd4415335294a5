package rabbitmq

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Config says which broker to use, and how.
type Config struct {
	// URL is amqp://user:password@host:port/vhost, or amqps:// for TLS. It holds a password: never print it.
	URL string `env:"RABBITMQ_URL"`
	// ManagementURL is http://user:password@host:port of the management plugin's HTTP API, or https://. It may be left out:
	// tenants then have no broker users of their own. It holds a password: never print it.
	ManagementURL string `env:"RABBITMQ_MANAGEMENT_URL"`
	// Prefetch is how many unacked messages one subscription may hold, 1 to 2000; 0 means 2000.
	Prefetch int `env:"RABBITMQ_PREFETCH, default=2000"`
	// CloseTimeout bounds how long Close waits for messages in hand to be acked; 0 means 10 s.
	CloseTimeout time.Duration `env:"RABBITMQ_CLOSE_TIMEOUT, default=10s"`
}

const (
	// Half of it is in a batch while the other half comes. A worker takes 500 messages of a tenant at a time; of many tenants
	// it takes more, and the more there are of each, the less each costs.
	defaultPrefetch     = maxPrefetch
	maxPrefetch         = 2000 // RabbitMQ's cap for quorum queues
	defaultCloseTimeout = 10 * time.Second
)

// check fills in defaults and refuses what cannot work. Its errors never show the URL: the parser's would, password
// and all.
func (c *Config) check() error {
	if c.Prefetch == 0 {
		c.Prefetch = defaultPrefetch
	}
	if c.CloseTimeout == 0 {
		c.CloseTimeout = defaultCloseTimeout
	}
	switch {
	case c.URL == "":
		return errors.New("RABBITMQ_URL is not set: it must be amqp://user:password@host:port/vhost")
	case c.Prefetch < 1 || c.Prefetch > maxPrefetch:
		return fmt.Errorf("RABBITMQ_PREFETCH is %d: it must be from 1 to %d", c.Prefetch, maxPrefetch)
	case c.CloseTimeout < 0:
		return fmt.Errorf("RABBITMQ_CLOSE_TIMEOUT is %s: it must not be negative", c.CloseTimeout)
	}
	if _, err := amqp.ParseURI(c.URL); err != nil {
		return errors.New("RABBITMQ_URL cannot be read: it must be amqp://user:password@host:port/vhost, or amqps:// " +
			"for TLS, with special characters in user and password percent-encoded")
	}
	return nil
}

// redacted is the URL without its password.
func (c Config) redacted() string {
	u, err := url.Parse(c.URL)
	if err != nil {
		return "RABBITMQ_URL"
	}
	u.RawQuery = ""
	return u.Redacted()
}
