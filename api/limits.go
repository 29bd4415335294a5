package api

import (
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/time/rate"
)

// limits holds a token bucket per tenant: each request takes one token.
type limits struct {
	rate  rate.Limit
	burst int

	mu      sync.Mutex
	buckets map[uuid.UUID]*rate.Limiter
}

// maxBuckets bounds what is remembered. A tenant that is forgotten starts with a full bucket.
const maxBuckets = 10_000

func newLimits(perSecond float64, burst int) *limits {
	return &limits{rate: rate.Limit(perSecond), burst: burst, buckets: map[uuid.UUID]*rate.Limiter{}}
}

// take takes a token for a request of a tenant, or says when to come again.
func (l *limits) take(tenant uuid.UUID) error {
	reservation := l.bucket(tenant).Reserve()
	wait := reservation.Delay()
	if wait == 0 {
		return nil
	}
	reservation.Cancel()
	return retryLater(http.StatusTooManyRequests, ProblemTooMany, "the tenant sends more requests than it may", max(wait, time.Second))
}

func (l *limits) bucket(tenant uuid.UUID) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	bucket, ok := l.buckets[tenant]
	if !ok {
		if len(l.buckets) >= maxBuckets {
			clear(l.buckets)
		}
		bucket = rate.NewLimiter(l.rate, l.burst)
		l.buckets[tenant] = bucket
	}
	return bucket
}
