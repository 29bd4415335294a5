package tenancy

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/codybias9/real-estate-os/store"
)

// Member is a file in an export.
type Member struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // of its content, in hexadecimal
	Rows   int    `json:"rows,omitempty"`
}

// Manifest says what an export holds. It is the export's last file: one without it is not whole.
type Manifest struct {
	Tenant     store.Tenant          `json:"tenant"`
	ExportedAt time.Time             `json:"exported_at"`
	ExportedBy string                `json:"exported_by"`
	Tables     []store.ExportedTable `json:"tables"`
	Rows       map[string]int        `json:"rows"` // by table
	Objects    int                   `json:"objects"`
	Members    []Member              `json:"members"` // all others, in their order
}

const (
	manifestName = "manifest.json"
	// chunkBytes is how much of a table is one file: a tar archive says a file's size before its content.
	chunkBytes = 4 << 20
)

// file is a tar archive, compressed, that is written front to back. Of its content it keeps nothing but the manifest, and
// one chunk of a table.
type file struct {
	gzip     *gzip.Writer
	tar      *tar.Writer
	manifest Manifest

	table string
	part  int
	rows  int // in chunk
	chunk bytes.Buffer
}

func newFile(w io.Writer, manifest Manifest) (*file, error) {
	compressed, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	manifest.Rows = map[string]int{}
	return &file{gzip: compressed, tar: tar.NewWriter(compressed), manifest: manifest}, nil
}

// begin starts a table's files.
func (f *file) begin(table store.ExportedTable) error {
	if err := f.flush(); err != nil {
		return err
	}
	f.table, f.part = table.Name, 0
	f.manifest.Tables = append(f.manifest.Tables, table)
	f.manifest.Rows[table.Name] = 0
	return nil
}

func (f *file) row(line []byte) error {
	f.chunk.Write(line)
	f.chunk.WriteByte('\n')
	f.rows++
	f.manifest.Rows[f.table]++
	if f.chunk.Len() < chunkBytes {
		return nil
	}
	return f.flush()
}

// flush writes what there is of a table as a file.
func (f *file) flush() error {
	if f.rows == 0 {
		return nil
	}
	f.part++
	name := fmt.Sprintf("tables/%s/%05d.ndjson", f.table, f.part)
	err := f.add(name, int64(f.chunk.Len()), f.rows, &f.chunk)
	f.chunk.Reset()
	f.rows = 0
	return err
}

// object writes an object. Its size must be the one that it was listed with.
func (f *file) object(object store.ObjectInfo, body io.Reader) error {
	f.manifest.Objects++
	return f.add("objects/"+object.Key, object.Bytes, 0, body)
}

func (f *file) add(name string, size int64, rows int, body io.Reader) error {
	header := &tar.Header{Name: name, Mode: 0o600, Size: size, ModTime: f.manifest.ExportedAt, Format: tar.FormatPAX}
	if err := f.tar.WriteHeader(header); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	digest := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(f.tar, digest), body, size); err != nil {
		return fmt.Errorf("write %s, of %d bytes: %w", name, size, err)
	}
	f.manifest.Members = append(f.manifest.Members, Member{Name: name, Bytes: size, Rows: rows, SHA256: hex.EncodeToString(digest.Sum(nil))})
	return nil
}

// close writes the manifest and ends the archive.
func (f *file) close() (Manifest, error) {
	if err := f.flush(); err != nil {
		return f.manifest, err
	}
	encoded, err := json.MarshalIndent(f.manifest, "", "  ")
	if err != nil {
		return f.manifest, err
	}
	err = f.tar.WriteHeader(&tar.Header{Name: manifestName, Mode: 0o600, Size: int64(len(encoded)), ModTime: f.manifest.ExportedAt, Format: tar.FormatPAX})
	if err != nil {
		return f.manifest, fmt.Errorf("write %s: %w", manifestName, err)
	}
	if _, err := f.tar.Write(encoded); err != nil {
		return f.manifest, fmt.Errorf("write %s: %w", manifestName, err)
	}
	if err := f.tar.Close(); err != nil {
		return f.manifest, fmt.Errorf("end the archive: %w", err)
	}
	if err := f.gzip.Close(); err != nil {
		return f.manifest, fmt.Errorf("end the archive: %w", err)
	}
	return f.manifest, nil
}
