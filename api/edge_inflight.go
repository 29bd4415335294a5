package api

import (
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"
)

// inFlight bounds the requests that are being answered at once: each may hold a body in memory, and a connection of
// every pool. Nobody's requests can take all places from the others. Safe for concurrent use.
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
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.perTenant > 0 && f.of[tenant] >= f.perTenant:
		return nil, retryLater(http.StatusTooManyRequests, ProblemTooMany, "the tenant has more requests under way than it may", time.Second)
	case f.total > 0 && f.all >= f.total:
		return nil, retryLater(http.StatusServiceUnavailable, ProblemUnavailable, "the service answers as many requests as it can", time.Second)
	}
	f.of[tenant]++
	f.all++
	return func() { f.leave(tenant) }, nil
}

func (f *inFlight) leave(tenant uuid.UUID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all--
	if f.of[tenant]--; f.of[tenant] == 0 {
		delete(f.of, tenant)
	}
}
