package main

import (
	"context"
	"runtime"
	"time"

	"facteur/unsubscribe"
	"facteur/worker"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// measure registers what the parts of this process's roles count, and what is
// known of the process as a whole. docs/metrics.md has a line for each.
func (a *App) measure(queue *worker.Queue, optOut *unsubscribe.OptOut) {
	a.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	a.metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "facteur_build_info", Help: "Always 1; the labels say what runs.", ConstLabels: prometheus.Labels{"version": version, "go": runtime.Version()},
	}, func() float64 { return 1 }))
	a.metrics.MustRegister(newHealth(a))
	a.metrics.MustRegister(a.mishaps.Metrics()...)
	if a.worker != nil {
		a.metrics.MustRegister(a.worker.Metrics()...)
	}
	a.metrics.MustRegister(a.feedback.Metrics()...)
	a.metrics.MustRegister(a.herald.Metrics()...)
	if a.has(Inbound) {
		a.metrics.MustRegister(a.homeMetrics.Collectors()...)
	}
	if a.has(Scheduler) {
		a.metrics.MustRegister(a.scheduler.Metrics()...)
		a.metrics.MustRegister(queue.Metrics()...)
		a.metrics.MustRegister(a.teller.Metrics()...)
		a.metrics.MustRegister(a.ledger.Metrics()...)
	}
	if a.has(API) {
		a.metrics.MustRegister(a.importer.Metrics()...)
		a.metrics.MustRegister(a.greeter.Metrics()...)
		a.metrics.MustRegister(optOut.Metrics()...)
	}
}

// health asks what /readyz asks, when it is asked.
type health struct {
	app   *App
	ready *prometheus.Desc
	ping  *prometheus.Desc
	clock *prometheus.Desc
}

func newHealth(a *App) health {
	return health{
		app:   a,
		ready: prometheus.NewDesc("facteur_ready", "1 when this process can do its part, as /readyz says.", nil, nil),
		ping:  prometheus.NewDesc("facteur_database_ping_seconds", "How long the database took to answer; missing when it did not.", nil, nil),
		clock: prometheus.NewDesc("facteur_clock_steady", "1 when the clock is trusted; 0 when nothing is deleted, expired or given up.", nil, nil),
	}
}

func (h health) Describe(to chan<- *prometheus.Desc) {
	to <- h.ready
	to <- h.ping
	to <- h.clock
}

func (h health) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	gauge := func(d *prometheus.Desc, v float64) { to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	asked := time.Now()
	if h.app.db.Ping(ctx) == nil {
		gauge(h.ping, time.Since(asked).Seconds())
	}
	truth := func(d *prometheus.Desc, err error) {
		if err == nil {
			gauge(d, 1)
		} else {
			gauge(d, 0)
		}
	}
	truth(h.ready, h.app.ready(ctx))
	truth(h.clock, h.app.watch.Steady())
}
