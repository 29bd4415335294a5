package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/postgres"
)

func migrateCommand(c *console) *cobra.Command {
	var all bool
	var why string
	up := &cobra.Command{
		Use:   "up",
		Short: "Bring the database to the newest version",
		Long: `Applies what is missing, as the owner in DATABASE_ADMIN_URL, and lets the role of DATABASE_URL, reos_app, log in
with the password given there. Safe to run again, and beside others doing the same.`,
		Example: `  DATABASE_ADMIN_URL=postgres://postgres:…@db/reos DATABASE_URL=postgres://reos_app:…@db/reos reos migrate up`,
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := migrateConfig(cmd)
			if err != nil {
				return err
			}
			before, _ := postgres.Status(cmd.Context(), cfg.Postgres.AdminURL) // there may be no database yet
			if err := postgres.Migrate(cmd.Context(), cfg.Postgres.AdminURL, cfg.Postgres.URL); err != nil {
				return environmentError{err}
			}
			if err := auditMigration(cmd.Context(), cfg, before, why); err != nil {
				return err
			}
			return printMigrations(cmd, c, cfg)
		},
	}
	whyFlag(up, &why)
	down := &cobra.Command{
		Use:   "down",
		Short: "Undo the newest migration, or all",
		Example: `  reos migrate down
  reos migrate down --all      # removes every table of reos with its data`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := migrateConfig(cmd)
			if err != nil {
				return err
			}
			if err := postgres.Down(cmd.Context(), cfg.Postgres.AdminURL, all); err != nil {
				return environmentError{err}
			}
			return printMigrations(cmd, c, cfg)
		},
	}
	down.Flags().BoolVar(&all, "all", false, "undo every migration")
	status := &cobra.Command{
		Use: "status", Short: "Show which migrations are applied", Example: `  reos migrate status --json`, Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := migrateConfig(cmd)
			if err != nil {
				return err
			}
			return printMigrations(cmd, c, cfg)
		},
	}
	return group("migrate", "Change the database's schema", up, down, status)
}

// auditMigration notes which migrations were applied, where any were.
func auditMigration(ctx context.Context, cfg config, before []postgres.Migration, why string) error {
	after, err := postgres.Status(ctx, cfg.Postgres.AdminURL)
	if err != nil {
		return environmentError{err}
	}
	applied := []string{}
	for i, m := range after {
		if m.AppliedAt != nil && (i >= len(before) || before[i].AppliedAt == nil) {
			applied = append(applied, m.Name)
		}
	}
	if len(applied) == 0 {
		return nil
	}
	details, err := json.Marshal(map[string]any{"applied": applied})
	if err != nil {
		return err
	}
	db, err := postgres.Open(ctx, cfg.Postgres)
	if err != nil {
		return environmentError{err}
	}
	defer db.Close()
	return db.Platform().Audit(ctx, store.AuditEntry{
		Actor: cfg.actor(), Action: store.SchemaMigrated, Subject: "schema", Why: why, Details: details,
	})
}

func migrateConfig(cmd *cobra.Command) (config, error) {
	cfg, err := loadConfig(cmd.Context())
	if err != nil {
		return config{}, err
	}
	if err := cfg.adopt(); err != nil {
		return config{}, err
	}
	return cfg, cfg.demand(envAdmin, envDatabase)
}

func printMigrations(cmd *cobra.Command, c *console, cfg config) error {
	migrations, err := postgres.Status(cmd.Context(), cfg.Postgres.AdminURL)
	if err != nil {
		return environmentError{err}
	}
	return c.print(map[string]any{"migrations": migrations}, func(w io.Writer) {
		fmt.Fprintln(w, "VERSION\tNAME\tAPPLIED")
		for _, m := range migrations {
			applied := "no"
			if m.AppliedAt != nil {
				applied = m.AppliedAt.Format("2006-01-02 15:04:05")
			}
			fmt.Fprintf(w, "%d\t%s\t%s\n", m.Version, m.Name, applied)
		}
	})
}
