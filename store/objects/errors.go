package objects

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/minio/minio-go/v7"

	"github.com/codybias9/real-estate-os/store"
)

// ErrCorrupt says that the bytes in the archive are not those that were put there.
var ErrCorrupt = errors.New("archive is corrupt")

// classify turns an error of the S3 library into what callers act on: store.ErrNotFound, store.ErrExists,
// store.ErrUnavailable, or none of them. ctx is the caller's, without the call's own timeout: when the caller has given up, the store is not to blame.
func classify(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var response minio.ErrorResponse
	if errors.As(err, &response) {
		switch {
		case response.Code == minio.NoSuchKey:
			return fmt.Errorf("%w: %w", store.ErrNotFound, err)
		case response.StatusCode == http.StatusConflict: // servers on file systems: a file where a directory should be
			return fmt.Errorf("%w: %w", store.ErrExists, err)
		case isBusy(response):
			return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
		}
		return err
	}
	if isNetwork(err) {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return err
}

// isBusy reports an answer that says nothing about the request: overload, a fault of the server, a proxy in between.
func isBusy(response minio.ErrorResponse) bool {
	switch response.Code {
	case "SlowDown", "SlowDownRead", "SlowDownWrite", "RequestTimeout", "ServiceUnavailable", "InternalError",
		"Throttling", "ThrottlingException", "RequestLimitExceeded", "RequestThrottled":
		return true
	case minio.NotImplemented: // a 501, and the request's own fault
		return false
	}
	return response.StatusCode >= http.StatusInternalServerError ||
		response.StatusCode == http.StatusTooManyRequests ||
		response.StatusCode == http.StatusRequestTimeout
}

// isNetwork reports that the server could not be reached, or was cut off. A wrong certificate or a scheme that the
// server does not speak is a configuration error: waiting does not mend it.
func isNetwork(err error) bool {
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) || errors.Is(err, http.ErrSchemeMismatch) {
		return false
	}
	var request *url.Error
	var network net.Error
	return errors.As(err, &request) || errors.As(err, &network) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.ErrUnexpectedEOF)
}
