package main

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	refusalTime = 10 * time.Second
	silenceTime = 12 * time.Second // longer than a call to a store may take
	alarmTime   = 8 * time.Second
)

// fault is something that happens to an installation. do returns when it is over; turn tells the ways apart in which
// it can happen.
type fault struct {
	name string
	do   func(c *chaos, turn int)
}

// faults are what every round brings, in the seed's order. Workers are killed beside all of them, and duplicates and
// late events come at any time: see stream.
var faults = []fault{
	{"RabbitMQ restarts", func(c *chaos, turn int) { c.restart("rabbitmq", turn) }},
	{"Postgres restarts", func(c *chaos, turn int) { c.restart("postgres", turn) }},
	{"S3 is unreachable", func(c *chaos, turn int) { c.cut(c.servers.s3, "s3", turn) }},
	{"Qdrant is unreachable", func(c *chaos, turn int) { c.cut(c.servers.qdrant, "qdrant", turn+1) }},
	{"RabbitMQ is low on memory", func(c *chaos, _ int) { c.raiseMemoryAlarm() }},
	{"Postgres is read-only", func(c *chaos, _ int) { c.makeReadOnly() }},
	{"a worker gets SIGTERM", func(c *chaos, _ int) { c.terminateWorker() }},
}

// restart restarts a service, gracefully or by SIGKILL.
func (c *chaos) restart(service string, turn int) {
	c.t.Helper()
	if turn%2 == 0 {
		c.note("%s is stopped and started", service)
		c.servers.services("restart", service)
		return
	}
	c.note("%s is killed and started", service)
	c.servers.services("kill", service)
	c.servers.services("start", service)
}

// cut makes a server unreachable: it refuses connections, or is silent.
func (c *chaos) cut(server *wire, check string, turn int) {
	c.t.Helper()
	lasts := refusalTime
	if turn%2 == 0 {
		c.note("%s refuses connections", check)
		server.refuse()
	} else {
		lasts = silenceTime
		c.note("%s is silent", check)
		server.silence()
	}
	c.outage(lasts, check)
	server.restore()
}

// outage waits for the end of an outage. In the meantime some worker must say that it waits for this dependency.
func (c *chaos) outage(lasts time.Duration, check string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), lasts)
	defer cancel()
	require.NoError(c.t, c.crew.awaitNotReady(ctx, check))
	<-ctx.Done()
}

func (c *chaos) raiseMemoryAlarm() {
	c.t.Helper()
	c.servers.rabbit("set_vm_memory_high_watermark", "0.00001")
	c.outage(alarmTime, "low on memory")
	c.servers.rabbit("set_vm_memory_high_watermark", "absolute", "2GB")
}

// makeReadOnly is what a fail-over to a standby looks like.
func (c *chaos) makeReadOnly() {
	c.t.Helper()
	admin := c.servers.direct.admin.String()
	c.world.exec(admin, "ALTER SYSTEM SET default_transaction_read_only = on")
	c.world.exec(admin, "SELECT pg_reload_conf()")
	c.outage(alarmTime, "read-only")
	c.world.exec(admin, "ALTER SYSTEM RESET default_transaction_read_only")
	c.world.exec(admin, "SELECT pg_reload_conf()")
}

func (c *chaos) terminateWorker() {
	c.t.Helper()
	m := c.crew.members[c.rng.IntN(len(c.crew.members))]
	c.note("reos worker %v gets SIGTERM", m.stages)
	require.NoError(c.t, c.crew.terminate(m))
}
