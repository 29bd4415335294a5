package reconcile

import "time"

// Config is how often promises are looked after.
type Config struct {
	// RedriveAfter is how long an event may stand still before it is driven again. It should be longer than all retry
	// delays together: an event that waits in a retry queue stands still.
	RedriveAfter    time.Duration `env:"REDRIVE_AFTER, default=15m"`
	RedriveInterval time.Duration `env:"REDRIVE_INTERVAL, default=1m"`
	// Interval is the time between two comparisons of the stores; 0 = none.
	Interval time.Duration `env:"RECONCILE_INTERVAL, default=1h"`
	// ObjectGrace is how old an archived object must be before it is missed that no event's raw bytes lie in it:
	// ingestion writes it before the transaction that refers to it.
	ObjectGrace time.Duration `env:"RECONCILE_OBJECT_GRACE, default=1h"`
}
