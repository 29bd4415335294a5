package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store/qdrant"
)

// worker is a process that runs all stages.
type worker struct {
	*process
	admin string // URL of its admin endpoints
}

// allStages stands for every stage.
const allStages events.Stage = "all"

// startWorker starts stages in one process and waits until it is ready.
func (w *world) startWorker(ctx context.Context, stages ...events.Stage) (*worker, error) {
	args := []string{"worker"}
	for _, stage := range stages {
		args = append(args, string(stage))
	}
	child, err := startProcess("reos "+strings.Join(args, " "), w.options.Binary, w.env, args...)
	if err != nil {
		return nil, err
	}
	started := &worker{process: child}
	started.admin, err = child.await(ctx, func(line string) string {
		var said struct{ Admin string }
		_ = json.Unmarshal([]byte(line), &said) // a line of another kind says no address
		return said.Admin
	})
	if err == nil {
		err = started.awaitReady(ctx)
	}
	if err != nil {
		_ = child.stop()
		return nil, err
	}
	return started, nil
}

const readyEvery = 20 * time.Millisecond

func (p *worker) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	ticker := time.NewTicker(readyEvery)
	defer ticker.Stop()
	for {
		response, err := http.Get(p.admin + "/readyz")
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return p.failure("does not get ready")
		}
	}
}

// profile writes a CPU profile of the next d to a file.
func (p *worker) profile(ctx context.Context, d time.Duration, path string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet,
		fmt.Sprintf("%s/debug/pprof/profile?seconds=%d", p.admin, int(d.Seconds())), nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("take a CPU profile: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("take a CPU profile: %s", response.Status)
	}
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("take a CPU profile: %w", err)
	}
	return os.WriteFile(path, content, 0o644)
}

// makeVectors starts the embedded vector store as a process of its own where no server is named: its CPU time and its
// memory are then not the worker's.
func (w *world) makeVectors(ctx context.Context, id string) error {
	w.options.Qdrant.Collection = "bench_" + id
	if w.options.Qdrant.URL != "" {
		w.onClose(func(ctx context.Context) error { return removeCollection(ctx, w.options.Qdrant) })
		return nil
	}
	child, err := startProcess("vector store", w.options.Binary, os.Environ(), "bench", "vectors")
	if err != nil {
		return err
	}
	w.onClose(func(context.Context) error { return child.stop() })
	w.options.Qdrant.URL, err = child.await(ctx, func(line string) string {
		var said struct{ URL string }
		_ = json.Unmarshal([]byte(line), &said)
		return said.URL
	})
	return err
}

func removeCollection(ctx context.Context, config qdrant.Config) error {
	client, err := qdrant.Open(ctx, config)
	if err != nil {
		return err
	}
	defer client.Close()
	return client.Remove(ctx)
}
