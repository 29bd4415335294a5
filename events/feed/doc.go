// Package feed turns files into events: NDJSON, CSV with a mapping, and RESO JSON, each plain or gzipped. It reads
// as a stream, with memory bounded by the longest record that the contract allows.
//
// Reading order: format.go (which reader), file.go (bytes), event.go (what every reader makes of a record), then the
// readers ndjson.go, csv.go and reso.go. mapping.go says how a CSV file's columns become fields.
package feed
