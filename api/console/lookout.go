package console

import (
	"context"
	"time"

	"github.com/codybias9/real-estate-os/store"
)

// lookout reads the freshness of all tenants for everybody who looks at it. However many look, it is read once at a time,
// and a reading is shown for a while: at least leastStay, and four times as long as it took.
type lookout struct {
	reader store.FreshnessReader
	turn   chan struct{} // holds one: who has it may touch what is below

	last  *store.Panorama
	until time.Time
}

const leastStay = time.Second

func newLookout(reader store.FreshnessReader) *lookout {
	l := &lookout{reader: reader, turn: make(chan struct{}, 1)}
	l.turn <- struct{}{}
	return l
}

// look is the newest reading. Nobody may change it.
func (l *lookout) look(ctx context.Context) (*store.Panorama, error) {
	select {
	case <-l.turn:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { l.turn <- struct{}{} }()
	began := time.Now()
	if began.Before(l.until) {
		return l.last, nil
	}
	all, err := store.ReadPanorama(ctx, l.reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	l.last, l.until = all, now.Add(max(leastStay, 4*now.Sub(began)))
	return all, nil
}
