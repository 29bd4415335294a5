package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// binariesGlobs is where packages put servers that they do not put on PATH.
var binariesGlobs = []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin"}

// downloadedBinaries is the folder in the home that holds a downloaded server.
const downloadedBinaries = "postgresql"

// findBinaries is the folder with the machine's newest initdb and postgres, or else with downloaded ones. A cluster that
// exists demands its own major version.
func findBinaries(ctx context.Context, c cluster) (string, error) {
	want, err := c.majorVersion()
	if err != nil {
		return "", err
	}
	downloaded := filepath.Join(c.home, downloadedBinaries, "bin")
	best, bestVersion := "", 0
	for _, bin := range append(installedBinaries(), downloaded) {
		version := binariesVersion(ctx, bin)
		if version > bestVersion && (want == 0 || version == want) {
			best, bestVersion = bin, version
		}
	}
	switch {
	case ctx.Err() != nil: // and no version could be asked for
		return "", context.Cause(ctx)
	case best != "":
		return best, nil
	case want != 0:
		return "", fmt.Errorf("the data in %s is PostgreSQL %d's, which is not installed", c.data, want)
	}
	if err := downloadBinaries(ctx, c); err != nil {
		return "", fmt.Errorf("PostgreSQL is not installed, and downloading it did not work: %w", err)
	}
	return downloaded, nil
}

func installedBinaries() []string {
	var bins []string
	for _, glob := range binariesGlobs {
		matches, _ := filepath.Glob(glob) // the patterns are well-formed
		bins = append(bins, matches...)
	}
	if initdb, err := exec.LookPath("initdb"); err == nil {
		// Often a link; the server is beside the file itself.
		if target, err := filepath.EvalSymlinks(initdb); err == nil {
			bins = append(bins, filepath.Dir(target))
		}
	}
	return bins
}

var versionPattern = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// binariesVersion is the major version of the server in bin, 0 if there is none that works.
func binariesVersion(ctx context.Context, bin string) int {
	if _, err := os.Stat(filepath.Join(bin, "initdb")); err != nil {
		return 0
	}
	output, err := exec.CommandContext(ctx, filepath.Join(bin, "postgres"), "--version").Output()
	if err != nil {
		return 0
	}
	match := versionPattern.FindSubmatch(output)
	if match == nil {
		return 0
	}
	version, _ := strconv.Atoi(string(match[1])) // digits; a number that overflows is no version
	return version
}

// majorVersion is that of the cluster, 0 if there is none.
func (c cluster) majorVersion() (int, error) {
	content, err := os.ReadFile(filepath.Join(c.data, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	version, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return 0, fmt.Errorf("read version of %s: %w", c.data, err)
	}
	return version, nil
}

// downloadBinaries fetches a server into the home. The library fetches as a part of starting a server, so it is made to
// start one on data that are thrown away; as root that last step fails, when the binaries are there already. They
// appear in their place complete or not at all. The download cannot be interrupted: it is left alone when ctx ends.
func downloadBinaries(ctx context.Context, c cluster) error {
	scratch, err := os.MkdirTemp(c.home, "download-")
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- fetchBinaries(c, scratch) }()
	select {
	case err := <-done:
		return errors.Join(err, os.RemoveAll(scratch))
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func fetchBinaries(c cluster, scratch string) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	fetched := filepath.Join(scratch, downloadedBinaries)
	server := embeddedpostgres.NewDatabase(embeddedpostgres.DefaultConfig().
		Version(embeddedpostgres.V17).
		Port(uint32(port)).
		CachePath(filepath.Join(scratch, "archive")).
		BinariesPath(fetched).
		RuntimePath(filepath.Join(scratch, "run")).
		Logger(c.log))
	startErr := server.Start()
	if startErr == nil {
		startErr = server.Stop()
	}
	if binariesVersion(context.Background(), filepath.Join(fetched, "bin")) == 0 {
		return startErr
	}
	// What the archive says of owners and other users is not to be relied on.
	if err := os.Chmod(fetched, 0o755); err != nil {
		return err
	}
	return os.Rename(fetched, filepath.Join(c.home, downloadedBinaries))
}
