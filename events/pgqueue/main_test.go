package pgqueue_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(childDatabase) != "" {
		os.Exit(runChild())
	}
	ctx := context.Background()
	if err := cluster.open(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "pgqueue:", err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := cluster.close(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "pgqueue:", err)
			code = max(code, 1)
		}
		os.Exit(code)
	}))
}
