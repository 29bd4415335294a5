package api

import (
	"errors"
	"io"

	"github.com/codybias9/real-estate-os/events/feed"
)

// streamed is a body that is read while it comes. The error that ended it is kept apart from those of whoever reads what
// is in it.
type streamed struct {
	io.Reader
	err error // of the body; nil at its proper end
}

// Read implements io.Reader.
func (s *streamed) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// Bounds of what a compressed body may become. Records are text: they shrink to a tenth, hardly ever to a hundredth.
const (
	maxExpansion  = 200
	freeExpansion = 64 << 20 // whatever the ratio
)

var errExpands = errors.New("the gzip stream expands more than records do")

// guarded is a feed's text that ends with errExpands where a small body becomes a very large text.
type guarded struct {
	file *feed.File
	text int64
}

// Read implements io.Reader.
func (g *guarded) Read(p []byte) (int, error) {
	n, err := g.file.Read(p)
	g.text += int64(n)
	if g.text > freeExpansion+maxExpansion*g.file.BytesRead() {
		return 0, errExpands
	}
	return n, err
}
