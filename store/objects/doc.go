// Package objects keeps raw archives and documents in a bucket of any S3 server. It is the only importer of minio-go.
//
//	<tenant_id>/raw/<name>.zst       archive: one zstd frame per record, so that a range read returns one record
//	<tenant_id>/documents/…          documents, one object each
//
// Reading order: config.go (S3_URL), client.go, keys.go (what a tenant may name), tenant.go and
// streams.go (objects), archive.go and frames.go (raw records), errors.go (what callers can tell apart).
//
// Only what every S3 server understands is used: whole-object PUT with Content-MD5 and an unsigned payload, multipart
// above 16 MiB, GET with a range, HEAD, DELETE and list version 2. No streaming signatures, no trailing checksums, no
// administration API.
package objects
