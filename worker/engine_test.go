package worker_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"testing"
	"time"

	"facteur/campaign"
	"facteur/feedback"
	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/internal/keyring"
	"facteur/sending"
	"facteur/sending/sandbox"
	"facteur/sending/smtp"
	"facteur/subscribers"
	"facteur/subscribers/consent"
	"facteur/throttle"
	"facteur/worker"

	"github.com/redis/go-redis/v9"
)

// engine is a whole sending process around a database, as serve wires it.
type engine struct {
	t         testing.TB
	db        *database.DB
	process   *database.Process
	people    *subscribers.Store
	senders   *sending.Store
	pace      *throttle.Store
	campaigns *campaign.Store
	noes      *subscribers.Noes
	keys      *keyring.Keyring
	feedback  *feedback.Processor
	queue     *worker.Queue
	redis     redis.UniversalClient
	worker    *worker.Worker
	composer  *worker.Composer
	scheduler *campaign.Scheduler
	log       *slog.Logger
	stop      func()
}

// quick is a patience for tests: the same rules, smaller numbers.
var quick = campaign.Patience{First: 200 * time.Millisecond, Most: time.Second, GiveUp: time.Hour, FinalDot: 3 * time.Second}

func start(t testing.TB, db *database.DB) *engine {
	t.Helper()
	embedded, err := worker.StartEmbedded()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(embedded.Close)
	return startOn(t, db, embedded.Client())
}

// startOn is start with a queue of the test's own.
func startOn(t testing.TB, db *database.DB, r redis.UniversalClient) *engine {
	t.Helper()
	ctx := context.Background()
	log := slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	e := &engine{t: t, db: db, log: log}
	var err error
	if e.process, err = database.Join(ctx, db, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	keys, err := keyring.Open(ctx, db, "a secret of the tests")
	if err != nil {
		t.Fatal(err)
	}
	e.people = subscribers.NewStore(db).Keyed(keys)
	e.senders = sending.NewStore(db, keys)
	e.pace = throttle.NewStore(db)
	e.campaigns = campaign.NewStore(db, e.people, e.senders, e.pace)
	e.noes = subscribers.NewNoes(e.people)
	e.redis = r
	e.queue = worker.NewQueue(e.redis)
	e.scheduler = campaign.NewScheduler(e.campaigns, e.process, e.queue, quick, log)
	e.feedback = feedback.NewProcessor(feedback.Options{DB: db, Keys: keys, People: e.people, Campaigns: e.campaigns, Sending: e.senders, Pace: e.pace, Noes: e.noes, Log: log})
	e.keys = keys
	e.composer = worker.NewComposer(e.campaigns, e.people, keys, e.senders, "http://127.0.0.1:8080")
	e.work()
	running, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); e.scheduler.Run(running) }()
	stopped := false
	e.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		<-done
		e.worker.Close()
		goodbye, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		_ = e.process.Leave(goodbye)
		_ = e.redis.Close()
	}
	t.Cleanup(e.stop)
	return e
}

// work starts a worker; the caller has closed the one before.
func (e *engine) work() {
	e.t.Helper()
	e.worker = worker.New(worker.Options{
		Feedback: e.feedback, DB: e.db, Process: e.process, Redis: e.redis, Campaigns: e.campaigns, People: e.people, Senders: e.senders, Pace: e.pace,
		Composer: e.composer, Noes: e.noes, Patience: quick,
		Timeouts: smtp.Timeouts{Connect: 5 * time.Second, Command: 5 * time.Second, FinalDot: quick.FinalDot}, OnFinished: e.scheduler.Nudge, Drain: 3 * time.Second, Log: e.log,
	})
	if err := e.worker.Start(); err != nil {
		e.t.Fatal(err)
	}
}

type testLog struct{ t testing.TB }

func (l testLog) Write(b []byte) (int, error) {
	if l.t.Context().Err() == nil {
		l.t.Log(string(b))
	}
	return len(b), nil
}

// write runs a change that must succeed.
func (e *engine) write(change func(ctx context.Context, tx *database.Tx) error) {
	e.t.Helper()
	ctx := context.Background()
	if err := e.db.Write(ctx, func(tx *database.Tx) error { return change(ctx, tx) }); err != nil {
		e.t.Fatal(err)
	}
}

// list makes a list of confirmed people with the given addresses.
func (e *engine) list(name string, emails ...string) int64 {
	e.t.Helper()
	return e.listIn(name, "", emails...)
}

// listIn is list, of people in a time zone.
func (e *engine) listIn(name, zone string, emails ...string) int64 {
	e.t.Helper()
	var id int64
	e.write(func(ctx context.Context, tx *database.Tx) error {
		l, err := e.people.CreateList(ctx, tx, subscribers.List{Name: name})
		id = l.ID
		return err
	})
	for len(emails) > 0 {
		n := min(500, len(emails))
		page := make([]subscribers.Person, n)
		for i, email := range emails[:n] {
			a, err := address.Parse(email)
			if err != nil {
				e.t.Fatal(err)
			}
			page[i] = subscribers.Person{Address: a, Name: "Person " + strconv.Itoa(i), Timezone: zone, Attributes: `{"city":"Lyon"}`}
		}
		e.write(func(ctx context.Context, tx *database.Tx) error {
			_, err := e.people.Enroll(ctx, tx, id, page, consent.Statement{Basis: consent.OptIn, Source: "test", At: e.db.Now().Add(-time.Hour)}, false)
			return err
		})
		emails = emails[n:]
	}
	return id
}

// sender makes a relay to the sandbox and a sender that uses it.
func (e *engine) sender(box *sandbox.Server, connections int) int64 {
	e.t.Helper()
	host, port, err := net.SplitHostPort(box.Addr())
	if err != nil {
		e.t.Fatal(err)
	}
	n, _ := strconv.Atoi(port)
	var id int64
	e.write(func(ctx context.Context, tx *database.Tx) error {
		r, err := e.senders.CreateRelay(ctx, tx, sending.Relay{Name: "sandbox " + port, Host: host, Port: n, Security: smtp.None, MaxConnections: connections}, nil)
		if err != nil {
			return err
		}
		if _, err := e.senders.With(tx).DomainByName(ctx, "news.example.com"); err != nil {
			if _, err := e.senders.CreateDomain(ctx, tx, sending.Domain{Name: "news.example.com", Warmup: "none"}); err != nil {
				return err
			}
		}
		v, err := e.senders.CreateSender(ctx, tx, sending.Sender{FromEmail: "hello@news.example.com", FromName: "News", PostalAddress: "1 rue de la Poste, Lyon", RelayIDs: []int64{r.ID}})
		id = v.ID
		return err
	})
	return id
}

// launch makes a campaign and sets it going.
func (e *engine) launch(senderID int64, lists ...int64) int64 {
	e.t.Helper()
	var id int64
	e.write(func(ctx context.Context, tx *database.Tx) error {
		c, err := e.campaigns.Create(ctx, tx, campaign.Campaign{Name: "Hello", Subject: "Hello {{ name }}", HTML: "<p>Hello {{ name }} in {{ attributes.city }}</p>", SenderID: senderID, ListIDs: lists})
		if err != nil {
			return err
		}
		id = c.ID
		_, err = e.campaigns.Launch(ctx, tx, id, time.Time{}, campaign.Canary{}, campaign.Clearance{})
		return err
	})
	e.scheduler.Nudge()
	return id
}

// await waits until the campaign's state satisfies want, for at most the given time.
func (e *engine) await(id int64, most time.Duration, want func(c campaign.Campaign, n campaign.Counts) bool) (campaign.Campaign, campaign.Counts) {
	e.t.Helper()
	ctx := context.Background()
	deadline := time.Now().Add(most)
	for {
		n, err := e.campaigns.Counts(ctx, id)
		if err != nil {
			e.t.Fatal(err)
		}
		c, err := e.campaigns.Campaign(ctx, id)
		if err != nil {
			e.t.Fatal(err)
		}
		if n.Balance() != 0 {
			e.t.Fatalf("books off by %d: %+v", n.Balance(), n)
		}
		if want(c, n) {
			return c, n
		}
		if time.Now().After(deadline) {
			e.t.Fatalf("still %s after %s: %+v", c.Status, most, n)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// sent waits until the campaign has ended, and checks its books against the rows.
func (e *engine) sent(id int64, most time.Duration) campaign.Counts {
	e.t.Helper()
	_, n := e.await(id, most, func(c campaign.Campaign, _ campaign.Counts) bool { return c.Status == campaign.Sent })
	rows, err := e.campaigns.Recount(context.Background(), id)
	if err != nil {
		e.t.Fatal(err)
	}
	if rows != n {
		e.t.Fatalf("running totals %+v, rows %+v", n, rows)
	}
	return n
}

func box(t testing.TB, o sandbox.Options) *sandbox.Server {
	t.Helper()
	s, err := sandbox.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// addresses are n plain ones.
func addresses(prefix string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s%d@example.org", prefix, i)
	}
	return out
}

func parse(t testing.TB, email string) address.Address {
	t.Helper()
	a, err := address.Parse(email)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
