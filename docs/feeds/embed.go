// Package feeds holds the mappings that reos ships with.
package feeds

import "embed"

// FS holds the mappings, named `<name>.yaml`.
//
//go:embed *.yaml
var FS embed.FS
