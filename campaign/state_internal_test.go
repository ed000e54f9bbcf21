package campaign

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
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

	"pgregory.net/rapid"
)

func TestMay_AllPairsOfStates(t *testing.T) {
	all := []DeliveryStatus{Queued, Begun, Accepted, Deferred, Failed, Skipped, Uncertain}
	want := map[DeliveryStatus]string{
		Queued:    "sending deferred failed skipped sent",
		Begun:     "sent deferred failed uncertain",
		Accepted:  "",
		Deferred:  "queued skipped failed sent",
		Failed:    "queued sent",
		Skipped:   "sent",
		Uncertain: "queued sent deferred failed",
	}
	for _, from := range all {
		for _, to := range all {
			words := " " + want[from] + " "
			allowed := to != "" && containsWord(words, string(to))
			if May(from, to) != allowed {
				t.Errorf("%s → %s: %v, want %v", from, to, May(from, to), allowed)
			}
		}
	}
}

func containsWord(words, w string) bool {
	for i := 0; i+len(w)+2 <= len(words); i++ {
		if words[i:i+len(w)+2] == " "+w+" " {
			return true
		}
	}
	return false
}

// shelf is a queue that only remembers what it was offered.
type shelf struct {
	mu  sync.Mutex
	ids []int64
}

func (s *shelf) Release(_ context.Context, ids []int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids = append(s.ids, ids...)
	return nil
}

func (s *shelf) Letters(context.Context, []int64) error { return nil }

// world is the model: what really happened, beside the store under test.
type world struct {
	*rapid.T
	ctx        context.Context
	now        time.Time
	db         *database.DB
	store      *Store
	scheduler  *Scheduler
	queue      *shelf
	list       int64
	campaign   int64
	people     []subscribers.Subscriber
	executions []*execution
	begun      map[string]bool // person/attempt
	left       map[int64]bool
	paused     bool
	session    int64
}

// execution is a worker's view of a batch, with what it knows.
type execution struct {
	Batch
	rows    []Delivery
	under   map[int64]Delivery // begun, by person
	written bool               // written off by recovery
}

const peopleInModel = 7

// Laws 2 to 5: whatever the interleaving of begins, answers, losses, lapsed
// leases, late answers, opt-outs and pauses, no attempt begins twice, nothing
// begins after a committed no, and the books balance.
func TestDelivery_HoldsItsLawsUnderAnyInterleaving(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, rt)
		steps := rapid.IntRange(10, 60).Draw(rt, "steps")
		for range steps {
			rapid.SampledFrom([]func(){w.tick, w.take, w.begin, w.begin, w.begin, w.answer, w.answer, w.loseProcess, w.leave, w.pauseOrResume, w.advance, w.finish}).Draw(rt, "step")()
			w.check()
		}
		w.end()
	})
}

func newWorld(t *testing.T, rt *rapid.T) *world {
	w := &world{T: rt, ctx: context.Background(), now: time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC), queue: &shelf{}, begun: map[string]bool{}, left: map[int64]bool{}, session: 1}
	w.db = databasetest.At(t, func() time.Time { return w.now })
	keys, err := keyring.Open(w.ctx, w.db, "a secret of the tests")
	w.must(err)
	people, senders, pace := subscribers.NewStore(w.db), sending.NewStore(w.db, keys), throttle.NewStore(w.db)
	w.store = NewStore(w.db, people, senders, pace)
	process, err := database.Join(w.ctx, w.db, t.TempDir())
	w.must(err)
	t.Cleanup(func() { _ = process.Leave(w.ctx) })
	w.scheduler = NewScheduler(w.store, process, w.queue, DefaultPatience(), slog.New(slog.NewTextHandler(io.Discard, nil)))
	w.write(func(tx *database.Tx) error {
		l, err := people.CreateList(w.ctx, tx, subscribers.List{Name: "all"})
		w.must(err)
		w.list = l.ID
		var page []subscribers.Person
		for i := range peopleInModel {
			a, err := address.Parse(fmt.Sprintf("p%d@example.org", i))
			w.must(err)
			page = append(page, subscribers.Person{Address: a})
		}
		_, err = people.Enroll(w.ctx, tx, l.ID, page, consent.Statement{Basis: consent.OptIn, Source: "test", At: w.now}, false)
		w.must(err)
		r, err := senders.CreateRelay(w.ctx, tx, sending.Relay{Host: "127.0.0.1", Security: smtp.None}, nil)
		w.must(err)
		_, err = senders.CreateDomain(w.ctx, tx, sending.Domain{Name: "example.com"})
		w.must(err)
		v, err := senders.CreateSender(w.ctx, tx, sending.Sender{FromEmail: "a@example.com", PostalAddress: "here", RelayIDs: []int64{r.ID}})
		w.must(err)
		c, err := w.store.Create(w.ctx, tx, Campaign{Name: "c", Subject: "s", Text: "t", SenderID: v.ID, ListIDs: []int64{l.ID}})
		w.must(err)
		w.campaign = c.ID
		_, err = w.store.Launch(w.ctx, tx, c.ID, time.Time{}, Canary{}, Clearance{})
		return err
	})
	w.people, err = people.Subscribers(w.ctx, 0, 100)
	w.must(err)
	if !w.scheduler.lead(w.ctx) {
		w.Fatal("does not lead")
	}
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) write(change func(tx *database.Tx) error) {
	w.Helper()
	w.must(w.db.Write(w.ctx, change))
}

func (w *world) tick() {
	_, err := w.scheduler.Tick(w.ctx, true)
	w.must(err)
}

func (w *world) advance() {
	w.now = w.now.Add(time.Duration(rapid.IntRange(1, 90).Draw(w.T, "minutes")) * time.Minute)
}

// take executes a batch the queue offers; it may offer one many times.
func (w *world) take() {
	if len(w.queue.ids) == 0 {
		return
	}
	id := rapid.SampledFrom(w.queue.ids).Draw(w.T, "batch")
	w.session++
	b, ok, err := w.store.Take(w.ctx, id, w.session, w.db.NewID())
	w.must(err)
	if !ok {
		return
	}
	rows, err := w.store.Load(w.ctx, b)
	w.must(err)
	w.executions = append(w.executions, &execution{Batch: b, rows: rows, under: map[int64]Delivery{}})
}

func (w *world) some() *execution {
	if len(w.executions) == 0 {
		return nil
	}
	return rapid.SampledFrom(w.executions).Draw(w.T, "execution")
}

// begin is what the recorder does for one message, by an execution that may not know that it was written off.
func (w *world) begin() {
	e := w.some()
	if e == nil || len(e.rows) == 0 {
		return
	}
	d := rapid.SampledFrom(e.rows).Draw(w.T, "row")
	a := Attempt{CampaignID: w.campaign, SubscriberID: d.SubscriberID, BatchID: e.ID, Execution: e.Execution, Number: d.Attempts + 1, RelayID: 1, Provider: throttle.Other, FirstAt: 1}
	ok := false
	w.write(func(tx *database.Tx) error {
		ok = false
		tally := Tally{}
		w.must(tx.Gate(w.ctx, false))
		allowed, err := w.store.Allowed(w.ctx, tx, []Batch{e.Batch})
		if err != nil || allowed[0] != Granted {
			return err
		}
		p := w.people[slices.IndexFunc(w.people, func(p subscribers.Subscriber) bool { return p.ID == d.SubscriberID })]
		answers, err := w.store.people.Mailable(w.ctx, tx, []subscribers.Ask{{SubscriberID: p.ID, Key: p.Key, Lists: []int64{w.list}}})
		if err != nil {
			return err
		}
		if answers[0] != subscribers.Mailable {
			w.must(w.store.Skip(w.ctx, tx, []Attempt{a}, answers, tally))
			return w.store.Count(w.ctx, tx, tally)
		}
		begun, err := w.store.Begin(w.ctx, tx, []Attempt{a}, tally)
		if err != nil {
			return err
		}
		ok = begun[0]
		return w.store.Count(w.ctx, tx, tally)
	})
	if !ok {
		return
	}
	if _, mine := e.under[d.SubscriberID]; mine {
		return // the same execution asked twice, as after a lost commit: one attempt
	}
	key := fmt.Sprintf("%d/%d", d.SubscriberID, a.Number)
	if w.begun[key] {
		w.Fatalf("attempt %s began twice", key)
	}
	if w.left[d.SubscriberID] || w.paused || e.written {
		w.Fatalf("attempt %s began: left %v, paused %v, written off %v", key, w.left[d.SubscriberID], w.paused, e.written)
	}
	w.begun[key] = true
	e.under[d.SubscriberID] = d
}

// answer settles a begun attempt, perhaps late, perhaps for the second time.
func (w *world) answer() {
	e := w.some()
	if e == nil || len(e.under) == 0 {
		return
	}
	ids := make([]int64, 0, len(e.under))
	for id := range e.under {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	d := e.under[rapid.SampledFrom(ids).Draw(w.T, "person")]
	res := rapid.SampledFrom([]smtp.Result{
		{Stage: smtp.Body, Code: 250},
		{Stage: smtp.Body, Code: 451, Enhanced: "4.7.1"},
		{Stage: smtp.Body, Code: 550, Enhanced: "5.1.1"},
		{Stage: smtp.Body, Err: io.EOF},
	}).Draw(w.T, "answer")
	w.settle(e, d, res)
}

func (w *world) settle(e *execution, d Delivery, res smtp.Result) {
	w.write(func(tx *database.Tx) error {
		o := sending.Judge(res)
		tally := Tally{}
		err := w.store.Settle(w.ctx, tx, []Settled{{
			CampaignID: w.campaign, SubscriberID: d.SubscriberID, BatchID: e.ID, Attempt: d.Attempts + 1, RelayID: 1, Provider: throttle.Other,
			First: d.Attempts == 0, Doubts: d.Doubts, Outcome: o, Next: DefaultPatience().Settle(d, o, "resend", w.now, 0),
		}}, tally)
		if err != nil {
			return err
		}
		return w.store.Count(w.ctx, tx, tally)
	})
}

// loseProcess writes off an execution's process, dead or only silent; it goes on trying.
func (w *world) loseProcess() {
	e := w.some()
	if e == nil {
		return
	}
	proven := rapid.Bool().Draw(w.T, "proven")
	w.write(func(tx *database.Tx) error {
		_, _, err := w.store.Recover(w.ctx, tx, e.Session, proven, DefaultPatience().FinalDot.Milliseconds())
		return err
	})
	e.written = true
}

func (w *world) leave() {
	p := rapid.SampledFrom(w.people).Draw(w.T, "leaver")
	if rapid.IntRange(0, 3).Draw(w.T, "rarely") > 0 {
		return
	}
	w.write(func(tx *database.Tx) error {
		_, err := w.store.people.Leave(w.ctx, tx, p.ID, []int64{w.list}, "test")
		return err
	})
	w.left[p.ID] = true
}

func (w *world) pauseOrResume() {
	c, err := w.store.Campaign(w.ctx, w.campaign)
	w.must(err)
	w.write(func(tx *database.Tx) error {
		switch c.Status {
		case Sending:
			_, err = w.store.Pause(w.ctx, tx, c.ID, "")
			w.paused = true
		case Paused:
			_, err = w.store.Resume(w.ctx, tx, c.ID, "")
			w.paused = false
		}
		return err
	})
}

// finish gives back what an execution has not begun.
func (w *world) finish() {
	e := w.some()
	if e == nil {
		return
	}
	var leftover []int64
	for _, d := range e.rows {
		if _, ok := e.under[d.SubscriberID]; !ok {
			leftover = append(leftover, d.SubscriberID)
		}
	}
	if len(e.under) > 0 && !e.written {
		return // a worker waits for its open dialogues
	}
	w.must(w.store.Finish(w.ctx, e.Batch, leftover, 0))
	e.rows, e.written = nil, true
}

func (w *world) check() {
	w.Helper()
	n, err := w.store.Counts(w.ctx, w.campaign)
	w.must(err)
	rows, err := w.store.Recount(w.ctx, w.campaign)
	w.must(err)
	if n.Balance() != 0 || n != rows {
		w.Fatalf("books %+v, rows %+v", n, rows)
	}
}

// end lets everything come to rest: nobody is lost.
func (w *world) end() {
	if w.paused {
		w.pauseOrResume()
	}
	for range 400 {
		c, err := w.store.Campaign(w.ctx, w.campaign)
		w.must(err)
		if c.Status == Sent {
			n, err := w.store.Counts(w.ctx, w.campaign)
			w.must(err)
			if n.Recipients != peopleInModel-w.leftBeforePlan(c) || n.Sent+n.Failed+n.Skipped+n.Uncertain != n.Recipients {
				w.Fatalf("ended with %+v, excluded %v", n, c.Excluded)
			}
			return
		}
		w.tick()
		for _, id := range w.queue.ids {
			w.session++
			b, ok, err := w.store.Take(w.ctx, id, w.session, w.db.NewID())
			w.must(err)
			if !ok {
				continue
			}
			rows, err := w.store.Load(w.ctx, b)
			w.must(err)
			w.executions = []*execution{{Batch: b, rows: rows, under: map[int64]Delivery{}}}
			w.finishBatch(w.executions[0])
		}
		w.queue.ids = nil
		// Sessions of old executions too: their processes have ended.
		for s := int64(2); s <= w.session; s++ {
			w.write(func(tx *database.Tx) error {
				_, _, err := w.store.Recover(w.ctx, tx, s, true, 0)
				return err
			})
		}
		w.now = w.now.Add(time.Hour)
		w.check()
	}
	w.Fatal("never came to an end")
}

func (w *world) leftBeforePlan(c Campaign) int64 {
	n := int64(0)
	for _, k := range c.Excluded {
		n += k
	}
	return n
}

// finishBatch sends a batch plainly.
func (w *world) finishBatch(e *execution) {
	for _, d := range e.rows {
		rows := e.rows
		e.rows = []Delivery{d}
		w.begin()
		e.rows = rows
		if u, ok := e.under[d.SubscriberID]; ok {
			w.settle(e, u, smtp.Result{Stage: smtp.Body, Code: 250})
		}
	}
	w.must(w.store.Finish(w.ctx, e.Batch, nil, 0))
}
