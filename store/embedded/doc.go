// Package embedded holds the servers of the embedded default: what `reos up` and `reos demo` start in the process, or
// beside it, for every URL that is not configured. Each of them is spoken to by the same adapter as the real one, keeps
// its data in a directory of its own, and loses nothing that it has confirmed when it is killed.
//
//	postgres*.go   PostgreSQL from the machine's own binaries, a child process that does not outlive its parent
//	s3*.go         an S3 server over one bbolt file
//	qdrant*.go     a Qdrant-compatible vector server
//
// All of them listen on the loopback interface only, on a free port, and demand a generated key or password that is
// kept in the directory, readable by its owner alone.
package embedded
