package main

import (
	"context"
	"net"
	"os"
	"runtime/debug"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

const (
	beatEvery = 5 * time.Second
	// silentAfter is how long a process may say nothing before it counts as gone: it may miss two beats.
	silentAfter = 3*beatEvery + 2*time.Second
)

// introduce makes this process' entry. Addresses that listen on every interface are advertised under REOS_HOST, else the
// system's name: a pod's is known to nobody else, so that there REOS_HOST is its address.
func (in *installation) introduce(kind string, stages []events.Stage, admin, api string) store.Process {
	host := in.config.Host
	if host == "" {
		var err error
		if host, err = os.Hostname(); err != nil {
			host = "localhost"
		}
	}
	return store.Process{
		ID: uuid.New(), Kind: kind, Stages: append([]events.Stage{}, stages...), Host: host, PID: os.Getpid(),
		Version: buildVersion(), AdminURL: advertised(admin, host), APIURL: advertised(api, host),
	}
}

// advertised is a listener's address as others reach it; empty for an empty one.
func advertised(address, host string) string {
	name, port, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	if ip := net.ParseIP(name); name == "" || ip != nil && ip.IsUnspecified() {
		name = host
	}
	return "http://" + net.JoinHostPort(name, port)
}

// beat says that the process lives until ctx ends, and takes its entry back then. That Postgres is away is no reason to
// end: readiness tells of that.
func (in *installation) beat(ctx context.Context, process store.Process) {
	platform := in.db.Platform()
	ticker := time.NewTicker(beatEvery)
	defer ticker.Stop()
	for {
		if err := platform.Beat(ctx, process); err != nil && ctx.Err() == nil {
			in.log.Warn().Err(err).Msg("no heartbeat")
		}
		select {
		case <-ticker.C:
			continue
		case <-ctx.Done():
		}
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), beatEvery)
		defer cancel()
		if err := platform.Forget(last, process.ID); err != nil {
			in.log.Warn().Err(err).Msg("the process' entry stays behind")
		}
		return
	}
}

// startBeating beats until the teardown.
func (in *installation) startBeating(process store.Process) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		in.beat(ctx, process)
	}()
	in.teardown.add("heartbeat", func(context.Context) error {
		stop()
		<-done
		return nil
	})
}

// buildVersion is the module's version, or the commit that it was built from.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	version, modified := info.Main.Version, ""
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "vcs.revision" && (version == "" || version == "(devel)"):
			version = setting.Value[:min(12, len(setting.Value))]
		case setting.Key == "vcs.modified" && setting.Value == "true":
			modified = "+changes"
		}
	}
	if version == "" || version == "(devel)" {
		return "unknown"
	}
	return version + modified
}
