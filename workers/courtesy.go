package workers

import (
	"sync"
	"time"
)

// heavyPart is how many messages make a part heavy; a smaller one is light.
const heavyPart = 32

// courtesyFor is how long after a light part of another lane heavy parts go one by one.
const courtesyFor = time.Second

// Courtesy is what the runners of one process show to light parts: while one lane has live events, the heavy parts of
// the others go one by one. Lanes keep a burst's queue away from its neighbours; what they still share is processors,
// here and in the stores, and a burst would have every stage keep one busy.
//
// Without light parts in other lanes nobody waits. A nil Courtesy shows none.
type Courtesy struct {
	mu    sync.Mutex
	left  *sync.Cond           // a heavy part has left
	heavy int                  // heavy parts in the stores
	light map[string]time.Time // per lane: its last light part
}

// NewCourtesy makes one for all runners of a process.
func NewCourtesy() *Courtesy {
	c := &Courtesy{light: map[string]time.Time{}}
	c.left = sync.NewCond(&c.mu)
	return c
}

// Enter waits until a part of a lane may go into the stores; leave says that it is out.
func (c *Courtesy) Enter(lane string, messages int) (leave func()) {
	if c == nil {
		return func() {}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if messages <= heavyPart {
		c.light[lane] = time.Now()
		return func() {}
	}
	for c.heavy > 0 && c.owedBy(lane) {
		c.left.Wait()
	}
	c.heavy++
	return c.leave
}

func (c *Courtesy) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heavy--
	c.left.Broadcast()
}

// owedBy says whether another lane had a light part just now. The caller holds mu.
func (c *Courtesy) owedBy(lane string) bool {
	for other, last := range c.light {
		if other != lane && time.Since(last) < courtesyFor {
			return true
		}
	}
	return false
}
