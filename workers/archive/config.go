package archive

import "time"

// Config is when staged raw bytes are archived.
type Config struct {
	// After is the span of time whose raw bytes of a tenant go into one object: they are in Postgres for up to about
	// twice as long.
	After time.Duration `env:"ARCHIVE_AFTER, default=5m"`
}

const (
	// settled is how long ago bytes must have been staged, at most: no transaction that stages takes as long, so that
	// nothing appears before what is gathered, and an attempt that was cut off is repeated with the same bytes.
	settled = 30 * time.Second

	// looks is how often in the time of After the Archiver looks for something to do.
	looks = 10

	// objectBytes is the size from which on an object is full. It does not wait for its time to be over.
	objectBytes = 4 << 20

	// tenantsAtOnce bounds, with objectBytes, what an Archiver holds in memory.
	tenantsAtOnce = 4
)

// Every is the time between two runs of an Archiver.
func (c Config) Every() time.Duration { return c.After / looks }

// settle is how long what is staged is left alone.
func (c Config) settle() time.Duration { return min(settled, c.After) }
