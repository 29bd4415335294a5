package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"github.com/rs/zerolog"
	"golang.org/x/time/rate"
)

const (
	fetchTimeout = 5 * time.Second
	maxSetBytes  = 1 << 20
	// An unknown key makes the set be read again, but whoever makes up keys cannot have us call the issuer more often.
	unknownEvery = 10 * time.Second
	unknownBurst = 3
)

var errUnknownKey = errors.New("no such key")

// keys are the public keys of an issuer, read from its URL and kept while that cannot be read. Safe for concurrent use.
//
// The library's own client is not used: it lets tokens with made-up keys wait for each other, reads a set of any length,
// ties a read to the request that asked for it, and takes an empty set.
type keys struct {
	url     string
	every   time.Duration
	client  *http.Client
	unknown *rate.Limiter
	log     zerolog.Logger

	mu      sync.Mutex
	set     keyfunc.Keyfunc // nil until the first that could be read
	failed  bool            // the last read
	reading chan struct{}   // closed when the read that is under way ends; nil without one
}

func newKeys(config Config, log zerolog.Logger) *keys {
	return &keys{
		url: config.JWKSURL, every: config.JWKSRefresh, log: log,
		unknown: rate.NewLimiter(rate.Every(unknownEvery), unknownBurst),
		client: &http.Client{
			Timeout: fetchTimeout,
			// A redirect could leave TLS, or lead into the installation's own network.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// start reads the set, and goes on doing so until ctx ends.
func (k *keys) start(ctx context.Context) {
	<-k.read(ctx)
	go func() {
		for {
			wait := k.every
			if _, failed := k.current(); failed {
				wait = min(wait, unknownEvery)
			}
			select {
			case <-time.After(wait):
				<-k.read(ctx)
			case <-ctx.Done():
				k.client.CloseIdleConnections()
				return
			}
		}
	}()
}

// of finds the key that a token says it is signed with.
func (k *keys) of(ctx context.Context, token *jwt.Token) (any, error) {
	if kid, ok := token.Header["kid"].(string); !ok || kid == "" {
		return nil, errUnknownKey
	}
	set, _ := k.current()
	if key, err := lookUp(set, token); !errors.Is(err, jwkset.ErrKeyNotFound) {
		return key, err
	}
	select {
	case <-k.readForUnknown(ctx):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	set, failed := k.current()
	key, err := lookUp(set, token)
	switch {
	case !errors.Is(err, jwkset.ErrKeyNotFound):
		return key, err
	case failed:
		return nil, ErrUnavailable
	}
	return nil, errUnknownKey
}

func lookUp(set keyfunc.Keyfunc, token *jwt.Token) (any, error) {
	if set == nil {
		return nil, jwkset.ErrKeyNotFound
	}
	return set.Keyfunc(token)
}

func (k *keys) current() (set keyfunc.Keyfunc, failed bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.set, k.failed
}

// readForUnknown joins the read that is under way, or starts one if the last was long enough ago. The channel is closed
// when there is nothing to wait for any more.
func (k *keys) readForUnknown(ctx context.Context) <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.reading != nil:
		return k.reading
	case k.unknown.Allow():
		return k.begin(context.WithoutCancel(ctx)) // it serves others too
	}
	nothing := make(chan struct{})
	close(nothing)
	return nothing
}

// read reads the set, or joins the read that is under way. The channel is closed when that has ended.
func (k *keys) read(ctx context.Context) <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.reading != nil {
		return k.reading
	}
	return k.begin(ctx)
}

// begin starts a read. The caller holds the lock, and knows that none is under way.
func (k *keys) begin(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	k.reading = done
	go func() {
		set, err := k.fetch(ctx)
		if err != nil && ctx.Err() == nil {
			k.log.Warn().Err(err).Msg("the issuer's keys could not be read; those known stay")
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.failed = err != nil; !k.failed {
			k.set = set
		}
		k.reading = nil
		close(done)
	}()
	return done
}

func (k *keys) fetch(ctx context.Context) (keyfunc.Keyfunc, error) {
	shown := redactedURL(k.url)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url, nil)
	if err != nil {
		return nil, fmt.Errorf("read API_JWKS_URL (%s): it is not a URL", shown)
	}
	response, err := k.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("read API_JWKS_URL (%s): %w", shown, errors.Unwrap(err)) // url.Error repeats the URL
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("read API_JWKS_URL (%s): the answer is %s", shown, response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxSetBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read API_JWKS_URL (%s): %w", shown, err)
	}
	if len(body) > maxSetBytes {
		return nil, fmt.Errorf("read API_JWKS_URL (%s): more than %d bytes", shown, maxSetBytes)
	}
	set, err := parseSet(ctx, body)
	if err != nil {
		return nil, fmt.Errorf("read API_JWKS_URL (%s): %w", shown, err)
	}
	return set, nil
}

// parseSet keeps the keys of a set that can verify our tokens: those of a service may be for other uses as well. A set
// without any is an error: an issuer in trouble is likelier than one that revokes all it has.
func parseSet(ctx context.Context, body []byte) (keyfunc.Keyfunc, error) {
	var listed jwkset.JWKSMarshal
	if err := json.Unmarshal(body, &listed); err != nil {
		return nil, errors.New("not a set of keys (RFC 7517)")
	}
	usable := jwkset.NewMemoryStorage()
	count := 0
	for _, entry := range listed.Keys {
		entry.D, entry.P, entry.Q, entry.DP, entry.DQ, entry.QI = "", "", "", "", "", "" // only what is public counts
		key, err := jwkset.NewJWKFromMarshal(entry, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
		if err != nil || entry.KID == "" || !verifies(key.Key()) || entry.USE != "" && entry.USE != jwkset.UseSig {
			continue
		}
		if err := usable.KeyWrite(ctx, key); err != nil {
			return nil, fmt.Errorf("keep a key: %w", err)
		}
		count++
	}
	if count == 0 {
		return nil, errors.New("no RSA or P-256 key with a kid for signatures in it")
	}
	return keyfunc.New(keyfunc.Options{Storage: usable})
}

// verifies says whether a key is of RS256 or ES256.
func verifies(key any) bool {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen() >= 2048
	case *ecdsa.PublicKey:
		return key.Curve == elliptic.P256()
	}
	return false
}
