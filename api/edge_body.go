package api

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// body is a request's body. Its errors are the client's: see bodyError.
type body struct {
	io.ReadCloser
	connection *http.ResponseController
	patience   time.Duration // of each read; 0 = the deadline of the whole stays
}

// withBody is a request with its body wrapped.
//
// Go's server cancels the request's context when the deadline to read passes, although everything has been read and the
// operation has only begun. So the deadline goes when there is nothing left to read.
//
// It is a copy, since the server looks at its own request's body to see whether it was read to its end. With another
// body there it would take what is left for the next request on the connection: whoever may choose a body could so
// smuggle a request past a proxy.
func withBody(w http.ResponseWriter, r *http.Request, patience time.Duration) *http.Request {
	wrapped := r.WithContext(r.Context())
	connection := http.NewResponseController(w)
	if r.Body == nil || r.Body == http.NoBody {
		_ = connection.SetReadDeadline(time.Time{}) // not every writer of a test has one
		wrapped.Body = http.NoBody
	} else {
		wrapped.Body = &body{ReadCloser: r.Body, connection: connection, patience: patience}
	}
	return wrapped
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.patience > 0 {
		_ = b.connection.SetReadDeadline(time.Now().Add(b.patience))
	}
	n, err := b.ReadCloser.Read(p)
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		_ = b.connection.SetReadDeadline(time.Time{})
	default:
		err = &bodyError{err}
	}
	return n, err
}

// bodyError says that a body did not arrive in time, was cut off, or is not what its transfer encoding says. It reads as
// a timeout to whoever asks (net.Error): so it becomes 408, and not a bug of ours.
type bodyError struct{ error }

func (e *bodyError) Unwrap() error { return e.error }
func (*bodyError) Timeout() bool   { return true }
func (*bodyError) Temporary() bool { return true }

const bodyDetail = "the body did not arrive in time, or was cut off"
