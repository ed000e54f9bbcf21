package worker_test

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"facteur/campaign"
	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/internal/keyring"
	"facteur/sending"
	"facteur/sending/sandbox"
	"facteur/subscribers"
	"facteur/throttle"
	"facteur/worker"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
)

// countedQueue counts what is released.
type countedQueue struct {
	campaign.Queue
	redis    redis.UniversalClient
	released atomic.Int64
}

func (q *countedQueue) Release(ctx context.Context, ids []int64) error {
	q.released.Add(int64(len(ids)))
	return q.Queue.Release(ctx, ids)
}

// showing opens the database of a URL with a clock that shows a moment now.
func showing(t *testing.T, url string, moment time.Time) *database.DB {
	t.Helper()
	begun := time.Now()
	db, err := database.Open(t.Context(), url, database.Options{Now: func() time.Time { return moment.Add(time.Since(begun)) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// ticks are how many rounds a scheduler has done.
func ticks(t *testing.T, s *campaign.Scheduler) uint64 {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(s.Metrics()...)
	all, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if strings.HasSuffix(m.GetName(), "_tick_seconds") {
			return m.GetMetric()[0].GetHistogram().GetSampleCount()
		}
	}
	return 0
}

// Around midnight, and when a calendar opens, the scheduler's clock and a
// worker's may disagree: a batch must not be cut, given back and cut again as
// fast as the machine can.
func TestSkew_MakesNoHotLoop(t *testing.T) {
	midnight := time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)
	warmup := func(e *engine) {
		e.write(func(ctx context.Context, tx *database.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE domains SET warmup = 'conservative'`)
			return err
		})
	}
	for name, c := range map[string]struct {
		ahead    time.Duration // of midnight, the worker; the scheduler as much behind it
		prepare  func(e *engine)
		calendar campaign.Calendar
	}{
		"the worker's is behind":                 {ahead: -30 * time.Second, prepare: warmup},
		"the worker's is ahead":                  {ahead: 30 * time.Second, prepare: warmup},
		"the worker's is behind when hours open": {ahead: -30 * time.Second, calendar: campaign.Calendar{QuietFrom: "20:00", QuietTo: "00:00"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := databasetest.Postgres(t)
			_ = databasetest.Open(t, url)
			theirs, ours := showing(t, url, midnight.Add(-c.ahead)), showing(t, url, midnight.Add(c.ahead))
			scheduler, queue := leading(t, theirs)
			e := startOn(t, ours, queue.redis)
			box := box(t, sandbox.Options{})
			sender := e.sender(box, 2)
			if c.prepare != nil {
				c.prepare(e)
			}
			list := e.list("all", "ada@example.org", "bob@example.org", "eve@example.org")
			e.write(func(ctx context.Context, tx *database.Tx) error {
				made, err := e.campaigns.Create(ctx, tx, campaign.Campaign{Name: "Hello", Subject: "Hello", HTML: "<p>Hello</p>", SenderID: sender, ListIDs: []int64{list}, Calendar: c.calendar})
				if err != nil {
					return err
				}
				_, err = e.campaigns.Launch(ctx, tx, made.ID, time.Time{}, campaign.Canary{}, campaign.Clearance{})
				return err
			})
			for queue.released.Load() == 0 {
				scheduler.Nudge()
				time.Sleep(10 * time.Millisecond)
			}
			begun := time.Now()
			for from := ticks(t, scheduler); ticks(t, scheduler) < from+60; {
				scheduler.Nudge()
				time.Sleep(10 * time.Millisecond)
			}
			if n, most := queue.released.Load(), 2+int64(time.Since(begun)/time.Second); n > most {
				t.Errorf("%d batches were cut in 60 rounds for three people whose time it is not, want at most %d", n, most)
			}
			if n := box.Count().Accepted; n != 0 {
				t.Errorf("%d were mailed by a worker whose clock says that it is not time", n)
			}
		})
	}
}

// leading is a scheduler that leads, and the queue by which it offers.
func leading(t *testing.T, db *database.DB) (*campaign.Scheduler, *countedQueue) {
	t.Helper()
	leader, err := database.Join(t.Context(), db, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = leader.Leave(context.Background()) })
	embedded, err := worker.StartEmbedded()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(embedded.Close)
	keys, err := keyring.Open(t.Context(), db, "a secret of the tests")
	if err != nil {
		t.Fatal(err)
	}
	people, senders := subscribers.NewStore(db).Keyed(keys), sending.NewStore(db, keys)
	queue := &countedQueue{Queue: worker.NewQueue(embedded.Client()), redis: embedded.Client()}
	s := campaign.NewScheduler(campaign.NewStore(db, people, senders, throttle.NewStore(db)), leader, queue, quick, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	for ticks(t, s) == 0 {
		time.Sleep(10 * time.Millisecond) // it tells nobody that it leads
	}
	return s, queue
}
