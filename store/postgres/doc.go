// Package postgres is the adapter to Postgres, the truth: what is accepted, what became of it, and every record's
// newest version.
//
// Open connects as reos_app, a role that row-level security binds. There are two ways to the data, and no other:
//
//   - Tenant(id) sees one tenant's rows. Every transaction begins with set_tenant_context, and every statement names
//     the tenant as well.
//   - Platform() looks across tenants. Every transaction becomes reos_platform, which may count and create, and cannot
//     read a record.
//
// Invariants 2 and 3 are enforced in SQL: each write compares versions with the row that is there, in one statement.
//
// All methods are safe for concurrent use. An error that says nothing about the request wraps store.ErrUnavailable.
//
// Reading order: open.go, pipeline.go (round trips), joint.go and ahead.go (fewer of them), errors.go, records.go, ingest.go,
// raw.go, verdicts.go, embeddings.go, index.go, progress.go, redrive.go, reconcile.go, lead.go, deadletters.go, platform.go,
// status.go, migrate.go.
package postgres
