package worker_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"facteur/campaign"
	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/sending/sandbox"
	"facteur/subscribers"
	"facteur/subscribers/consent"
)

func TestDoubts_TheLastOnesOfACampaignProbeTheirRelay(t *testing.T) {
	t.Parallel()
	s := box(t, sandbox.Options{Rules: []sandbox.Rule{{Fraction: 1, Action: "swallow"}}})
	e := start(t, databasetest.New(t))
	id := e.launch(e.sender(s, 6), e.list("all", addresses("person", 6)...))
	e.await(id, 20*time.Second, func(_ campaign.Campaign, n campaign.Counts) bool { return n.Doubted == 6 })
	if err := s.SetRules(nil); err != nil {
		t.Fatal(err)
	}
	// Nothing else is left that could show that the relay answers again.
	if n := e.sent(id, 60*time.Second); n.Sent+n.Uncertain != 6 || n.Sent == 0 {
		t.Errorf("counts %+v", n)
	}
}

func TestResendFailed_TwiceAtOnceKeepsTheBooks(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := box(t, sandbox.Options{})
		e := start(t, db)
		var emails []string
		for i := range 60 {
			emails = append(emails, fmt.Sprintf("content%d@example.org", i))
		}
		id := e.launch(e.sender(s, 5), e.list("all", emails...))
		e.sent(id, 20*time.Second)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if _, err := e.campaigns.ResendFailed(context.Background(), id); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := e.sent(id, 30*time.Second); n.Failed != 60 {
			t.Errorf("counts %+v", n)
		}
	})
}

// What a commit began whose answer was lost has no batch to be found by any
// more when its execution ends: Finish must not leave it behind.
func TestFinish_LeavesNoBegunRowBehind(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := box(t, sandbox.Options{})
		e := start(t, db)
		e.write(func(ctx context.Context, tx *database.Tx) error { // so that the worker leaves the batch to us
			_, err := e.campaigns.StopAll(ctx, tx, "test")
			return err
		})
		id := e.launch(e.sender(s, 2), e.list("all", addresses("person", 3)...))
		e.await(id, 10*time.Second, func(c campaign.Campaign, _ campaign.Counts) bool { return c.Planned })
		ctx := context.Background()
		people, err := e.people.Subscribers(ctx, 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		b := campaign.Batch{ID: db.NewID(), CampaignID: id, Execution: db.NewID(), Members: []int64{people[0].ID, people[1].ID, people[2].ID}}
		d, err := e.campaigns.Delivery(ctx, id, people[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		e.write(func(ctx context.Context, tx *database.Tx) error {
			b.Lane = d.Lane
			_, err := tx.Exec(ctx, `INSERT INTO batches (id, campaign_id, lane, size, members, state, session, execution, released_at, enqueued_at) VALUES (?, ?, ?, 3, '[]', 'taken', ?, ?, 0, 0)`,
				b.ID, id, b.Lane, e.process.Session(), b.Execution)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `UPDATE deliveries SET wait = 0, batch_id = ? WHERE campaign_id = ?`, b.ID, id); err != nil {
				return err
			}
			tally := campaign.Tally{}
			attempts := []campaign.Attempt{
				{CampaignID: id, SubscriberID: people[0].ID, BatchID: b.ID, Execution: b.Execution, Number: 1, Provider: "other", FirstAt: 1},
				{CampaignID: id, SubscriberID: people[1].ID, BatchID: b.ID, Execution: b.Execution, Number: 1, Provider: "other", FirstAt: 1},
			}
			if _, err := e.campaigns.Begin(ctx, tx, attempts, tally); err != nil {
				return err
			}
			return e.campaigns.Count(ctx, tx, tally)
		})
		// Of the first it is known that its body never began; of the second nothing is known.
		if err := e.campaigns.Finish(ctx, b, []int64{people[0].ID}, 0); err != nil {
			t.Fatal(err)
		}
		for i, want := range []campaign.DeliveryStatus{campaign.Deferred, campaign.Uncertain, campaign.Queued} {
			// The first may have been woken meanwhile.
			if d, err := e.campaigns.Delivery(ctx, id, people[i].ID); err != nil || d.Status != want && (i != 0 || d.Status != campaign.Queued) {
				t.Errorf("person %d is %s, %v; want %s", i, d.Status, err, want)
			}
		}
		e.write(func(ctx context.Context, tx *database.Tx) error { return e.campaigns.LiftStop(ctx, tx, "test is over") })
		if n := e.sent(id, 30*time.Second); n.Sent != 3 {
			t.Errorf("counts %+v", n)
		}
	})
}

func TestLeave_ANoSaidAgainIsTheYoungerOne(t *testing.T) {
	e := start(t, databasetest.New(t))
	list := e.list("all", "anne@example.org")
	ctx := context.Background()
	p, err := e.people.SubscriberByKey(ctx, "anne@example.org")
	if err != nil {
		t.Fatal(err)
	}
	leave := func() {
		e.write(func(ctx context.Context, tx *database.Tx) error {
			_, err := e.people.Leave(ctx, tx, p.ID, []int64{list}, "test")
			return err
		})
	}
	leave()
	time.Sleep(5 * time.Millisecond)
	yes := time.Now() // a new yes …
	time.Sleep(5 * time.Millisecond)
	leave() // … and a no after it
	e.write(func(ctx context.Context, tx *database.Tx) error {
		out, err := e.people.Enroll(ctx, tx, list, []subscribers.Person{{Address: parse(t, "anne@example.org")}}, consent.Statement{Basis: consent.DoubleOptIn, Source: "form", At: yes}, true)
		if err == nil && out[0].Err == nil {
			t.Error("a yes from before the last no brought her back")
		}
		return err
	})
}
