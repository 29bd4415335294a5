// Package reconcile keeps the promises that outlive a message: what is accepted comes to its end, and the index and the
// archive hold what Postgres says they hold.
//
// It is no stage: it consumes nothing. A Redriver publishes again what unfinished events wait for; a Reconciler compares
// the stores and repairs by events. Both leave every decision to the stages, which decide from state in Postgres, so
// that a step too many is harmless. A Keeper runs them at intervals in one process of all that share a database.
//
// Reading order: keeper.go, redrive.go, reconcile.go, index.go, archive.go, repair.go, report.go, publish.go, metrics.go.
package reconcile
