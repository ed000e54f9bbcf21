package worker_test

import (
	"context"
	"testing"
	"time"

	"facteur/campaign"
	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/sending"
	"facteur/sending/sandbox"
	"facteur/throttle"
)

// A warm-up that is switched on holds from its answer on, also for what was
// released before: the day's cap is asked at the begin.
func TestWarmup_SwitchedOnHoldsWhatIsReleased(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		e := start(t, db)
		s := box(t, sandbox.Options{Latency: 5 * time.Millisecond})
		id := e.launch(e.sender(s, 10), e.list("all", addresses("person", 3000)...))
		e.await(id, 30*time.Second, atLeast(100))
		var before campaign.Counts
		e.write(func(ctx context.Context, tx *database.Tx) error {
			d, err := e.senders.With(tx).DomainByName(ctx, "news.example.com")
			if err != nil {
				return err
			}
			d.Warmup, d.Ramp = sending.OwnWarmup, "[40]"
			if _, err = e.senders.SetWarmup(ctx, tx, d); err != nil {
				return err
			}
			before, err = e.campaigns.With(tx).Counts(ctx, id) // nothing begins until the commit
			return err
		})
		begun := before.Sent + before.Sending
		_, n := e.await(id, 30*time.Second, func(_ campaign.Campaign, n campaign.Counts) bool { return n.Sent >= begun+38 })
		for range 5 { // rounds in which it would go on
			e.scheduler.Nudge()
			time.Sleep(100 * time.Millisecond)
		}
		if n, _ = e.campaigns.Counts(context.Background(), id); n.Sent+n.Sending > begun+40 || n.Queued == 0 {
			t.Errorf("%d had begun, and the cap is 40: %+v", begun, n)
		}
		if c := s.Count(); c.Duplicates != 0 {
			t.Errorf("sandbox %+v", c)
		}
	})
}

// Law 11: a batch whose next permit is far away goes back with its time, and
// holds no place among the handlers until then.
func TestBatch_WaitsForLongElsewhere(t *testing.T) {
	t.Parallel()
	e := start(t, databasetest.New(t))
	s := box(t, sandbox.Options{Latency: 5 * time.Millisecond})
	id := e.launch(e.sender(s, 2), e.list("all", addresses("person", 3000)...))
	e.await(id, 30*time.Second, atLeast(50))
	e.limit(throttle.AllScope, throttle.Limit{PerMinute: 1}) // while batches are out
	e.await(id, 30*time.Second, func(_ campaign.Campaign, n campaign.Counts) bool {
		batches, _ := e.worker.Busy()
		return batches == 0 && n.Queued > 0
	})
}

// Law 11: nor does a letter, which waits for its time in the table.
func TestLetter_WaitsForLongElsewhere(t *testing.T) {
	t.Parallel()
	e := start(t, databasetest.New(t))
	s := box(t, sandbox.Options{})
	sender := e.sender(s, 2)
	e.limit(throttle.AllScope, throttle.Limit{PerMinute: 1})
	e.write(func(ctx context.Context, tx *database.Tx) error {
		for _, to := range addresses("boss", 3) {
			l := sending.Letter{ID: e.db.NewID(), Kind: sending.TestLetter, SenderID: sender, Email: to, Message: "Subject: test\r\n\r\nHello.\r\n"}
			if err := e.senders.WriteLetter(ctx, tx, l); err != nil {
				return err
			}
		}
		return nil
	})
	e.scheduler.Nudge()
	waitFor(t, 30*time.Second, func() bool { return s.Count().Accepted == 1 })
	waitFor(t, 30*time.Second, func() bool {
		var waiting int
		err := e.db.Get(context.Background(), &waiting, `SELECT COUNT(*) FROM letters WHERE session = 0 AND wait = 2 AND not_before > ?`, time.Now().Add(10*time.Second).UnixMilli())
		return err == nil && waiting == 2
	})
}
