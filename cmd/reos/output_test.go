package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// listed are the files in a directory.
func listed(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func TestTwoExportsToOneFileDoNotTreadOnEachOther(t *testing.T) {
	for name, write := range map[string]func(string, io.Writer, func(io.Writer) error) error{"new": writeNew, "over": writeOver} {
		dir := t.TempDir()
		target := filepath.Join(dir, "out")
		err := write(target, nil, func(first io.Writer) error {
			fmt.Fprint(first, "the fi")
			require.NoFileExists(t, target, "not before it is whole")
			require.NoError(t, write(target, nil, func(second io.Writer) error {
				_, err := fmt.Fprint(second, "the second")
				return err
			}))
			content, err := os.ReadFile(target)
			require.NoError(t, err)
			require.Equal(t, "the second", string(content))
			_, err = fmt.Fprint(first, "rst")
			return err
		})
		content, readErr := os.ReadFile(target)
		require.NoError(t, readErr)
		if name == "new" {
			require.ErrorContains(t, err, "exists already")
			require.Equal(t, "the second", string(content))
		} else {
			require.NoError(t, err)
			require.Equal(t, "the first", string(content))
		}
		require.Equal(t, []string{"out"}, listed(t, dir), "nothing is left beside it")
		info, err := os.Stat(target)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
}

func TestAnExportThatFailsLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "out")
	require.NoError(t, os.WriteFile(target, []byte("older"), 0o600))
	broken := errors.New("broken")
	require.ErrorIs(t, writeOver(target, nil, func(io.Writer) error { return broken }), broken)
	content, err := os.ReadFile(target)
	require.NoError(t, err)
	require.Equal(t, "older", string(content))
	require.ErrorContains(t, writeNew(target, nil, func(io.Writer) error { return nil }), "exists already")
	require.ErrorIs(t, writeNew(filepath.Join(dir, "new"), nil, func(io.Writer) error { return broken }), broken)
	require.Equal(t, []string{"out"}, listed(t, dir))
}

func TestWhatIsNoRegularFileIsWrittenToAndALinkStays(t *testing.T) {
	hello := func(w io.Writer) error { _, err := fmt.Fprint(w, "hello"); return err }
	require.NoError(t, writeOver(os.DevNull, nil, hello))
	info, err := os.Stat(os.DevNull)
	require.NoError(t, err)
	require.False(t, info.Mode().IsRegular())

	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	require.NoError(t, os.WriteFile(target, nil, 0o600))
	require.NoError(t, os.Symlink(target, link))
	require.NoError(t, writeOver(link, nil, hello))
	content, err := os.ReadFile(target)
	require.NoError(t, err)
	require.Equal(t, "hello", string(content))
	info, err = os.Lstat(link)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&os.ModeSymlink)
}
