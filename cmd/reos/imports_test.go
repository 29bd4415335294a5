package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/codybias9/real-estate-os/"

// imports lists, per folder, what the files that are no tests import.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	root := filepath.Join("..", "..")
	found := map[string][]string{}
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		relative, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		folder := path.Dir(filepath.ToSlash(relative))
		for _, spec := range parsed.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			found[folder] = append(found[folder], name)
		}
		return nil
	})
	require.NoError(t, err)
	require.Contains(t, found, "workers/ingestion", "the walk saw the tree")
	return found
}

// Each driver has one home: whoever changes it changes one folder.
func TestDriversHaveOneHome(t *testing.T) {
	homes := map[string][]string{
		"github.com/rabbitmq/amqp091-go":           {"events/rabbitmq", "cmd/reos/bench", "cmd/reos/isolation"}, // both look from outside
		"github.com/michaelklishin/rabbit-hole/v3": {"events/rabbitmq"},
		"github.com/jackc/pgx/v5":                  {"store/postgres", "store/postgrestest", "events/pgqueue", "cmd/reos/bench", "cmd/reos/isolation"},
		"github.com/minio/minio-go/v7":             {"store/objects", "cmd/reos/bench"},
		"github.com/qdrant/go-client":              {"store/qdrant", "store/embedded", "cmd/reos/isolation"}, // embedded serves its interfaces
		"github.com/pressly/goose/v3":              {"store/postgres"},
		"github.com/sethvargo/go-envconfig":        {"cmd/reos"},
		"github.com/golang-jwt/jwt/v5":             {"api/auth"},
		"github.com/MicahParks/keyfunc/v3":         {"api/auth"},
	}
	for folder, names := range imports(t) {
		for _, name := range names {
			for driver, allowed := range homes {
				if name == driver || strings.HasPrefix(name, driver+"/") {
					require.Truef(t, slices.Contains(allowed, folder), "%s imports %s, whose home is %v", folder, name, allowed)
				}
			}
		}
	}
}

// Imports run one way: cmd → api, workers/<stage> → workers, store, events.
func TestImportsRunOneWay(t *testing.T) {
	for folder, names := range imports(t) {
		for _, name := range names {
			target, ours := strings.CutPrefix(name, module)
			if ours {
				require.Truef(t, mayImport(folder, target), "%s must not import %s", folder, target)
			}
		}
	}
}

func mayImport(folder, target string) bool {
	adapters := strings.HasPrefix(target, "store/") || target == "events/rabbitmq" || target == "events/pgqueue"
	switch {
	case strings.HasPrefix(folder, "cmd/"):
		return true
	case folder == "api":
		return target == "store" || target == "events" || target == "events/feed" || target == "api/auth"
	case folder == "api/console":
		return target == "api" || target == "api/auth" || target == "store" || target == "events"
	case folder == "workers", folder == "store":
		return !adapters && (target == "store" || target == "events")
	case strings.HasPrefix(folder, "workers/"): // no adapter, no sibling
		return target == "workers" || target == "store" || target == "events"
	case folder == "events":
		return false
	case strings.HasPrefix(folder, "events/"):
		return strings.HasPrefix(target, "events")
	case folder == "store/postgres":
		return target == "store" || target == "events" || target == "migrations"
	case folder == "store/postgrestest":
		return target == "store/postgres" || target == "migrations" || target == "store"
	case strings.HasPrefix(folder, "store/"):
		return target == "store" || target == "events"
	}
	return false
}
