package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/johannesboyne/gofakes3"
)

const (
	s3Bucket    = "reos"
	s3Region    = "us-east-1"
	s3AccessKey = "reos"
	// s3DrainTimeout is what requests in flight get when the server closes.
	s3DrainTimeout = 5 * time.Second
)

// S3 is an S3 server in this process. What it has answered with success is on the disk.
//
// It holds what is being written in memory, an upload in parts until its end, and so refuses objects above MaxObjectBytes:
// it is meant for one machine.
type S3 struct {
	url     string
	server  *http.Server
	objects *s3Objects
	served  chan struct{} // closed when the accept loop has ended
	close   func() error
}

// StartS3 serves the objects in dir, which it creates, with an empty bucket `reos` at first. It listens on a free
// loopback port, another one at each start; the keys are generated at the first. A directory that is served already is
// an error.
func StartS3(dir string) (*S3, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("start embedded S3: %w", err)
	}
	objects, err := openS3Objects(filepath.Join(dir, "objects.bolt"))
	if err != nil {
		return nil, fmt.Errorf("start embedded S3: %w", err)
	}
	s := &S3{objects: objects, served: make(chan struct{})}
	s.close = sync.OnceValue(s.shutdown)
	if err := s.serve(filepath.Join(dir, "secret")); err != nil {
		return nil, fmt.Errorf("start embedded S3: %w", errors.Join(err, objects.close()))
	}
	return s, nil
}

func (s *S3) serve(secretPath string) error {
	secret, err := keptSecret(secretPath)
	if err != nil {
		return err
	}
	if err := s.objects.ensureBucket(s3Bucket); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.url = (&url.URL{
		Scheme:   "http",
		User:     url.UserPassword(s3AccessKey, secret),
		Host:     listener.Addr().String(),
		Path:     "/" + s3Bucket,
		RawQuery: url.Values{"region": {s3Region}}.Encode(),
	}).String()
	s.server = &http.Server{
		Handler:           signedBy(s3AccessKey, secret, gofakes3.New(s.objects).Server()),
		ReadHeaderTimeout: 10 * time.Second,
		// Broken connections are the clients' to report.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	go func() {
		defer close(s.served)
		_ = s.server.Serve(listener) // it ends by shutdown only, and then says no more than that
	}()
	return nil
}

// URL is `http://ACCESS:SECRET@127.0.0.1:port/reos?region=us-east-1`. It holds the secret: do not log it.
func (s *S3) URL() string { return s.url }

// Close ends requests in flight within five seconds and closes the file. It is idempotent.
func (s *S3) Close() error { return s.close() }

func (s *S3) shutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), s3DrainTimeout)
	defer cancel()
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.server.Close())
	}
	<-s.served
	if err := errors.Join(err, s.objects.close()); err != nil {
		return fmt.Errorf("close embedded S3: %w", err)
	}
	return nil
}
