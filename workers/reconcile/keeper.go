package reconcile

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// Leadership lets one process of many work.
type Leadership interface {
	// Lead runs work while no other process leads, and returns when work does; false at once when another one leads.
	// work's context ends when the leadership is lost.
	Lead(ctx context.Context, work func(context.Context)) (led bool, err error)
}

// Task is work that is done at intervals.
type Task struct {
	Name  string // for the log: "redrive"
	First time.Duration
	Every time.Duration
	Run   func(context.Context) error
	// Retire, where there is one, takes back what was shown when this process no longer leads.
	Retire func()
}

// Keeper runs tasks in one process of all that share a database: whichever leads.
type Keeper struct {
	leadership Leadership
	tasks      []Task
	every      time.Duration
	log        zerolog.Logger
}

// NewKeeper makes the keeper of a Redriver, a Reconciler and further tasks; Run starts it. The first comparison comes a tenth of the
// interval after a process has become the leader, so that one that keeps ending still compares, and one that starts
// has other things to do.
func NewKeeper(leadership Leadership, redriver *Redriver, reconciler *Reconciler, config Config, metrics *Metrics, log zerolog.Logger, more ...Task) *Keeper {
	tasks := append([]Task{{Name: "redrive", Every: config.RedriveInterval, Run: redriver.Run}}, more...)
	if config.Interval > 0 {
		tasks = append(tasks, Task{
			Name: "reconcile", First: config.Interval / 10, Every: config.Interval,
			Run: func(ctx context.Context) error { return reconciler.watch(ctx, metrics) }, Retire: metrics.retire,
		})
	}
	return &Keeper{leadership: leadership, tasks: tasks, every: config.RedriveInterval, log: log}
}

// Run leads whenever no other process does, until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	failed := false
	for ctx.Err() == nil {
		_, err := k.leadership.Lead(ctx, k.work)
		if err != nil && ctx.Err() == nil && !failed {
			k.log.Warn().Err(err).Msg("not leading")
		}
		failed = err != nil
		wait(ctx, k.every)
	}
}

// work runs the tasks until ctx ends.
func (k *Keeper) work(ctx context.Context) {
	k.log.Debug().Msg("leading")
	var group sync.WaitGroup
	for _, task := range k.tasks {
		group.Go(func() { k.repeat(ctx, task) })
	}
	group.Wait()
	for _, task := range k.tasks {
		if task.Retire != nil {
			task.Retire()
		}
	}
}

// repeat runs a task at its intervals. A run that fails is logged; the next one may go better.
func (k *Keeper) repeat(ctx context.Context, task Task) {
	wait(ctx, task.First)
	for ctx.Err() == nil {
		if err := task.Run(ctx); err != nil && ctx.Err() == nil {
			k.log.Warn().Err(err).Str("task", task.Name).Msg("not done")
		}
		wait(ctx, task.Every)
	}
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
