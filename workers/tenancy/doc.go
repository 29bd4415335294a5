// Package tenancy is the life of a tenant: it is created, suspended, resumed, exported and deleted here, by order of an
// operator, at every store and at the broker.
//
// Everything may be repeated: what was cut off is finished by doing it again. Every change is in the audit log, with the
// change itself where it is one of Postgres.
//
// Reading order: lifecycle.go (what it works on), create.go, suspend.go, show.go, export.go, archive.go (the file that an
// export is), delete.go, drain.go (when the queues hold nothing of a tenant any more).
package tenancy
