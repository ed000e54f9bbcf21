package campaign

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"facteur/internal/database"
	"facteur/sending"

	"github.com/prometheus/client_golang/prometheus"
)

// schedulerMetrics are what a scheduler counts.
type schedulerMetrics struct {
	leads             atomic.Bool
	tick              prometheus.Histogram
	planned, released prometheus.Counter
	takeovers, doubts prometheus.Counter
	troubles          prometheus.Counter
}

func newSchedulerMetrics() *schedulerMetrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	return &schedulerMetrics{
		tick: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "facteur_scheduler_tick_seconds", Help: "One round of the leading scheduler.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 14), // 1 ms to 8 s
		}),
		planned:   counter("facteur_scheduler_planned_total", "People that planning has gone through, with those whom it left out."),
		released:  counter("facteur_scheduler_batches_total", "Batches cut for the workers."),
		troubles:  counter("facteur_scheduler_campaign_errors_total", "Tries to work on a campaign that failed for something of its own; the third holds it."),
		takeovers: counter("facteur_takeovers_total", "Processes that ended or fell silent and whose work this one handed on."),
		doubts:    counter("facteur_takeover_doubts_total", "Messages that such a process left in doubt."),
	}
}

func (m *schedulerMetrics) ticked(begun time.Time) { m.tick.Observe(time.Since(begun).Seconds()) }

// Metrics are what the scheduler counts. While it leads it also shows the
// whole installation, so that a sum over all processes counts that once.
func (s *Scheduler) Metrics() []prometheus.Collector {
	m := s.metrics
	return []prometheus.Collector{
		m.tick, m.planned, m.released, m.troubles, m.takeovers, m.doubts, newInstallation(s.store, &m.leads),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "facteur_scheduler_leads", Help: "1 when this process's scheduler leads."}, func() float64 { return truth(m.leads.Load()) }),
	}
}

// installation reads the tables when it is asked, if this process leads.
type installation struct {
	store      *Store
	leads      *atomic.Bool
	campaigns  *prometheus.Desc
	deliveries *prometheus.Desc
	batches    *prometheus.Desc
	relays     *prometheus.Desc
	stopped    *prometheus.Desc
	slowed     *prometheus.Desc
}

func newInstallation(store *Store, leads *atomic.Bool) *installation {
	return &installation{
		store: store, leads: leads,
		campaigns:  prometheus.NewDesc("facteur_campaigns", "Campaigns that are not over.", []string{"status"}, nil),
		deliveries: prometheus.NewDesc("facteur_deliveries", "Deliveries of the campaigns that are being sent or paused.", []string{"status"}, nil),
		batches:    prometheus.NewDesc("facteur_batches", "Batches that are released to the workers, or taken by one.", []string{"state"}, nil),
		relays:     prometheus.NewDesc("facteur_relay_state", "1 for the state that a relay is in.", []string{"relay", "name", "state"}, nil),
		stopped:    prometheus.NewDesc("facteur_stopped", "1 while the red button is pressed.", nil, nil),
		slowed:     prometheus.NewDesc("facteur_lanes_slowed", "Lanes that answers of providers have slowed or suspended.", []string{"state"}, nil),
	}
}

// Describe implements [prometheus.Collector].
func (i *installation) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{i.campaigns, i.deliveries, i.batches, i.relays, i.stopped, i.slowed} {
		to <- d
	}
}

// Collect implements [prometheus.Collector].
func (i *installation) Collect(to chan<- prometheus.Metric) {
	if !i.leads.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := i.read(ctx, func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}); err != nil {
		to <- prometheus.NewInvalidMetric(i.deliveries, err)
	}
}

func (i *installation) read(ctx context.Context, show func(d *prometheus.Desc, v float64, labels ...string)) error {
	now, err := i.store.UnderWay(ctx)
	if err != nil {
		return err
	}
	relays, err := i.store.senders.Relays(ctx)
	if err != nil {
		return fmt.Errorf("relays: %w", err)
	}
	_, err = i.store.Stopped(ctx)
	if err != nil && !errors.Is(err, database.ErrNotFound) {
		return fmt.Errorf("stop: %w", err)
	}
	show(i.stopped, truth(err == nil))
	slowed, err := i.store.pace.Slowdowns(ctx)
	if err != nil {
		return err
	}
	lanes := map[string]int{"slowed": 0, "suspended": 0}
	for _, d := range slowed {
		state := "slowed"
		if _, suspended, _ := d.At(i.store.db.Now()); !suspended.IsZero() {
			state = "suspended"
		}
		lanes[state]++
	}
	for state, n := range lanes {
		show(i.slowed, float64(n), state)
	}
	for status, n := range now.Campaigns {
		show(i.campaigns, float64(n), string(status))
	}
	d := now.Deliveries
	for status, n := range map[DeliveryStatus]int64{
		Queued: d.Queued, Begun: d.Sending, Accepted: d.Sent, Deferred: d.Deferred, Failed: d.Failed, Skipped: d.Skipped, Uncertain: d.Uncertain,
	} {
		show(i.deliveries, float64(n), string(status))
	}
	show(i.batches, float64(now.Released), "released")
	show(i.batches, float64(now.Taken), "taken")
	for _, r := range relays {
		for _, state := range []sending.State{sending.Healthy, sending.Resting, sending.Stopped} {
			show(i.relays, truth(r.State == state), strconv.FormatInt(r.ID, 10), r.Name, string(state))
		}
	}
	return nil
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
