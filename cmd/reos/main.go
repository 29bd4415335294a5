// Command reos is the property-data pipeline of Real Estate OS: its workers, its operator's tools and a whole
// installation in one process.
//
// One file per verb. This package is the only place that reads the environment and wires adapters.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/codybias9/real-estate-os/store"
)

// Exit codes, the same for every verb.
const (
	exitOK          = 0
	exitBug         = 1 // ours: a report is welcome
	exitInput       = 2 // your input: arguments, files, names
	exitEnvironment = 3 // a service, a variable, the machine
)

// gcPercent has the garbage collector run less often than Go's 100: a batch is garbage as soon as it is acked. Measured on a
// deep backlog: 150 MiB resident at most, against 220 at 300, where the difference in speed was within the noise. GOGC overrides it.
const gcPercent = 150

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program; tests call it.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	root := newRoot(&console{in: in, out: out, err: errOut})
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	var silent *exitError
	if errors.As(err, &silent) {
		return silent.code
	}
	fmt.Fprintln(errOut, "reos:", oneLine(err))
	return exitCode(err)
}

// oneLine folds an error of several lines, as drivers write them, so that it can be read in a log.
func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}

// exitError ends the program with a code after the verb has said everything itself.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit %d", e.code) }

// inputError is an error in what the user gave.
type inputError struct{ error }

func (e inputError) Unwrap() error { return e.error }

// environmentError is an error in what the program stands on.
type environmentError struct{ error }

func (e environmentError) Unwrap() error { return e.error }

func badInput(format string, args ...any) error { return inputError{fmt.Errorf(format, args...)} }

func exitCode(err error) int {
	var input inputError
	var environment environmentError
	switch {
	case errors.As(err, &input), errors.Is(err, store.ErrTenantDeleted):
		return exitInput
	case errors.As(err, &environment), errors.Is(err, store.ErrUnavailable),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return exitEnvironment
	}
	return exitBug
}
