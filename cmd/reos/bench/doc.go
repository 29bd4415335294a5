// Package bench measures reos from outside: it starts workers as processes of their own on real servers, publishes as
// an upstream would, and counts in Postgres and at the broker what came out. Nothing in it asks a worker how it did.
//
// Every run has a world of its own (a database, a namespace on the broker, a bucket, a collection) and removes it
// afterwards. It uses the drivers directly where it looks or cleans up, so that what is measured does not measure
// itself.
//
// Reading order: options.go, world.go, worker.go, source.go, load.go, then one file per scenario, report.go.
package bench
