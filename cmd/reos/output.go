package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// writeNew has a file written that appears whole or not at all, and must not exist; or out where no file is named.
func writeNew(name string, out io.Writer, write func(io.Writer) error) error {
	if name == "" {
		return write(out)
	}
	if _, err := os.Lstat(name); err == nil {
		return badInput("%s exists already", name)
	}
	return writeWhole(name, write, func(partial string) error {
		err := os.Link(partial, name) // fails where somebody else was faster
		if errors.Is(err, fs.ErrExist) {
			return badInput("%s exists already: somebody else has written it meanwhile", name)
		}
		if err != nil { // not every file system has links
			return fileError(os.Rename(partial, name))
		}
		return fileError(os.Remove(partial))
	})
}

// writeOver has a file written that takes the place of an older one, whole or not at all; or out where no file is named.
// What is no regular file, such as a pipe, is written to as it is.
func writeOver(name string, out io.Writer, write func(io.Writer) error) error {
	if name == "" {
		return write(out)
	}
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target
	}
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		file, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return badInput("write %s: %w", name, err)
		}
		return errors.Join(write(file), fileError(file.Close()))
	}
	return writeWhole(name, write, func(partial string) error { return fileError(os.Rename(partial, name)) })
}

// writeWhole writes a file beside name, under a name of its own: several may write to the same at once. put brings it to its
// place. It is readable by its owner alone, for it holds what is the tenants'.
func writeWhole(name string, write func(io.Writer) error, put func(partial string) error) error {
	partial, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*.partial")
	if err != nil {
		return badInput("write %s: %w", name, err)
	}
	err = write(partial)
	if err == nil {
		err = fileError(partial.Sync())
	}
	err = errors.Join(err, fileError(partial.Close()))
	if err == nil {
		err = put(partial.Name())
	}
	if err != nil {
		return errors.Join(err, fileError(os.Remove(partial.Name())))
	}
	return nil
}

// fileError marks an error of a file as the machine's.
func fileError(err error) error {
	if err == nil {
		return nil
	}
	return environmentError{err}
}
