// Package runs works through runs with items: stored records that are processed once more, and dead letters that are
// replayed. A run's selection is frozen in Postgres before anything happens, and so is what became of each item; this
// package keeps nothing that it could not read again. Any process may die at any point.
//
// One process leads (see reconcile.Keeper). For each run at work it looks, several times a second, at what has ended,
// decides by that how much may go out, and lets it go: an item is accepted (store.ItemReleased, with its row in progress),
// then published until the broker confirms, then marked.
//
// Reading order: executor.go (a look at all runs), pace.go (how much may go out, and when a run must stop), publish.go
// (how an item goes out), source.go (what a kind of run says for itself), rerun.go (the kind that this package knows).
package runs
