package reconcile

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/codybias9/real-estate-os/store"
)

// archive compares the objects that raw bytes lie in with those that are there, both in the order of their keys. What
// is missing cannot be made again, and what is too much may be evidence: neither is repaired.
func (c *comparison) archive(ctx context.Context, archive Archive) error {
	oldest := time.Now().Add(-c.config.ObjectGrace)
	named, stopNamed := newCursor("Postgres", c.records.ArchiveObjects(ctx))
	defer stopNamed()
	held, stopHeld := newCursor("the object store", archive.ArchiveObjects(ctx))
	defer stopHeld()
	for named.err == nil && held.err == nil && (named.ok || held.ok) {
		switch {
		case !held.ok || named.ok && named.at.Key < held.at.Key:
			c.report.found(store.Finding{Kind: store.ObjectMissing, Object: named.at.Key, Detail: "there is no such object"})
			named.next()
		case !named.ok || held.at.Key < named.at.Key:
			if held.at.Modified.Before(oldest) {
				c.report.found(store.Finding{
					Kind: store.ObjectExtra, Object: held.at.Key, Detail: fmt.Sprintf("no event's raw bytes lie in its %d bytes", held.at.Bytes),
				})
			}
			c.report.Objects++
			held.next()
		default:
			if held.at.Bytes < named.at.Bytes {
				c.report.found(store.Finding{
					Kind: store.ObjectMissing, Object: held.at.Key,
					Detail: fmt.Sprintf("it ends after %d bytes, raw bytes lie up to %d", held.at.Bytes, named.at.Bytes),
				})
			}
			c.report.Objects++
			named.next()
			held.next()
		}
	}
	if named.err != nil {
		return named.err
	}
	return held.err
}

// cursor reads a list of objects one by one, and makes sure of its order: a list that is not in order would make
// findings of everything.
type cursor struct {
	of   string
	pull func() (store.ArchiveObject, error, bool)
	at   store.ArchiveObject
	ok   bool
	err  error
}

func newCursor(of string, list iter.Seq2[store.ArchiveObject, error]) (*cursor, func()) {
	pull, stop := iter.Pull2(list)
	c := &cursor{of: of, pull: pull}
	c.next()
	return c, stop
}

func (c *cursor) next() {
	before := c.at.Key
	c.at, c.err, c.ok = c.pull()
	if c.err == nil && c.ok && c.at.Key <= before {
		c.err = fmt.Errorf("%s lists objects out of order: %q behind %q", c.of, c.at.Key, before)
	}
	c.ok = c.ok && c.err == nil
}
