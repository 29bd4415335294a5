package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/codybias9/real-estate-os/docs/feeds"
	"github.com/codybias9/real-estate-os/events/feed"
)

const mappingSuffix = ".yaml"

// mappings reads the mappings that have a name: those that reos ships with, and those of REOS_MAPPINGS, which come
// before them.
func (in *installation) mappings() (map[string]*feed.Mapping, error) {
	found := map[string]*feed.Mapping{}
	if err := readMappings(found, feeds.FS); err != nil {
		return nil, err
	}
	if in.config.Mappings == "" {
		return found, nil
	}
	if err := readMappings(found, os.DirFS(in.config.Mappings)); err != nil {
		return nil, environmentError{fmt.Errorf("read REOS_MAPPINGS: %w", err)}
	}
	return found, nil
}

func readMappings(into map[string]*feed.Mapping, from fs.FS) error {
	entries, err := fs.ReadDir(from, ".")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), mappingSuffix)
		if !ok || entry.IsDir() {
			continue
		}
		text, err := fs.ReadFile(from, entry.Name())
		if err != nil {
			return err
		}
		if into[name], err = feed.ParseMapping(entry.Name(), text); err != nil {
			return err
		}
	}
	return nil
}

// mapping finds a mapping: a file, or one that has a name.
func (in *installation) mapping(pathOrName string) (*feed.Mapping, error) {
	mapping, err := feed.LoadMapping(pathOrName)
	if !errors.Is(err, fs.ErrNotExist) || path.Base(pathOrName) != pathOrName {
		return mapping, err
	}
	named, listErr := in.mappings()
	if listErr != nil {
		return nil, listErr
	}
	if mapping, ok := named[strings.TrimSuffix(pathOrName, mappingSuffix)]; ok {
		return mapping, nil
	}
	return nil, fmt.Errorf("%w; mappings with a name are %s", err, strings.Join(slices.Sorted(maps.Keys(named)), ", "))
}
