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
)

// counted is a queue that counts what is released.
type counted struct {
	campaign.Queue
	released atomic.Int64
}

func (q *counted) Release(ctx context.Context, ids []int64) error {
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

// Around midnight the scheduler's clock and a worker's may disagree about
// today: a batch must not be cut, given back and cut again without a pause.
func TestWarmup_ClocksThatDisagreeAboutTodayMakeNoHotLoop(t *testing.T) {
	midnight := time.Now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
	for name, ahead := range map[string]time.Duration{"the worker's is behind": -30 * time.Second, "the worker's is ahead": 30 * time.Second} {
		t.Run(name, func(t *testing.T) {
			url := databasetest.Postgres(t)
			_ = databasetest.Open(t, url)
			theirs, ours := showing(t, url, midnight.Add(-ahead)), showing(t, url, midnight.Add(ahead))
			leader, err := database.Join(t.Context(), theirs, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = leader.Leave(context.Background()) })
			embedded, err := worker.StartEmbedded()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(embedded.Close)
			keys, err := keyring.Open(t.Context(), theirs, "a secret of the tests")
			if err != nil {
				t.Fatal(err)
			}
			people, senders := subscribers.NewStore(theirs).Keyed(keys), sending.NewStore(theirs, keys)
			queue := &counted{Queue: worker.NewQueue(embedded.Client())}
			scheduler := campaign.NewScheduler(campaign.NewStore(theirs, people, senders, throttle.NewStore(theirs)), leader, queue, quick, slog.New(slog.DiscardHandler))
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); scheduler.Run(ctx) }()
			t.Cleanup(func() { cancel(); <-done })
			for ticks(t, scheduler) == 0 {
				time.Sleep(10 * time.Millisecond) // it tells nobody that it leads
			}
			e := startOn(t, ours, embedded.Client())
			box := box(t, sandbox.Options{})
			sender := e.sender(box, 2)
			e.write(func(ctx context.Context, tx *database.Tx) error {
				_, err := tx.Exec(ctx, `UPDATE domains SET warmup = 'conservative'`)
				return err
			})
			e.launch(sender, e.list("all", "ada@example.org", "bob@example.org", "eve@example.org"))
			for queue.released.Load() == 0 {
				scheduler.Nudge()
				time.Sleep(10 * time.Millisecond)
			}
			for from := ticks(t, scheduler); ticks(t, scheduler) < from+60; {
				time.Sleep(10 * time.Millisecond) // the rounds come at their own pace
			}
			if n := queue.released.Load(); n > 2 {
				t.Errorf("%d batches were cut in 60 rounds for three people whose day it is not", n)
			}
		})
	}
}
