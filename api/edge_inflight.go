package api

import (
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"
)

// inFlight bounds what is taken by the requests that are being answered at once: places, or memory. Nobody's requests can
// take all of it from the others. Safe for concurrent use.
type inFlight struct {
	perTenant, total int // 0 is no bound

	mu  sync.Mutex
	of  map[uuid.UUID]int
	all int
}

func newInFlight(perTenant, total int) *inFlight {
	return &inFlight{perTenant: perTenant, total: total, of: map[uuid.UUID]int{}}
}

// enter takes a place for a request of a tenant, or says that there is none. Whoever has one calls leave.
func (f *inFlight) enter(tenant uuid.UUID) (leave func(), err error) {
	if err := f.take(tenant); err != nil {
		return nil, err
	}
	return func() { f.give(tenant, 1) }, nil
}

// take takes one of what there is, or says that there is none.
func (f *inFlight) take(tenant uuid.UUID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.perTenant > 0 && f.of[tenant] >= f.perTenant:
		return retryLater(http.StatusTooManyRequests, ProblemTooMany, "the tenant has more requests under way than it may", time.Second)
	case f.total > 0 && f.all >= f.total:
		return retryLater(http.StatusServiceUnavailable, ProblemUnavailable, "the service answers as many requests as it can", time.Second)
	}
	f.of[tenant]++
	f.all++
	return nil
}

// give gives back n of those that were taken.
func (f *inFlight) give(tenant uuid.UUID, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all -= n
	if f.of[tenant] -= n; f.of[tenant] == 0 {
		delete(f.of, tenant)
	}
}
