// Package archive keeps the raw bytes of every accepted event: as they came, for as long as there is an archive.
//
// Ingestion stores a large batch's as one object. A small one's are staged in Postgres, in the transaction that accepts
// the events; an Archiver gathers these in the background into objects that are worth their request. Read finds an
// event's bytes wherever they are. Frames are packed once: gathering copies bytes.
//
// It is no stage: it consumes nothing. One process of all that share a database runs the Archiver.
//
// Reading order: config.go, archiver.go, gather.go, read.go, metrics.go.
package archive
