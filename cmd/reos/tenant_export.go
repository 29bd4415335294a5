package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers/tenancy"
)

func tenantExportCommand(c *console) *cobra.Command {
	var to, why string
	cmd := &cobra.Command{
		Use:   "export TENANT",
		Short: "Write everything of a tenant to one file",
		Long: `Writes everything of a tenant to a compressed tar archive: the rows of every table, all of one moment, as JSON objects one
a line (tables/…), every object under its key (objects/…), and last a manifest with counts and SHA-256 digests
(manifest.json). Bytes that are no text, such as dead letters, are in base64. Vectors are left out.

A file without a manifest was cut off.`,
		Example: `  reos tenant export acme -o acme.tar.gz
  reos tenant export acme | ssh vault 'cat > acme.tar.gz'
  tar -xOzf acme.tar.gz manifest.json | jq .rows`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			switch {
			case to == "" && c.json:
				return badInput("--json needs -o FILE: the archive itself goes to standard output")
			case to == "" && isTerminal(c.out):
				return badInput("-o FILE is missing: an archive on a terminal helps nobody")
			}
			return withLifecycle(cmd.Context(), c, func(ctx context.Context, in *installation, l *tenancy.Lifecycle) error {
				tenant, err := in.tenant(ctx, given[0])
				if err != nil {
					return err
				}
				var manifest tenancy.Manifest
				err = writeNew(to, c.out, func(w io.Writer) error {
					manifest, err = in.export(ctx, l, tenant, w, why)
					return err
				})
				if err != nil || to == "" {
					return err
				}
				return c.print(manifest, func(w io.Writer) { manifestRows(w, to, manifest) })
			}, (*installation).openObjects)
		},
	}
	cmd.Flags().StringVarP(&to, "output", "o", "", "the file to write, which must not exist; standard output where left out")
	whyFlag(cmd, &why)
	return cmd
}

func (in *installation) export(ctx context.Context, l *tenancy.Lifecycle, tenant store.Tenant, w io.Writer, why string) (tenancy.Manifest, error) {
	bar := in.console.progress(-1, "exporting", false)
	defer func() { _ = bar.Finish() }()
	return l.Export(ctx, tenant, w, in.act(why), func(what string, done, _ int) {
		bar.Describe(what)
		_ = bar.Set(done)
	})
}

func manifestRows(w io.Writer, name string, m tenancy.Manifest) {
	fmt.Fprintf(w, "%s\t%d files\n\n", name, len(m.Members))
	fmt.Fprintln(w, "TABLE\tROWS")
	for _, table := range slices.Sorted(maps.Keys(m.Rows)) {
		fmt.Fprintf(w, "%s\t%d\n", table, m.Rows[table])
	}
	fmt.Fprintf(w, "objects\t%d\n", m.Objects)
}
