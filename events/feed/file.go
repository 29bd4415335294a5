package feed

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
)

// readAhead is how much is read from a file at once.
const readAhead = 64 << 10

// File reads a feed's text, gunzipped where it is gzip, and knows how far it has come. Read and Close are for one
// goroutine at a time; BytesRead and Size for any.
type File struct {
	text   io.Reader
	source *counter
	closer io.Closer // nil where the file is not ours
	size   int64
}

// Open opens a file. Gzip is recognised by its first bytes, whatever the name.
func Open(path string) (*File, error) {
	source, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := source.Stat()
	if err == nil && info.IsDir() {
		err = &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("it is a directory")}
	}
	if err != nil {
		return nil, closeAfter(source, err)
	}
	size := int64(-1)
	if info.Mode().IsRegular() {
		size = info.Size()
	}
	file, err := NewFile(source, size)
	if err != nil {
		return nil, closeAfter(source, fmt.Errorf("read %s: %w", path, err))
	}
	file.closer = source
	return file, nil
}

// closeAfter closes a file that was only read: its own error adds nothing to err.
func closeAfter(file *os.File, err error) error {
	_ = file.Close()
	return err
}

// NewFile reads from r as Open does from a file. size is r's, compressed as it is; -1 = unknown. Close leaves r open.
func NewFile(r io.Reader, size int64) (*File, error) {
	source := &counter{r: r}
	buffered := bufio.NewReaderSize(source, readAhead)
	file := &File{text: buffered, source: source, size: size}
	if magic, _ := buffered.Peek(2); !bytes.Equal(magic, []byte{0x1f, 0x8b}) { // Read will tell of an error again
		return file, nil
	}
	unzipped, err := gzip.NewReader(buffered)
	if err != nil {
		return nil, fmt.Errorf("open gzip: %w", err)
	}
	file.text = unzipped
	return file, nil
}

// Read implements io.Reader. A truncated gzip stream ends with io.ErrUnexpectedEOF, never with io.EOF.
func (f *File) Read(p []byte) (int, error) { return f.text.Read(p) }

// Close closes what Open opened.
func (f *File) Close() error {
	if f.closer == nil {
		return nil
	}
	return f.closer.Close()
}

// Size is the file's length as it lies, compressed or not; -1 where it is not known.
func (f *File) Size() int64 { return f.size }

// BytesRead is how much of Size has been read.
func (f *File) BytesRead() int64 { return f.source.n.Load() }

// counter counts the bytes that were read through it.
type counter struct {
	r io.Reader
	n atomic.Int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

var byteOrderMark = []byte("\ufeff")

// newText buffers r and skips the byte order mark that some systems begin UTF-8 text with. An error that Peek meets
// is met again by whoever reads on.
func newText(r io.Reader) *bufio.Reader {
	text := bufio.NewReaderSize(r, readAhead)
	if first, _ := text.Peek(len(byteOrderMark)); bytes.Equal(first, byteOrderMark) {
		_, _ = text.Discard(len(byteOrderMark)) // it was just peeked at
	}
	return text
}
