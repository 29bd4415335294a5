package objects

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// source reads a caller's body, remembers how that failed (the library wraps it beyond recognition), and makes sure of
// its size: a body that ends early or goes on after its last byte would otherwise be stored as something else.
type source struct {
	reader io.Reader
	sized  bool
	left   int64 // bytes still to come, if sized
	err    error // what the body failed with; io.EOF is no failure
	done   bool
}

func (s *source) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if s.done {
		return 0, io.EOF
	}
	if s.sized {
		return s.readSized(p)
	}
	n, err := s.reader.Read(p)
	return n, s.note(err)
}

func (s *source) readSized(p []byte) (int, error) {
	if s.left == 0 {
		return 0, s.note(s.expectEnd())
	}
	n, err := s.reader.Read(p[:min(int64(len(p)), s.left)])
	s.left -= int64(n)
	if s.left == 0 && (err == nil || errors.Is(err, io.EOF)) {
		// Looked for here and not at the next read: whoever has got all the bytes may not read again.
		if err := s.expectEnd(); !errors.Is(err, io.EOF) {
			return n, s.note(err)
		}
		s.done = true
		return n, nil
	}
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %d bytes are missing", io.ErrUnexpectedEOF, s.left)
	}
	return n, s.note(err)
}

// expectEnd is io.EOF if the body has no more bytes.
func (s *source) expectEnd() error {
	var extra [1]byte
	n, err := io.ReadFull(s.reader, extra[:])
	if n > 0 {
		return errors.New("more bytes than announced")
	}
	return err
}

func (s *source) note(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		s.done = true
	case err != nil:
		s.err = err
	}
	return err
}

// ended reports whether all of the body has been read; it may read ahead no further than the end.
func (s *source) ended() bool { return s.done }

// joined is head followed by rest. Unlike io.MultiReader's value it offers nothing but Read, so that the library has no
// cause to seek in it or to read it in parallel.
type joined struct {
	head []byte
	rest io.Reader
}

func (j *joined) Read(p []byte) (int, error) {
	if len(j.head) > 0 {
		n := copy(p, j.head)
		j.head = j.head[n:]
		return n, nil
	}
	return j.rest.Read(p)
}

// content is an object's body whose errors are classified.
type content struct {
	ctx  context.Context // the one that bounds the body: it belongs to this request alone
	body io.ReadCloser
}

func (c *content) Read(p []byte) (int, error) {
	n, err := c.body.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("read object: %w", classify(c.ctx, err))
	}
	return n, err
}

func (c *content) Close() error { return c.body.Close() }
