package worker

import (
	"strconv"
	"time"

	"facteur/campaign"
	"facteur/sending"
	"facteur/sending/smtp"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what a worker counts. The recorder counts once a commit, with
// series that it has looked up before: a message costs it a few additions.
type metrics struct {
	begun    *prometheus.CounterVec // provider
	settled  *prometheus.CounterVec // provider, outcome, class
	skipped  *prometheus.CounterVec // provider
	letters  *prometheus.CounterVec // outcome
	answers  *prometheus.CounterVec // relay, stage, code
	rests    *prometheus.CounterVec // relay
	dialogue prometheus.Histogram
	message  prometheus.Histogram
	commit   prometheus.Histogram
	turns    prometheus.Histogram

	providers map[string]*providerSeries // the recorder's only, as is the next
	relays    map[int64]*relaySeries
}

type providerSeries struct{ begun, sent, skipped prometheus.Counter }

type relaySeries struct{ accepted, rests prometheus.Counter }

func newMetrics() *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
	}
	seconds := []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600} // a relay may think for 10 minutes
	return &metrics{
		begun:    counter("facteur_messages_begun_total", "Campaign messages whose body was allowed to begin.", "provider"),
		settled:  counter("facteur_messages_settled_total", "Attempts at campaign messages, by what became of the delivery and by what the answer was about.", "provider", "outcome", "class"),
		skipped:  counter("facteur_messages_skipped_total", "Campaign messages that the last gate refused: the person had left, or was suppressed.", "provider"),
		letters:  counter("facteur_letters_settled_total", "Attempts at one-off mails, by the answer.", "outcome"),
		answers:  counter("facteur_smtp_answers_total", "What relays answered to an envelope, a body, or our connecting when that was refused.", "relay", "stage", "code"),
		rests:    counter("facteur_relay_rests_total", "Times that this process put a relay to rest.", "relay"),
		dialogue: histogram("facteur_dialogue_seconds", "From the begin of a body to its answer.", seconds),
		message:  histogram("facteur_message_seconds", "From the permit to send a message to the answer to its body.", seconds),
		commit:   histogram("facteur_recorder_commit_seconds", "One commit of the recorder.", prometheus.ExponentialBuckets(0.0005, 2, 14)), // 0.5 ms to 4 s
		turns:    histogram("facteur_recorder_commit_turns", "Connections whose message was settled or begun in one commit.", prometheus.ExponentialBuckets(1, 2, 9)),

		providers: map[string]*providerSeries{}, relays: map[int64]*relaySeries{},
	}
}

// committed counts a group whose turns are written; asked is when that began.
func (m *metrics) committed(asked time.Time, group []*turn) {
	now := time.Now()
	m.commit.Observe(now.Sub(asked).Seconds())
	m.turns.Observe(float64(len(group)))
	for _, t := range group {
		relay := m.relay(t.line.relay.ID)
		if t.rest {
			relay.rests.Inc()
		}
		for i, e := range t.ended {
			m.ended(t, relay, e, t.outcomes[i])
		}
		d, ok := t.next.(*delivery)
		switch {
		case ok && t.ok:
			m.provider(d.batch.lane.Provider).begun.Inc()
			d.begun = now
		case ok && d.ended:
			m.provider(d.batch.lane.Provider).skipped.Inc()
		}
	}
}

// ended counts one answer.
func (m *metrics) ended(t *turn, relay *relaySeries, e smtp.Ended, o sending.Outcome) {
	if e.Stage == smtp.Body && e.Code/100 == 2 {
		relay.accepted.Inc()
	} else {
		m.answer(t.line.relay.ID, e.Result)
	}
	d, ok := e.Mail.(*delivery)
	if !ok {
		m.letters.WithLabelValues(string(o.Verdict)).Inc()
		return
	}
	if d.became == campaign.Accepted {
		m.provider(d.batch.lane.Provider).sent.Inc()
	} else {
		m.settled.WithLabelValues(d.batch.lane.Provider, string(d.became), string(o.Class)).Inc()
	}
	if e.Begun && !d.begun.IsZero() {
		m.dialogue.Observe(t.at.Sub(d.begun).Seconds())
		m.message.Observe(t.at.Sub(d.permitted).Seconds())
	}
}

// down counts a relay that could not be reached or logged in to.
func (m *metrics) down(relay int64, res smtp.Result) {
	m.answer(relay, res)
	m.rests.WithLabelValues(strconv.FormatInt(relay, 10)).Inc()
}

func (m *metrics) answer(relay int64, res smtp.Result) {
	code := "none"
	if res.Code != 0 {
		code = strconv.Itoa(res.Code/100) + "xx"
	}
	m.answers.WithLabelValues(strconv.FormatInt(relay, 10), string(res.Stage), code).Inc()
}

func (m *metrics) provider(name string) *providerSeries {
	s, ok := m.providers[name]
	if !ok {
		s = &providerSeries{m.begun.WithLabelValues(name), m.settled.WithLabelValues(name, string(campaign.Accepted), ""), m.skipped.WithLabelValues(name)}
		m.providers[name] = s
	}
	return s
}

func (m *metrics) relay(id int64) *relaySeries {
	s, ok := m.relays[id]
	if !ok {
		name := strconv.FormatInt(id, 10)
		s = &relaySeries{m.answers.WithLabelValues(name, string(smtp.Body), "2xx"), m.rests.WithLabelValues(name)}
		m.relays[id] = s
	}
	return s
}

// Metrics are what the worker, its recorder and its limiter count.
func (w *Worker) Metrics() []prometheus.Collector {
	m := w.recorder.metrics
	return append(w.limiter.Metrics(),
		m.begun, m.settled, m.skipped, m.letters, m.answers, m.rests, m.dialogue, m.message, m.commit, m.turns,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "facteur_batches_in_work", Help: "Batches that this process works on."},
			func() float64 { return float64(w.busy.Load()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "facteur_recorder_failing", Help: "1 while the database does not take outcomes, so that nothing begins."},
			func() float64 {
				if w.recorder.Failing().IsZero() {
					return 0
				}
				return 1
			}),
		openConnections{w.lines, prometheus.NewDesc("facteur_smtp_connections", "Open connections of this process to a relay.", []string{"relay"}, nil)},
	)
}

// openConnections counts them for each relay when it is asked.
type openConnections struct {
	lines *lines
	desc  *prometheus.Desc
}

func (c openConnections) Describe(to chan<- *prometheus.Desc) { to <- c.desc }

func (c openConnections) Collect(to chan<- prometheus.Metric) {
	c.lines.mu.Lock()
	defer c.lines.mu.Unlock()
	for id, at := range c.lines.byID {
		to <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, float64(at.pool.Connections()), strconv.FormatInt(id, 10))
	}
}
