//go:build !linux

package embedded

import (
	"context"
	"syscall"
)

// processAttributes cannot tie a child to this process here: after a kill, the server runs on until it is stopped by
// hand or by the next start's complaint.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// stopLeftovers leaves it to the server's own check, which refuses to start beside another one.
func stopLeftovers(context.Context, string) error { return nil }
