package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// teardown is a stack of named closes: last opened, first closed. Each resource registers its own where it is made.
type teardown struct {
	steps []step
}

type step struct {
	name  string
	close func(context.Context) error
}

// closeBudget bounds one close.
const closeBudget = 20 * time.Second

func (t *teardown) add(name string, close func(context.Context) error) {
	t.steps = append(t.steps, step{name, close})
}

// run closes everything, whatever fails, and joins the errors. A second call does nothing.
func (t *teardown) run() error {
	var errs []error
	for len(t.steps) > 0 {
		last := t.steps[len(t.steps)-1]
		t.steps = t.steps[:len(t.steps)-1]
		ctx, cancel := context.WithTimeout(context.Background(), closeBudget)
		if err := last.close(ctx); err != nil {
			errs = append(errs, fmt.Errorf("close %s: %w", last.name, err))
		}
		cancel()
	}
	return errors.Join(errs...)
}

// shutdown gives the two contexts of a program that drains.
//
// Invariant 8: the first SIGINT or SIGTERM ends intake; work goes on for at most budget. A second signal ends work.
func shutdown(parent context.Context, budget time.Duration) (intake, work context.Context, stop func()) {
	intake, endIntake := context.WithCancel(parent)
	work, endWork := context.WithCancel(context.WithoutCancel(parent))
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	var once sync.Once
	stopped := make(chan struct{})
	stop = func() {
		once.Do(func() {
			signal.Stop(signals)
			close(stopped)
			endIntake()
			endWork()
		})
	}
	go func() {
		select {
		case <-signals:
		case <-parent.Done():
		case <-stopped:
			return
		}
		endIntake()
		timer := time.NewTimer(budget)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-signals:
		case <-stopped:
		}
		endWork()
	}()
	return intake, work, stop
}
