package archive

import (
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/store"
)

// gathered is what goes into one object.
type gathered struct {
	name   string
	events []uuid.UUID
	frames []store.Frame
}

// gather takes what goes into one object from the oldest of what is staged: bytes of one span of time, up to a full
// object. It takes nothing where that may still grow.
//
// So it depends on what is staged alone, and not on when it is asked: after a run that stored the object and could not
// say so, it makes the same one, under the same name.
func (a *Archiver) gather(staged []store.StagedRaw) gathered {
	var g gathered
	var begin time.Time
	bytes := 0
	for _, s := range staged {
		of := s.StagedAt.Truncate(a.config.After)
		if len(g.events) == 0 {
			begin = of
		}
		if !of.Equal(begin) || bytes >= objectBytes {
			break
		}
		g.events, g.frames = append(g.events, s.Event), append(g.frames, s.Frame)
		bytes += len(s.Frame.Packed)
	}
	if bytes < objectBytes && !a.over(begin) {
		return gathered{}
	}
	g.name = store.ArchiveName(begin, g.events)
	return g
}
