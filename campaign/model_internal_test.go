package campaign

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
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

// Laws 2 to 5: whatever the interleaving of begins, answers, losses, late
// answers, opt-outs and orders, nothing begins after a committed no, no attempt
// begins twice, nothing begins for whom a mail has reached, the books balance
// at each step, and at the end nobody is lost. On PostgreSQL some of them are
// transactions at the same time. -rapid.checks=1000 plays more.
func TestDelivery_HoldsItsLawsUnderAnyInterleaving(t *testing.T) {
	for _, engine := range []struct {
		name   string
		dsn    func(testing.TB) string
		checks string
	}{{"SQLite", databasetest.SQLite, "100"}, {"PostgreSQL", databasetest.Postgres, "40"}} {
		t.Run(engine.name, func(t *testing.T) {
			checks(t, engine.checks)
			h := newHouse(t, engine.dsn(t))
			rapid.Check(t, func(rt *rapid.T) {
				w := h.world(rt)
				for range rapid.IntRange(20, 120).Draw(rt, "steps") {
					w.step()
					w.check()
				}
				w.end()
			})
		})
	}
}

// Law 3, without chance: what forbids a message comes while it begins, when all
// its questions have been answered. On SQLite nothing can come there.
func TestBegin_IsInTurnWithWhatForbidsIt(t *testing.T) {
	h := newHouse(t, databasetest.Postgres(t))
	for _, name := range []string{"leave", "complain", "erase", "pause", "cancel", "stop", "brake", "lose a process"} {
		t.Run(name, func(t *testing.T) {
			checks(t, "1")
			rapid.Check(t, func(rt *rapid.T) {
				w := h.world(rt)
				w.do(w.tick())
				w.do(w.take())
				b := w.likely()
				if b == nil {
					w.Fatal("nothing to begin")
				}
				w.do(w.at(b, w.others()[name]))
				w.check()
				w.end()
			})
		})
	}
}

// checks is how often rapid plays a test, unless the command line says so.
func checks(t *testing.T, n string) {
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		_ = f.Value.Set(n)
		t.Cleanup(func() { _ = f.Value.Set(f.DefValue) })
	}
}

// house is what all worlds of one database share: each has its own people and campaign.
type house struct {
	now     time.Time
	db      *database.DB
	store   *Store
	process *database.Process
	sender  int64
	worlds  int
}

const modelDomain = "example.com"

func newHouse(t *testing.T, dsn string) *house {
	h := &house{now: time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC)}
	var mu sync.Mutex // some steps are several goroutines
	h.db = databasetest.OpenAt(t, dsn, func() time.Time { mu.Lock(); defer mu.Unlock(); return h.now })
	ctx := context.Background()
	keys, err := keyring.Open(ctx, h.db, "a secret of the tests")
	if err != nil {
		t.Fatal(err)
	}
	people, senders, pace := subscribers.NewStore(h.db).Keyed(keys), sending.NewStore(h.db, keys), throttle.NewStore(h.db)
	h.store = NewStore(h.db, people, senders, pace)
	if h.process, err = database.Join(ctx, h.db, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.process.Leave(ctx) })
	err = h.db.Write(ctx, func(tx *database.Tx) error {
		r, err := senders.CreateRelay(ctx, tx, sending.Relay{Host: "127.0.0.1", Security: smtp.None}, nil)
		if err != nil {
			return err
		}
		if _, err := senders.CreateDomain(ctx, tx, sending.Domain{Name: modelDomain, Warmup: sending.NoWarmup}); err != nil {
			return err
		}
		v, err := senders.CreateSender(ctx, tx, sending.Sender{FromEmail: "a@" + modelDomain, PostalAddress: "here", RelayIDs: []int64{r.ID}})
		h.sender = v.ID
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// world is the model: what really happened, beside the store under test.
type world struct {
	*rapid.T
	*house
	ctx        context.Context
	scheduler  *Scheduler
	deposed    *Scheduler // led before, and does not know better; nil: none
	queue      *shelf
	relay      int64
	lists      [2]int64
	campaign   int64
	people     []*person
	executions []*execution
	session    int64
	focus      *beginning // beside which something else is to happen; nil: nothing is
	hold       bool       // doubts wait for a person

	// What orders have committed.
	paused, cancelled, stopped, braked bool
	limit                              int64       // an hour; 0: none
	begins                             []time.Time // since the limit was set
}

// person is somebody of the world, with all that was sent to them.
type person struct {
	subscribers.Subscriber
	address  address.Address
	lists    []int64 // on which they still are
	no       bool    // committed, of whatever kind
	reached  bool    // it is known, in a commit, that they got the mail
	attempts map[int]*attempt
}

// attempt is one that has begun.
type attempt struct {
	batch  *execution
	row    Delivery    // as the execution loaded it
	answer smtp.Result // the relay's; the zero one: none yet
}

// execution is a worker's view of a batch, with what it knows.
type execution struct {
	Batch
	rows    []Delivery
	under   map[int64]*attempt // begun, by person
	written bool               // written off by recovery, or finished
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

const peopleInModel = 4

func (h *house) world(rt *rapid.T) *world {
	w := &world{T: rt, house: h, ctx: context.Background(), queue: &shelf{}, session: 1, hold: rapid.IntRange(0, 4).Draw(rt, "hold") == 0}
	h.worlds++
	h.now = h.now.AddDate(0, 0, 2) // of what an earlier world left nothing counts any more
	w.tidy()
	w.write(func(tx *database.Tx) error {
		for i := range w.lists {
			l, err := h.store.people.CreateList(w.ctx, tx, subscribers.List{Name: fmt.Sprintf("world %d, list %d", h.worlds, i)})
			if err != nil {
				return err
			}
			w.lists[i] = l.ID
		}
		for i := range peopleInModel {
			if err := w.born(tx, i); err != nil {
				return err
			}
		}
		uncertain := "resend"
		if w.hold {
			uncertain = "hold"
		}
		c, err := w.store.Create(w.ctx, tx, Campaign{Name: "c", Subject: "s", Text: "t", SenderID: h.sender, ListIDs: w.lists[:], OnUncertain: uncertain})
		if err != nil {
			return err
		}
		w.campaign = c.ID
		_, err = w.store.Launch(w.ctx, tx, c.ID, time.Time{}, Canary{}, Clearance{})
		return err
	})
	v, err := h.store.senders.Sender(w.ctx, h.sender)
	w.must(err)
	w.relay = v.RelayIDs[0]
	w.scheduler = w.leader()
	return w
}

// born makes a person on one or both lists.
func (w *world) born(tx *database.Tx, i int) error {
	a, err := address.Parse(fmt.Sprintf("w%dp%d@example.org", w.worlds, i))
	if err != nil {
		return err
	}
	p := &person{address: a, lists: w.lists[:1+i%2], attempts: map[int]*attempt{}}
	for _, l := range p.lists {
		in, err := w.store.people.Enroll(w.ctx, tx, l, []subscribers.Person{{Address: a}}, consent.Statement{Basis: consent.OptIn, Source: "test", At: w.now}, false)
		if err != nil {
			return err
		}
		p.ID = in[0].ID
	}
	p.Key = a.Key()
	w.people = append(w.people, p)
	return nil
}

// tidy ends what a world that failed has left.
func (w *world) tidy() {
	w.write(func(tx *database.Tx) error {
		for _, query := range []string{
			`UPDATE stops SET lifted_at = 1 WHERE lifted_at = 0`,
			`DELETE FROM batches`,
			`UPDATE campaigns SET status = 'cancelled', finished_at = 1 WHERE status IN ('sending', 'paused')`,
			`UPDATE deliveries SET status = 'skipped', wait = 0 WHERE status IN ('queued', 'deferred', 'sending')`,
			`DELETE FROM campaign_counts`,
		} {
			if _, err := tx.Exec(w.ctx, query); err != nil {
				return err
			}
		}
		return nil
	})
	w.lift()
}

// leader takes the lead from whoever has it.
func (w *world) leader() *Scheduler {
	s := NewScheduler(w.store, w.process, w.queue, DefaultPatience(), slog.New(slog.NewTextHandler(io.Discard, nil)))
	if !s.lead(w.ctx) {
		w.Fatal("does not lead")
	}
	return s
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
