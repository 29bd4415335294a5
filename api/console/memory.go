package console

import (
	"sync"
	"time"
)

// memory remembers for a while what is dear to find out. Safe for concurrent use.
type memory[K comparable, V any] struct {
	mu    sync.Mutex
	known map[K]memo[V]
}

type memo[V any] struct {
	value V
	until time.Time
}

// maxMemos bounds what is remembered; when it is reached, all is found out anew.
const maxMemos = 10_000

func newMemory[K comparable, V any]() *memory[K, V] { return &memory[K, V]{known: map[K]memo[V]{}} }

// forget has what is under a key found out anew.
func (m *memory[K, V]) forget(key K) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, key)
}

// find is what is remembered under a key, or what find finds. That stays for as long as stay says, and four times as long
// as it took to find it at least.
func (m *memory[K, V]) find(key K, find func() (V, error), stay func(V) time.Duration) (V, error) {
	m.mu.Lock()
	found, ok := m.known[key]
	m.mu.Unlock()
	began := time.Now()
	if ok && began.Before(found.until) {
		return found.value, nil
	}
	value, err := find()
	if err != nil {
		return value, err
	}
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.known) >= maxMemos {
		clear(m.known)
	}
	m.known[key] = memo[V]{value, now.Add(max(stay(value), 4*now.Sub(began)))}
	return value, nil
}
