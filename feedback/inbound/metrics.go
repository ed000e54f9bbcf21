package inbound

import "github.com/prometheus/client_golang/prometheus"

// Metrics are what all ways home of a process count together.
type Metrics struct {
	listened, polled *prometheus.CounterVec
}

// NewMetrics are all at zero.
func NewMetrics() *Metrics {
	m := &Metrics{
		listened: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "facteur_inbound_mails_total", Help: "Mails and recipients that the inbound listener was offered, by what it answered."}, []string{"answer"}),
		polled:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "facteur_imap_mails_total", Help: "Mails read from the IMAP mailbox, by whether they meant something."}, []string{"known"}),
	}
	for _, answer := range []string{"taken", "no_report", "no_such_address", "later", "too_much", "too_fast", "too_many_connections"} {
		m.listened.WithLabelValues(answer) // shown from the start
	}
	m.polled.WithLabelValues("true")
	m.polled.WithLabelValues("false")
	return m
}

// Collectors are the metrics to register.
func (m *Metrics) Collectors() []prometheus.Collector {
	return []prometheus.Collector{m.listened, m.polled}
}
