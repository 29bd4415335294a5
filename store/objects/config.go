package objects

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7/pkg/s3utils"
)

// Config says where the bucket is.
type Config struct {
	// URL is `http(s)://ACCESS:SECRET@host[:port]/bucket[?region=us-east-1]`. Whatever is not a letter, a digit or one
	// of `-._~` in the secret is percent-encoded.
	URL string `env:"S3_URL"`
}

const defaultRegion = "us-east-1"

// target is Config.URL, taken apart.
type target struct {
	secure         bool
	host           string
	access, secret string
	bucket, region string
}

// parse takes the URL apart. Its errors never repeat any part of the value: a secret that was not percent-encoded can
// end up in any of them.
func (c Config) parse() (target, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return target{}, wrongURL("it is not a URL (is the secret percent-encoded?)")
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return target{}, wrongURL("the scheme is not http or https")
	}
	if u.Hostname() == "" {
		return target{}, wrongURL("the host is missing")
	}
	secret, _ := u.User.Password()
	if u.User.Username() == "" || secret == "" {
		return target{}, wrongURL("the access key or the secret is missing")
	}
	bucket := strings.TrimPrefix(u.Path, "/")
	if err := s3utils.CheckValidBucketNameStrict(bucket); err != nil {
		return target{}, wrongURL("the path is not the name of one bucket")
	}
	region, err := regionOf(u)
	if err != nil {
		return target{}, err
	}
	return target{
		secure: u.Scheme == "https",
		host:   u.Host,
		access: u.User.Username(),
		secret: secret,
		bucket: bucket,
		region: region,
	}, nil
}

func regionOf(u *url.URL) (string, error) {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil || u.Fragment != "" {
		return "", wrongURL("the part after the bucket is not ?region=…")
	}
	region := defaultRegion
	for name, values := range query {
		if name != "region" || len(values) != 1 || values[0] == "" {
			return "", wrongURL("the part after the bucket is not ?region=…")
		}
		region = values[0]
	}
	return region, nil
}

func wrongURL(reason string) error {
	return errors.New("S3_URL must be http(s)://ACCESS:SECRET@host[:port]/bucket[?region=us-east-1] with the secret percent-encoded: " + reason)
}

// Redacted is the URL without its secret.
//
// Invariant 9: no secret in logs.
func (c Config) Redacted() string {
	if c.URL == "" {
		return ""
	}
	t, err := c.parse()
	if err != nil {
		return "(invalid)"
	}
	scheme := "http"
	if t.secure {
		scheme = "https"
	}
	return fmt.Sprintf("%s://%s:***@%s/%s?region=%s", scheme, url.PathEscape(t.access), t.host, t.bucket, url.QueryEscape(t.region))
}

// String keeps the secret out of whatever prints a Config.
func (c Config) String() string { return c.Redacted() }

// GoString keeps the secret out of %#v.
func (c Config) GoString() string { return fmt.Sprintf("objects.Config{URL: %q}", c.Redacted()) }
