package worker

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"facteur/campaign"
	"facteur/feedback"
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

// Law 9: letters keep the laws of deliveries. Whatever the interleaving of
// begins, answers, lost and late answers, noes, stops, rests, warm-ups and
// moved clocks, no letter begins against a no that its kind may not pass, no
// attempt begins twice, none begins that is known to have arrived, one is sent
// again by machine at most once, and at the end each has an end.
// -rapid.checks=1000 plays more.
func TestLetter_HoldsItsLawsUnderAnyInterleaving(t *testing.T) {
	checks := map[string]string{"SQLite": "40", "PostgreSQL": "15"}
	databasetest.Each(t, func(t *testing.T, db *database.DB) { // its own clock is not moved: this only names the engine
		engine, dsn := "SQLite", databasetest.SQLite
		if db.Engine() == database.Postgres {
			engine, dsn = "PostgreSQL", databasetest.Postgres
		}
		if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
			_ = f.Value.Set(checks[engine])
			t.Cleanup(func() { _ = f.Value.Set(f.DefValue) })
		}
		o := newPost(t, dsn(t))
		rapid.Check(t, func(rt *rapid.T) {
			w := o.world(rt)
			for range rapid.IntRange(20, 80).Draw(rt, "steps") {
				w.step()
				w.check()
			}
			w.end()
		})
	})
}

// post is the worker whose gate and recorder all worlds of one database use.
type post struct {
	*Worker
	ctx           context.Context
	clock         atomic.Int64 // Unix milliseconds
	relay         sending.Relay
	domain        sending.Domain
	sender, list  int64
	worlds        int
	begunOfDay    map[claim]int
	invitesOfDay  map[claim]int
	line          *line
	latestOfClock int64
}

// A warm-up of the model: so many mails a day, of which one may be an invitation.
const (
	modelDomain = "news.example.com"
	modelCap    = 5
)

func newPost(t *testing.T, dsn string) *post {
	o := &post{ctx: context.Background(), begunOfDay: map[claim]int{}, invitesOfDay: map[claim]int{}}
	o.clock.Store(time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC).UnixMilli())
	db := databasetest.OpenAt(t, dsn, func() time.Time { return time.UnixMilli(o.clock.Load()).UTC() })
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	log := slog.New(slog.DiscardHandler)
	process, err := database.Join(o.ctx, db, t.TempDir())
	must(err)
	keys, err := keyring.Open(o.ctx, db, "a secret of the tests")
	must(err)
	people := subscribers.NewStore(db).Keyed(keys)
	senders, pace := sending.NewStore(db, keys), throttle.NewStore(db)
	campaigns := campaign.NewStore(db, people, senders, pace)
	embedded, err := StartEmbedded()
	must(err)
	r, noes := embedded.Client(), subscribers.NewNoes(people)
	o.Worker = New(Options{
		DB: db, Process: process, Redis: r, Campaigns: campaigns, People: people, Senders: senders, Pace: pace, Noes: noes, Log: log,
		Composer: NewComposer(campaigns, people, keys, senders, "http://127.0.0.1:8080"), Patience: campaign.DefaultPatience(),
		Feedback: feedback.NewProcessor(feedback.Options{DB: db, Keys: keys, People: people, Campaigns: campaigns, Sending: senders, Pace: pace, Noes: noes, Log: log}),
	})
	t.Cleanup(func() {
		_ = process.Leave(o.ctx)
		_ = r.Close()
		embedded.Close()
	})
	must(db.Write(o.ctx, func(tx *database.Tx) (err error) {
		if o.relay, err = senders.CreateRelay(o.ctx, tx, sending.Relay{Host: "127.0.0.1", Security: smtp.None}, nil); err != nil {
			return err
		}
		if o.domain, err = senders.CreateDomain(o.ctx, tx, sending.Domain{Name: modelDomain, Warmup: sending.NoWarmup}); err != nil {
			return err
		}
		v, err := senders.CreateSender(o.ctx, tx, sending.Sender{FromEmail: "hello@" + modelDomain, PostalAddress: "here", RelayIDs: []int64{o.relay.ID}})
		if err != nil {
			return err
		}
		l, err := people.CreateList(o.ctx, tx, subscribers.List{Name: "all"})
		o.sender, o.list = v.ID, l.ID
		return err
	}))
	o.line = &line{relay: o.relay}
	return o
}

// letterWorld is the model: what really happened, beside the stores under test.
type letterWorld struct {
	*rapid.T
	*post
	people        []*addressee
	letters       []*written
	carried       []*carried
	stopped, warm bool
}

// addressee is somebody of the world, with the one no that they have said.
type addressee struct {
	id      int64
	address address.Address
	no      string
	bounced bool // a relay has said that nobody is there
	at      int64
}

// written is a letter, with what is known of it.
type written struct {
	sending.Letter
	who    *addressee
	tries  map[int]*carried
	before bool   // its addressee's no, whatever the clock said
	gone   bool   // erased with its addressee
	known  bool   // in a commit: it was taken by the relay
	status string // when it was last looked at
}

// carried is a letter in the hands of one execution.
type carried struct {
	*letterMail
	of    *written
	begun bool
	reply smtp.Result // the relay's; the zero one: none yet
	told  bool        // that reply
}

func (o *post) world(rt *rapid.T) *letterWorld {
	w := &letterWorld{T: rt, post: o}
	o.worlds++
	o.clock.Store(o.latest() + (48 * time.Hour).Milliseconds())
	w.write(func(tx *database.Tx) error {
		_, err := tx.Exec(w.ctx, `DELETE FROM letters`) // what a world that failed has left
		for i := range 3 {
			if err == nil {
				err = w.born(tx, i)
			}
		}
		return err
	})
	w.calm()
	return w
}

// latest is the latest time that the clock has ever shown.
func (o *post) latest() int64 {
	o.latestOfClock = max(o.latestOfClock, o.clock.Load())
	return o.latestOfClock
}

// born makes a person who has filled in a form and was invited, too.
func (w *letterWorld) born(tx *database.Tx, i int) error {
	a, err := address.Parse(fmt.Sprintf("w%dp%d@example.org", w.worlds, i))
	if err != nil {
		return err
	}
	in, err := w.post.people.Enroll(w.ctx, tx, w.list, []subscribers.Person{{Address: a}},
		consent.Statement{Basis: consent.OptIn, Source: "test", At: w.db.Now().Add(-time.Hour)}, false)
	if err != nil {
		return err
	}
	p := &addressee{id: in[0].ID, address: a}
	w.people = append(w.people, p)
	if _, err = tx.Exec(w.ctx, `UPDATE subscriptions SET status = 'pending' WHERE subscriber_id = ?`, p.id); err != nil {
		return err
	}
	_, err = tx.Exec(w.ctx, `INSERT INTO invitations (list_id, subscriber_id, kind, state, lapse, created_at, asked_at) VALUES (?, ?, 'reconfirm', 'written', 'keep', 0, 0)`, w.list, p.id)
	return err
}

func (w *letterWorld) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *letterWorld) write(change func(tx *database.Tx) error) {
	w.Helper()
	w.must(w.db.Write(w.ctx, change))
}
