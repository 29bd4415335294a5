// Command generate writes the Grafana dashboards into the directory that it is given. They are provisioned as JSON; their
// source is overview.go and workers.go.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: generate DIRECTORY")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// write makes one file per dashboard, named after its uid.
func write(directory string) error {
	for _, board := range []dashboard{overview(), workersAndStores()} {
		content, err := json.MarshalIndent(board, "", "  ")
		if err != nil {
			return fmt.Errorf("encode dashboard %s: %w", board.UID, err)
		}
		if err := os.WriteFile(filepath.Join(directory, board.UID+".json"), append(content, '\n'), 0o644); err != nil {
			return fmt.Errorf("write dashboard: %w", err)
		}
	}
	return nil
}
