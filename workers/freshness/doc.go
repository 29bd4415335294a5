// Package freshness watches the pipeline: it folds the work that is still unfinished, and what has ended, into states and
// SLIs per tenant, stage and source.
//
// Reading order: store.FreshnessFacts.Judge (what a state is), look.go (what is read, and when), tracker.go (who looks, and
// what becomes of it), publish.go, history.go, gauges.go (where it goes), upkeep.go (what is learned slowly), times.go (what
// indexing measures of each event).
package freshness
