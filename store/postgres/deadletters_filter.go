package postgres

import (
	"strconv"
	"strings"

	"github.com/codybias9/real-estate-os/store"
)

// letterConditions is a filter as SQL. A condition that is not asked for is not there: a plan that must hold for any filter
// would be a bad one for most.
type letterConditions struct {
	sql  strings.Builder
	args []any
}

// param adds a parameter and returns its name.
func (c *letterConditions) param(value any) string {
	c.args = append(c.args, value)
	return "$" + strconv.Itoa(len(c.args))
}

// and adds a condition on a value, written as ?.
func (c *letterConditions) and(condition string, value any) {
	c.sql.WriteString(" AND " + strings.ReplaceAll(condition, "?", c.param(value)))
}

// equal adds a condition where a value is asked for.
func equal[S ~string](c *letterConditions, column string, value S) {
	if value != "" {
		c.and(column+" = ?", printable(string(value)))
	}
}

// group adds what groups and letters can both be narrowed by.
func (c *letterConditions) group(f store.DeadLetterFilter) {
	equal(c, "stage", f.Stage)
	equal(c, "reason", f.Reason)
	equal(c, "kind", f.Kind)
	equal(c, "fingerprint", f.Fingerprint)
	equal(c, "worker_version", f.WorkerVersion)
}

// letters adds all of a filter but for the place to begin at.
func (c *letterConditions) letters(f store.DeadLetterFilter) {
	c.group(f)
	equal(c, "event_type", f.Type)
	equal(c, "record_key", f.Key)
	if f.Key != "" {
		c.sql.WriteString(" AND record_key <> ''") // the index's own condition
	}
	equal(c, "state", f.State)
	if f.IDs != nil {
		c.and("id = ANY (?::uuid[])", uuids(f.IDs))
	}
	if !f.Since.IsZero() {
		c.and("failed_at >= ?", f.Since)
	}
	if !f.Until.IsZero() {
		c.and("failed_at < ?", f.Until)
	}
}

// after adds the place behind which a page begins.
func (c *letterConditions) after(place store.DeadLetterCursor) {
	if !place.FailedAt.IsZero() {
		c.sql.WriteString(" AND (failed_at, id) < (" + c.param(place.FailedAt) + ", " + c.param([16]byte(place.ID)) + ")")
	}
}
