package worker_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"facteur/campaign"
	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/sending/sandbox"

	"github.com/prometheus/client_golang/prometheus"
)

// TestCrossings plays every kind of campaign through everything that may happen
// to one: each pair has one right answer, which docs/crossings.md shows. All
// kinds of a disturbance are sent at once by one engine, each over a relay and
// a domain of its own, under a clock that stands still for nobody and is put
// forward whenever nothing more can go.
func TestCrossings(t *testing.T) {
	for _, engine := range []struct {
		name string
		dsn  func(testing.TB) string
	}{{"SQLite", databasetest.SQLite}, {"PostgreSQL", databasetest.Postgres}} {
		t.Run(engine.name, func(t *testing.T) {
			for _, d := range disturbances() {
				t.Run(d.name, func(t *testing.T) {
					t.Parallel()
					p := newPlay(t, engine.dsn(t), d)
					p.run()
					for _, c := range p.cells {
						t.Run(c.name, func(t *testing.T) { p.verify(t, c) })
					}
				})
			}
		})
	}
}

// The hours of a play. A campaign at nine o'clock is launched in the evening;
// at midnight it is nine in Tokyo, and all are sent at once.
var (
	eve      = time.Date(2026, 11, 26, 20, 0, 0, 0, time.UTC)
	evening  = time.Date(2026, 11, 26, 23, 50, 0, 0, time.UTC)
	midnight = time.Date(2026, 11, 27, 0, 0, 5, 0, time.UTC)
)

const (
	open     = 2                      // connections of each relay
	midway   = 5                      // mails that have been sent when the disturbance comes
	valve    = 20                     // and at most so many, as an hourly limit lets no more begin
	late     = 250 * time.Millisecond // the relay's answers until then, so that bodies are under way
	longest  = 12 * 24 * time.Hour    // of a play, by its own clock
	patience = 60 * time.Second       // for a step of it, by ours
)

// play is one disturbance of all kinds of campaigns.
type play struct {
	*engine
	dsn   string
	clock *moved
	what  disturbance
	cells []*cell
	round func() uint64 // of the scheduler
}

func newPlay(t *testing.T, dsn string, d disturbance) *play {
	p := &play{dsn: dsn, clock: &moved{}, what: d}
	p.clock.to(eve)
	p.start(t, databasetest.OpenAt(t, dsn, p.clock.now))
	for _, k := range kinds() {
		p.cells = append(p.cells, p.cell(k))
	}
	return p
}

// start starts an engine, the first or the one after it.
func (p *play) start(t testing.TB, db *database.DB) {
	p.engine = start(t, db)
	rounds := prometheus.NewRegistry()
	rounds.MustRegister(p.scheduler.Metrics()[0])
	p.round = func() uint64 {
		got, err := rounds.Gather()
		if err != nil {
			t.Fatal(err)
		}
		return got[0].GetMetric()[0].GetHistogram().GetSampleCount()
	}
}

// run sends, disturbs and waits for the end.
func (p *play) run() {
	for _, c := range p.cells {
		if c.first != nil {
			c.first(p, c)
		}
	}
	p.clock.to(evening)
	for _, c := range p.cells {
		if c.early {
			c.launch(p)
			p.await(c.id, patience, func(v campaign.Campaign, _ campaign.Counts) bool { return v.Planned })
		}
	}
	alive := p.what.kills == nil
	if !alive {
		p.stop()
	}
	p.clock.to(midnight)
	for _, c := range p.cells {
		c.begin(p)
	}
	if !alive {
		p.what.kills(p)
	} else {
		p.scheduler.Nudge()
		p.midway()
		for _, c := range p.cells {
			p.what.disturb(p, c)
			c.at = p.now()
		}
	}
	for _, c := range p.cells {
		c.hurry(p)
	}
	if p.what.lift != nil {
		p.rest()
		p.clock.to(p.db.Now().Add(p.what.holds))
		p.rest()
		for _, c := range p.cells {
			c.lifted = p.now()
			p.what.lift(p, c)
		}
	}
	p.toTheEnd()
}

// now is the play's clock in Unix milliseconds.
func (p *play) now() int64 { return p.db.Now().UnixMilli() }

// midway waits until each campaign is in the middle of being sent. One that
// does not get there is a fault of its own, and the others go on.
func (p *play) midway() {
	deadline := time.Now().Add(patience / 3)
	for all := false; !all && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		all = true
		for _, c := range p.cells {
			if !c.midway {
				_, n := p.state(c)
				c.midway = n.Sent >= c.sent+midway
				all = all && c.midway
			}
		}
	}
}

// toTheEnd puts the clock forward until all campaigns are over.
func (p *play) toTheEnd() {
	for {
		p.rest()
		next, over := time.Time{}, true
		for _, c := range p.cells {
			if !p.over(c) {
				over = false
				if at := p.next(c); next.IsZero() || at.Before(next) {
					next = at
				}
			}
		}
		if over {
			return
		}
		if next.Sub(midnight) > longest {
			p.t.Errorf("not over after %s", longest)
			return
		}
		if next.After(p.db.Now()) {
			p.clock.to(next.Add(100 * time.Millisecond))
		}
	}
}

// over tells whether a campaign has come to its end; it waits for one that has only that to do.
func (p *play) over(c *cell) bool {
	ended := func(v campaign.Campaign, n campaign.Counts) bool {
		return (v.Status == campaign.Sent || v.Status == campaign.Cancelled) && n.Queued+n.Sending+n.Deferred == 0
	}
	v, n := p.state(c)
	if n.Queued+n.Sending+n.Deferred == 0 && p.waits(c, 2) == 0 {
		p.await(c.id, patience, ended)
		return true
	}
	return ended(v, n)
}

func (p *play) state(c *cell) (campaign.Campaign, campaign.Counts) {
	p.t.Helper()
	v, err := p.campaigns.Campaign(context.Background(), c.id)
	if err != nil {
		p.t.Fatal(err)
	}
	n, err := p.campaigns.Counts(context.Background(), c.id)
	if err != nil {
		p.t.Fatal(err)
	}
	return v, n
}

// waits is since when, or for when, the first of a campaign's rows waits so; 0: none does.
func (p *play) waits(c *cell, wait int) (at int64) {
	p.t.Helper()
	err := p.db.Get(context.Background(), &at, `SELECT not_before + 1 FROM deliveries WHERE campaign_id = ? AND wait = ? ORDER BY not_before LIMIT 1`, c.id, wait)
	if err != nil && !errors.Is(err, database.ErrNotFound) {
		p.t.Fatal(err)
	}
	return at
}

// next is when something may go on in a campaign in which nothing does now.
func (p *play) next(c *cell) time.Time {
	now := p.db.Now()
	next := p.what.later(now)
	sooner := func(ms int64) {
		if at := database.Time(ms); ms > 0 && at.After(now) && at.Before(next) {
			next = at
		}
	}
	if p.waits(c, 1) == 0 {
		next = now.Add(longest)
	}
	sooner(p.waits(c, 2))
	v, _ := p.state(c)
	_, until := v.Canary()
	sooner(until)
	r, err := p.senders.Relay(context.Background(), c.relay)
	if err != nil {
		p.t.Fatal(err)
	}
	sooner(r.Until)
	return next
}

// rest waits until nothing is under way, and two rounds of the scheduler have
// found nothing to do.
func (p *play) rest() {
	p.t.Helper()
	deadline := time.Now().Add(patience)
	var quiet uint64
	for before := (stillness{}); ; {
		now := p.stillness()
		if now != before || now.busy() {
			before, quiet = now, p.round()
		} else if p.round() > quiet+2 {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("does not come to rest: %+v", now)
		}
		p.scheduler.Nudge()
		time.Sleep(5 * time.Millisecond)
	}
}

// stillness is what would change if anything went on.
type stillness struct{ batches, sending, waiting, due int64 }

func (s stillness) busy() bool { return s.batches+s.sending+s.due > 0 }

func (p *play) stillness() (s stillness) {
	p.t.Helper()
	ctx := context.Background()
	for _, q := range []struct {
		to    *int64
		query string
		args  []any
	}{
		{&s.batches, `SELECT COUNT(*) FROM batches`, nil},
		{&s.sending, `SELECT COUNT(*) FROM deliveries WHERE status = 'sending'`, nil},
		{&s.waiting, `SELECT COUNT(*) FROM deliveries WHERE wait = 1`, nil},
		{&s.due, `SELECT COUNT(*) FROM deliveries WHERE wait = 2 AND not_before <= ?`, []any{p.now()}},
	} {
		if err := p.db.Get(ctx, q.to, q.query, q.args...); err != nil {
			p.t.Fatal(err)
		}
	}
	return s
}

// relayOf is the sandbox of a cell.
func relayOf(t testing.TB, now func() time.Time) *sandbox.Server {
	return box(t, sandbox.Options{PlainNames: true, Keep: -1, SlowFor: late, Now: now})
}
