// Package migrations holds the database's schema as numbered steps, each with its way back. They say why.
package migrations

import "embed"

// FS holds the migrations, `NNNN_what.sql` in goose's format.
//
//go:embed *.sql
var FS embed.FS
