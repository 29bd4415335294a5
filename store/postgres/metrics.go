package postgres

import (
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

// poolMetrics shows a connection pool as pgxpool counts it. A pool is short of connections when callers wait: the wait
// grows by one second per second for every caller that stands in line.
type poolMetrics struct {
	pool                                 *pgxpool.Pool
	max, acquired, idle                  *prometheus.Desc
	acquires, waits, cancels, waitedTime *prometheus.Desc
}

// Collector exports the pool's state. Register it once per DB.
func (db *DB) Collector() prometheus.Collector {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("reos_postgres_pool_"+name, help, nil, nil)
	}
	return &poolMetrics{
		pool:       db.pool,
		max:        desc("max_connections", "Connections that the pool may open."),
		acquired:   desc("acquired_connections", "Connections in use."),
		idle:       desc("idle_connections", "Connections open and free."),
		acquires:   desc("acquires_total", "Connections handed out."),
		waits:      desc("waits_total", "Connections that a caller had to wait for."),
		cancels:    desc("cancelled_waits_total", "Callers that gave up waiting for a connection."),
		waitedTime: desc("wait_seconds_total", "Time that callers waited for a connection, all together."),
	}
}

// Describe implements prometheus.Collector.
func (m *poolMetrics) Describe(descs chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, descs) }

// Collect implements prometheus.Collector.
func (m *poolMetrics) Collect(metrics chan<- prometheus.Metric) {
	stat := m.pool.Stat()
	send := func(desc *prometheus.Desc, kind prometheus.ValueType, value float64) {
		metrics <- prometheus.MustNewConstMetric(desc, kind, value)
	}
	send(m.max, prometheus.GaugeValue, float64(stat.MaxConns()))
	send(m.acquired, prometheus.GaugeValue, float64(stat.AcquiredConns()))
	send(m.idle, prometheus.GaugeValue, float64(stat.IdleConns()))
	send(m.acquires, prometheus.CounterValue, float64(stat.AcquireCount()))
	send(m.waits, prometheus.CounterValue, float64(stat.EmptyAcquireCount()))
	send(m.cancels, prometheus.CounterValue, float64(stat.CanceledAcquireCount()))
	send(m.waitedTime, prometheus.CounterValue, stat.EmptyAcquireWaitTime().Seconds())
}
