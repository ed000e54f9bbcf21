package campaign

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/internal/keyring"
	"facteur/sending"
	"facteur/sending/smtp"
	"facteur/subscribers"
	"facteur/subscribers/consent"
	"facteur/throttle"
)

// desk is a scheduler with its stores under a clock that the test moves, and
// with one worker that is played: every mail is answered within its round.
type desk struct {
	testing.TB
	ctx       context.Context
	clock     *atomic.Int64 // Unix milliseconds
	db        *database.DB
	people    *subscribers.Store
	senders   *sending.Store
	pace      *throttle.Store
	store     *Store
	scheduler *Scheduler
	queue     *shelf
	process   *database.Process
	sender    int64
	keys      map[int64]subscribers.Subscriber
	session   int64
	answer    func(d Delivery, p subscribers.Subscriber) smtp.Result // of the played relay
	mailed    func(d Delivery, p subscribers.Subscriber, at time.Time)
}

// monday is a Monday morning.
var monday = time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC)

// eachDesk runs the test on both engines.
func eachDesk(t *testing.T, test func(d *desk)) {
	clock := &atomic.Int64{}
	clock.Store(monday.UnixMilli())
	databasetest.EachAt(t, func() time.Time { return time.UnixMilli(clock.Load()).UTC() }, func(t *testing.T, db *database.DB) {
		clock.Store(monday.UnixMilli())
		test(newDesk(t, db, clock))
	})
}

// oneDesk is a desk on SQLite.
func oneDesk(t testing.TB) *desk {
	clock := &atomic.Int64{}
	clock.Store(monday.UnixMilli())
	return newDesk(t, databasetest.At(t, func() time.Time { return time.UnixMilli(clock.Load()).UTC() }), clock)
}

func newDesk(t testing.TB, db *database.DB, clock *atomic.Int64) *desk {
	d := &desk{TB: t, ctx: context.Background(), clock: clock, db: db, queue: &shelf{}, keys: map[int64]subscribers.Subscriber{}, session: 1 << 40}
	keys, err := keyring.Open(d.ctx, db, "a secret of the tests")
	d.must(err)
	d.people, d.senders, d.pace = subscribers.NewStore(db), sending.NewStore(db, keys), throttle.NewStore(db)
	d.store = NewStore(db, d.people, d.senders, d.pace)
	d.process, err = database.Join(d.ctx, db, t.TempDir())
	d.must(err)
	t.Cleanup(func() { _ = d.process.Leave(d.ctx) })
	d.scheduler = NewScheduler(d.store, d.process, d.queue, DefaultPatience(), slog.New(slog.NewTextHandler(io.Discard, nil)))
	d.write(func(tx *database.Tx) error {
		r, err := d.senders.CreateRelay(d.ctx, tx, sending.Relay{Host: "127.0.0.1", Security: smtp.None}, nil)
		d.must(err)
		_, err = d.senders.CreateDomain(d.ctx, tx, sending.Domain{Name: "example.com", Warmup: sending.NoWarmup})
		d.must(err)
		v, err := d.senders.CreateSender(d.ctx, tx, sending.Sender{FromEmail: "a@example.com", PostalAddress: "here", RelayIDs: []int64{r.ID}})
		d.sender = v.ID
		return err
	})
	if !d.scheduler.lead(d.ctx) {
		t.Fatal("does not lead")
	}
	return d
}

func (d *desk) must(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

func (d *desk) write(change func(tx *database.Tx) error) {
	d.Helper()
	d.must(d.db.Write(d.ctx, change))
}

func (d *desk) now() time.Time { return d.db.Now() }

func (d *desk) advance(by time.Duration) { d.clock.Add(by.Milliseconds()) }

// list makes a list of n confirmed people in a time zone.
func (d *desk) list(name, zone string, n int) int64 {
	d.Helper()
	return d.listAt(name, zone, "example.org", n)
}

// listAt is list, of people at a domain.
func (d *desk) listAt(name, zone, domain string, n int) (id int64) {
	d.Helper()
	d.write(func(tx *database.Tx) error {
		l, err := d.people.CreateList(d.ctx, tx, subscribers.List{Name: name})
		id = l.ID
		return err
	})
	for from := 0; from < n; from += 500 {
		var page []subscribers.Person
		for i := from; i < min(n, from+500); i++ {
			a, err := address.Parse(fmt.Sprintf("%s%d@%s", name, i, domain))
			d.must(err)
			page = append(page, subscribers.Person{Address: a, Timezone: zone})
		}
		d.write(func(tx *database.Tx) error {
			_, err := d.people.Enroll(d.ctx, tx, id, page, consent.Statement{Basis: consent.OptIn, Source: "test", At: d.now().Add(-time.Hour)}, false)
			return err
		})
	}
	return id
}

// warmUp gives the sending domain a ramp; none without steps.
func (d *desk) warmUp(steps string) {
	d.Helper()
	d.write(func(tx *database.Tx) error {
		v, err := d.senders.With(tx).DomainByName(d.ctx, "example.com")
		d.must(err)
		if v.Warmup, v.Ramp = sending.OwnWarmup, steps; steps == "" {
			v.Warmup, v.Ramp = sending.NoWarmup, "[]"
		}
		_, err = d.senders.SetWarmup(d.ctx, tx, v)
		return err
	})
}

// launch makes a campaign of what is said of it and sets it going.
func (d *desk) launch(c Campaign, canary Canary) int64 {
	d.Helper()
	c.Name, c.Subject, c.Text, c.SenderID = "c", "s", "t", d.sender
	d.write(func(tx *database.Tx) error {
		made, err := d.store.Create(d.ctx, tx, c)
		if err != nil {
			return err
		}
		c.ID = made.ID
		_, err = d.store.Launch(d.ctx, tx, c.ID, time.Time{}, canary, Clearance{})
		return err
	})
	return c.ID
}

func (d *desk) tick() {
	d.Helper()
	_, err := d.scheduler.Tick(d.ctx, true)
	d.must(err)
}

// rounds are rounds until nothing is released any more.
func (d *desk) rounds() {
	d.Helper()
	for range 10_000 {
		d.tick()
		if len(d.queue.ids) == 0 {
			return
		}
		ids := d.queue.ids
		d.queue.ids = nil
		for _, id := range ids {
			d.work(id)
		}
	}
	d.Fatal("it never comes to rest")
}

// take is what a worker does first.
func (d *desk) take(id int64) (Batch, []Delivery) {
	d.Helper()
	d.session++
	b, ok, err := d.store.Take(d.ctx, id, d.session, d.db.NewID())
	d.must(err)
	if !ok {
		return Batch{}, nil
	}
	rows, err := d.store.Load(d.ctx, b)
	d.must(err)
	return b, rows
}

// work executes a batch: those whose hour it is not wait for it, the others
// are begun and answered.
func (d *desk) work(id int64) {
	d.Helper()
	b, rows := d.take(id)
	if b.ID == 0 {
		return
	}
	c, err := d.store.Campaign(d.ctx, b.CampaignID)
	d.must(err)
	v, err := d.store.Version(d.ctx, c.ID, c.Version)
	d.must(err)
	hours := d.store.Hours(c, v.Calendar)
	var wait, until []int64
	for _, r := range rows {
		p := d.person(r.SubscriberID)
		if next := hours.Next(d.now(), p.Timezone); next.After(d.now()) {
			wait, until = append(wait, r.SubscriberID), append(until, next.UnixMilli())
		} else if d.begin(b, r) {
			res := smtp.Result{Stage: smtp.Body, Code: 250}
			if d.mailed != nil {
				d.mailed(r, p, d.now())
			}
			if d.answer != nil {
				res = d.answer(r, p)
			}
			d.settle(b, r, res)
		}
	}
	d.must(d.store.Postpone(d.ctx, b, wait, until))
	d.must(d.store.Finish(d.ctx, b, nil, 0))
}

func (d *desk) person(id int64) subscribers.Subscriber {
	d.Helper()
	if p, ok := d.keys[id]; ok {
		return p
	}
	all, err := d.people.People(d.ctx, []int64{id})
	d.must(err)
	d.keys[id] = all[0]
	return all[0]
}

func attemptOf(b Batch, r Delivery) Attempt {
	return Attempt{CampaignID: b.CampaignID, SubscriberID: r.SubscriberID, BatchID: b.ID, Execution: b.Execution, Number: r.Attempts + 1, RelayID: 1, Provider: throttle.Other, FirstAt: 1}
}

// begin is what the recorder does for one message.
func (d *desk) begin(b Batch, r Delivery) (ok bool) {
	d.Helper()
	d.write(func(tx *database.Tx) error {
		ok = false
		d.must(tx.Gate(d.ctx, false))
		allowed, err := d.store.Allowed(d.ctx, tx, []Batch{b})
		if err != nil || allowed[0] != Granted {
			return err
		}
		if b.Date != 0 {
			if quota, err := d.pace.Claim(d.ctx, tx, b.Lane, b.Date); err != nil || quota.Room() == 0 {
				return err
			}
		}
		t := Tally{}
		begun, err := d.store.Begin(d.ctx, tx, []Attempt{attemptOf(b, r)}, t)
		if err != nil {
			return err
		}
		if ok = begun[0]; ok && b.Date != 0 {
			d.must(d.pace.Use(d.ctx, tx, b.Lane, b.Date, 1, 0, 0))
		}
		return d.store.Count(d.ctx, tx, t)
	})
	return ok
}

// settle tells the answer to the attempt that began with this row.
func (d *desk) settle(b Batch, r Delivery, res smtp.Result) (written bool) {
	d.Helper()
	o := sending.Judge(res)
	d.write(func(tx *database.Tx) error {
		t := Tally{}
		s := []Settled{{
			CampaignID: b.CampaignID, SubscriberID: r.SubscriberID, BatchID: b.ID, Attempt: r.Attempts + 1, RelayID: 1, Provider: throttle.Other,
			First: r.Attempts == 0, Doubts: r.Doubts, Outcome: o, Next: DefaultPatience().Settle(r, o, "resend", d.now(), 0),
		}}
		if err := d.store.Settle(d.ctx, tx, s, t); err != nil {
			return err
		}
		written = s[0].Written
		return d.store.Count(d.ctx, tx, t)
	})
	return written
}

// books checks a campaign's totals against its rows.
func (d *desk) books(id int64) Counts {
	d.Helper()
	n, err := d.store.Counts(d.ctx, id)
	d.must(err)
	rows, err := d.store.Recount(d.ctx, id)
	d.must(err)
	if c := d.campaign(id); n.Balance() != 0 || n.Queued != rows.Queued || n.Sent != rows.Sent || n.Doubted != rows.Doubted || c.Planned && n != rows {
		d.Fatalf("books %+v, rows %+v", n, rows)
	}
	return n
}

func (d *desk) campaign(id int64) Campaign {
	d.Helper()
	c, err := d.store.Campaign(d.ctx, id)
	d.must(err)
	return c
}
