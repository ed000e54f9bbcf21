package worker_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"facteur/campaign"
	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/sending"
	"facteur/sending/sandbox"
	"facteur/throttle"
)

// A no at the begin costs at most the connections that are open: what has
// opened an envelope in vain stops being fed, whatever said the no.
func TestBegin_ANoCutsNoMoreConnectionsThanAreOpen(t *testing.T) {
	t.Parallel()
	const open = 10
	lane := throttle.Lane{Domain: "news.example.com", Provider: "other"}
	for name, no := range map[string]func(e *engine, id int64) (undo func()){
		"stop": func(e *engine, _ int64) func() {
			e.stopAll("wrong price")
			return e.liftStop
		},
		"pause": func(e *engine, id int64) func() {
			e.pause(id)
			return func() { e.mustResume(id) }
		},
		"cancel": func(e *engine, id int64) func() {
			e.write(func(ctx context.Context, tx *database.Tx) error {
				_, err := e.campaigns.Cancel(ctx, tx, id, "mistake")
				return err
			})
			return nil
		},
		"breaker": func(e *engine, _ int64) func() {
			e.write(func(ctx context.Context, tx *database.Tx) error {
				if err := tx.Gate(ctx, true); err != nil {
					return err
				}
				_, err := e.pace.Trip(ctx, tx, lane.Scope(), throttle.Bounces, "the test says so")
				return err
			})
			return func() {
				e.write(func(ctx context.Context, tx *database.Tx) error {
					return e.pace.Resume(ctx, tx, lane.Scope(), "it was right")
				})
			}
		},
		"hour": func(e *engine, _ int64) func() {
			e.limit("all", throttle.Limit{PerHour: 1})
			return func() { e.limit("all", throttle.Limit{}) }
		},
		"day": func(e *engine, _ int64) func() {
			e.exec(`UPDATE warmup_days SET cap = 0`)
			return func() { e.exec(`UPDATE warmup_days SET cap = 100000`) }
		},
		"all leave": func(e *engine, id int64) func() {
			e.write(func(ctx context.Context, tx *database.Tx) error {
				if err := tx.Gate(ctx, true); err != nil {
					return err
				}
				_, err := tx.Exec(ctx, `UPDATE subscriptions SET status = 'left'`) // as another process would, and without a note
				return err
			})
			return nil
		},
		"rows taken from a batch": func(e *engine, id int64) func() { // for no reason that can be told
			e.write(func(ctx context.Context, tx *database.Tx) error {
				if err := tx.Gate(ctx, true); err != nil {
					return err
				}
				_, err := tx.Exec(ctx, `UPDATE deliveries SET wait = 1, batch_id = 0 WHERE campaign_id = ? AND status = 'queued' AND wait = 0
					AND batch_id = (SELECT MAX(batch_id) FROM deliveries WHERE status = 'queued' AND wait = 0)`, id)
				return err
			})
			return func() {}
		},
		"taken over": func(e *engine, _ int64) func() {
			e.write(func(ctx context.Context, tx *database.Tx) error {
				_, _, err := e.campaigns.Recover(ctx, tx, e.process.Session(), false, 60_000)
				return err
			})
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			databasetest.Each(t, func(t *testing.T, db *database.DB) {
				s := box(t, sandbox.Options{})
				e := start(t, db)
				sender := e.sender(s, open)
				if name == "day" {
					e.ramp("[100000]")
				}
				id := e.launch(sender, e.list("all", addresses("person", 1200)...))
				e.await(id, 30*time.Second, func(_ campaign.Campaign, n campaign.Counts) bool { return n.Sent > 100 })
				undo := no(e, id)
				e.await(id, 30*time.Second, func(c campaign.Campaign, n campaign.Counts) bool {
					batches, _ := e.worker.Busy()
					return batches == 0 && n.Sending == 0 || c.Status == campaign.Sent
				})
				if n := s.Count(); n.Dropped > open {
					t.Errorf("%d connections were cut after DATA, want at most the %d that were open", n.Dropped, open)
				}
				if undo == nil {
					return
				}
				undo()
				if n := e.sent(id, 60*time.Second); n.Sent != 1200 || n.Doubted != 0 {
					t.Errorf("counts %+v", n)
				}
				var attempts int
				if err := db.Get(context.Background(), &attempts, `SELECT MAX(attempts) FROM deliveries`); err != nil || attempts != 1 {
					t.Errorf("%d attempts, %v: a no to us was counted against a person", attempts, err)
				}
			})
		})
	}
}

// A database that goes away in the middle takes back what is open, and opens
// no further envelopes until it answers again.
func TestBegin_ADatabaseThatIsAwayCutsNoMoreConnectionsThanAreOpen(t *testing.T) {
	t.Parallel()
	const open, people = 10, 1200
	dsn, name, super := databasetest.Plain(t)
	s := box(t, sandbox.Options{})
	e := start(t, databasetest.Open(t, dsn))
	id := e.launch(e.sender(s, open), e.list("all", addresses("person", people)...))
	e.await(id, 30*time.Second, atLeast(100))
	databasetest.Do(t, super, `ALTER ROLE `+name+` NOLOGIN`)
	databasetest.Cut(t, super, name)
	waitFor(t, 30*time.Second, func() bool { return e.worker.Ready() != nil })
	time.Sleep(time.Second) // for several tries of the recorder
	databasetest.Do(t, super, `ALTER ROLE `+name+` LOGIN`)
	if n := e.sent(id, 60*time.Second); n.Sent != people || n.Doubted != 0 {
		t.Errorf("counts %+v", n)
	}
	if n := s.Count(); n.Dropped > open {
		t.Errorf("%d connections were cut after DATA, want at most the %d that were open", n.Dropped, open)
	}
	onceEach(t, s, people)
}

// A letter is no campaign, and the red button is pressed for it too.
func TestStop_LettersOpenNoEnvelopes(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := box(t, sandbox.Options{})
		e := start(t, db)
		sender := e.sender(s, 10)
		e.stopAll("wrong price")
		var ids []int64
		e.write(func(ctx context.Context, tx *database.Tx) error {
			for i := range 40 {
				id := db.NewID()
				ids = append(ids, id)
				err := e.senders.WriteLetter(ctx, tx, sending.Letter{
					ID: id, Kind: sending.TestLetter, SenderID: sender, Email: fmt.Sprintf("boss%d@example.org", i),
					Message: "From: hello@news.example.com\r\nTo: boss@example.org\r\nMessage-ID: <letter@test>\r\nSubject: test\r\n\r\nHello.\r\n",
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
		ctx := context.Background()
		if err := e.queue.Letters(ctx, ids); err != nil {
			t.Fatal(err)
		}
		e.drained()
		if n := s.Count(); n.Dropped != 0 || n.Connections != 0 {
			t.Errorf("%d connections, of which %d were cut after DATA; want none", n.Connections, n.Dropped)
		}
		e.liftStop()
		waitFor(t, 30*time.Second, func() bool { return s.Count().Accepted == 40 })
	})
}

func (e *engine) stopAll(reason string) {
	e.t.Helper()
	e.write(func(ctx context.Context, tx *database.Tx) error {
		_, err := e.campaigns.StopAll(ctx, tx, reason)
		return err
	})
}

// exec changes what a test has no call for.
func (e *engine) exec(query string) {
	e.t.Helper()
	e.write(func(ctx context.Context, tx *database.Tx) error {
		_, err := tx.Exec(ctx, query)
		return err
	})
}

// ramp lets the senders' domain warm up by a ramp.
func (e *engine) ramp(ramp string) {
	e.t.Helper()
	e.write(func(ctx context.Context, tx *database.Tx) error {
		d, err := e.senders.With(tx).DomainByName(ctx, "news.example.com")
		if err != nil {
			return err
		}
		d.Warmup, d.Ramp = sending.OwnWarmup, ramp
		_, err = e.senders.SetWarmup(ctx, tx, d)
		return err
	})
}

func (e *engine) liftStop() {
	e.t.Helper()
	e.write(func(ctx context.Context, tx *database.Tx) error { return e.campaigns.LiftStop(ctx, tx, "it was right") })
}

func (e *engine) pause(id int64) {
	e.t.Helper()
	e.write(func(ctx context.Context, tx *database.Tx) error {
		_, err := e.campaigns.Pause(ctx, tx, id, "lunch")
		return err
	})
}

func (e *engine) mustResume(id int64) {
	e.t.Helper()
	if err := e.resume(id, "it was right"); err != nil {
		e.t.Fatal(err)
	}
}

// drained waits until the queue holds no task any more.
func (e *engine) drained() {
	e.t.Helper()
	ctx := context.Background()
	waitFor(e.t, 30*time.Second, func() bool {
		n := int64(0)
		for _, key := range []string{"urgent", "campaigns"} {
			for _, state := range []string{"pending", "active"} {
				n += e.redis.LLen(ctx, "asynq:{"+key+"}:"+state).Val()
			}
		}
		return n == 0
	})
}

// waitFor waits until something holds, for at most the given time.
func waitFor(t testing.TB, most time.Duration, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(most); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not so after %s", most)
		}
	}
}
