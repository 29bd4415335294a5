package rabbitmq

import "github.com/prometheus/client_golang/prometheus"

// brokerMetrics shows whether messages can flow: over each connection, and past the broker's alarms.
type brokerMetrics struct {
	transport          *Transport
	connected, blocked *prometheus.Desc
}

// Collector exports the state of the connections to the broker. Register it once per Transport.
func (t *Transport) Collector() prometheus.Collector {
	return &brokerMetrics{
		transport: t,
		connected: prometheus.NewDesc("reos_broker_connected", "1 while there is a connection to the broker, by what it is for.",
			[]string{"connection"}, nil),
		blocked: prometheus.NewDesc("reos_broker_blocked", "1 while the broker takes no messages: an alarm of memory or disk.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (m *brokerMetrics) Describe(descs chan<- *prometheus.Desc) {
	descs <- m.connected
	descs <- m.blocked
}

// Collect implements prometheus.Collector.
func (m *brokerMetrics) Collect(metrics chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, on bool, labels ...string) {
		value := 0.0
		if on {
			value = 1
		}
		metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	for _, l := range []*link{m.transport.publish, m.transport.consume} {
		conn, _, _ := l.state()
		gauge(m.connected, conn != nil, l.purpose)
		if l == m.transport.publish {
			reason := ""
			if conn != nil {
				reason, _ = conn.blocked()
			}
			gauge(m.blocked, reason != "")
		}
	}
}
