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
	"facteur/subscribers"
	"facteur/throttle"
	"facteur/unsubscribe"
)

// Law 3: what committed before the begin wins, always.
func TestOptOut_NothingBeginsForThePersonAfterwards(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := box(t, sandbox.Options{Latency: 5 * time.Millisecond})
		e := start(t, db)
		list := e.list("all", addresses("person", 1500)...)
		id := e.launch(e.sender(s, 10), list)
		e.await(id, 20*time.Second, func(_ campaign.Campaign, n campaign.Counts) bool { return n.Sent > 100 })
		out := unsubscribe.NewOptOut(db, e.people, e.noes)
		ctx := context.Background()
		left := map[int64]int64{}
		people, err := e.people.Subscribers(ctx, 0, 2000)
		if err != nil {
			t.Fatal(err)
		}
		for i := len(people) - 1; i >= 0; i -= 5 {
			if err := out.Leave(ctx, unsubscribe.Word{Reference: unsubscribe.Reference{SubscriberID: people[i].ID}, Source: "test"}, []int64{list}); err != nil {
				t.Fatal(err)
			}
			left[people[i].ID] = time.Now().UnixMilli()
		}
		n := e.sent(id, 60*time.Second)
		skipped := 0
		for person, at := range left {
			d, err := e.campaigns.Delivery(ctx, id, person)
			if err != nil {
				t.Fatal(err)
			}
			if d.BegunAt > at {
				t.Errorf("begun %d ms after they had left", d.BegunAt-at)
			}
			if d.Status == campaign.Skipped {
				skipped++
			}
		}
		if int64(skipped) != n.Skipped || skipped == 0 || n.Sent+n.Skipped != 1500 {
			t.Errorf("%d of %d who left were skipped; counts %+v", skipped, len(left), n)
		}
	})
}

func TestPauseAndStop_NothingBeginsAfterThem(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := box(t, sandbox.Options{Latency: 5 * time.Millisecond})
		e := start(t, db)
		id := e.launch(e.sender(s, 10), e.list("all", addresses("person", 2000)...))
		ctx := context.Background()
		still := func(what string) {
			t.Helper()
			time.Sleep(2 * time.Second)
			before := s.Count().Accepted
			time.Sleep(500 * time.Millisecond)
			if after := s.Count().Accepted; after != before {
				t.Errorf("%s: %d more arrived", what, after-before)
			}
			if n, _ := e.campaigns.Counts(ctx, id); n.Sending != 0 || n.Balance() != 0 {
				t.Errorf("%s: %+v", what, n)
			}
		}
		e.await(id, 20*time.Second, func(_ campaign.Campaign, n campaign.Counts) bool { return n.Sent > 100 })
		e.write(func(ctx context.Context, tx *database.Tx) error {
			_, err := e.campaigns.Pause(ctx, tx, id, "lunch")
			return err
		})
		still("pause")
		e.write(func(ctx context.Context, tx *database.Tx) error {
			_, err := e.campaigns.Resume(ctx, tx, id, "")
			return err
		})
		e.await(id, 20*time.Second, func(_ campaign.Campaign, n campaign.Counts) bool { return n.Sent > 600 })
		e.write(func(ctx context.Context, tx *database.Tx) error {
			_, err := e.campaigns.StopAll(ctx, tx, "wrong price")
			return err
		})
		still("stop")
		e.write(func(ctx context.Context, tx *database.Tx) error { return e.campaigns.LiftStop(ctx, tx, "it was right") })
		if n := e.sent(id, 30*time.Second); n.Sent != 2000 || s.Count().Duplicates != 0 {
			t.Errorf("counts %+v, %d twice", n, s.Count().Duplicates)
		}
	})
}

func TestCancel_SkipsWhatWasNotSent(t *testing.T) {
	s := box(t, sandbox.Options{Latency: 5 * time.Millisecond})
	e := start(t, databasetest.New(t))
	id := e.launch(e.sender(s, 5), e.list("all", addresses("person", 3000)...))
	e.await(id, 20*time.Second, func(_ campaign.Campaign, n campaign.Counts) bool { return n.Sent > 50 })
	e.write(func(ctx context.Context, tx *database.Tx) error {
		_, err := e.campaigns.Cancel(ctx, tx, id, "mistake")
		return err
	})
	_, n := e.await(id, 20*time.Second, func(_ campaign.Campaign, n campaign.Counts) bool {
		return n.Queued+n.Sending+n.Deferred == 0
	})
	if n.Sent != s.Count().Accepted || n.Skipped == 0 {
		t.Errorf("counts %+v, sandbox %+v", n, s.Count())
	}
}

func TestTwoCampaignsAndALetter_NoneStarves(t *testing.T) {
	s := box(t, sandbox.Options{Latency: 10 * time.Millisecond})
	e := start(t, databasetest.New(t))
	sender := e.sender(s, 5)
	first := e.launch(sender, e.list("first", addresses("first", 2000)...))
	e.await(first, 20*time.Second, func(_ campaign.Campaign, n campaign.Counts) bool { return n.Sent > 50 })
	second := e.launch(sender, e.list("second", addresses("second", 2000)...))
	e.await(second, 20*time.Second, func(_ campaign.Campaign, n campaign.Counts) bool { return n.Sent > 50 })
	letter := e.db.NewID()
	e.write(func(ctx context.Context, tx *database.Tx) error {
		return e.senders.WriteLetter(ctx, tx, sending.Letter{
			ID: letter, Kind: sending.TestLetter, CampaignID: second, SenderID: sender, Email: "boss@example.org",
			Message: "From: hello@news.example.com\r\nTo: boss@example.org\r\nMessage-ID: <letter@test>\r\nSubject: test\r\n\r\nHello.\r\n",
		})
	})
	asked := time.Now()
	for len(s.Of("boss@example.org")) == 0 {
		if time.Since(asked) > 10*time.Second {
			t.Fatal("the letter starved")
		}
		time.Sleep(20 * time.Millisecond)
	}
	a, _ := e.campaigns.Counts(context.Background(), first)
	b, _ := e.campaigns.Counts(context.Background(), second)
	if a.Queued == 0 || b.Queued == 0 {
		t.Skip("too quick a machine to see the letter overtake") // nothing was left to be overtaken
	}
	e.sent(first, 60*time.Second)
	e.sent(second, 60*time.Second)
	letters, err := e.senders.Letters(context.Background(), second, 10)
	if err != nil || len(letters) != 1 || letters[0].Status != "sent" {
		t.Errorf("letters %+v, %v", letters, err)
	}
}

// Law 1: Redis may be emptied at any moment.
func TestQueue_EmptiedInTheMiddleLosesNobody(t *testing.T) {
	t.Parallel()
	s := box(t, sandbox.Options{Latency: 5 * time.Millisecond})
	e := start(t, databasetest.New(t))
	id := e.launch(e.sender(s, 10), e.list("all", addresses("person", 3000)...))
	for i := 1; i <= 3; i++ {
		e.await(id, 20*time.Second, func(_ campaign.Campaign, n campaign.Counts) bool { return n.Sent > int64(i*400) })
		if err := e.redis.FlushAll(context.Background()).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if n := e.sent(id, 60*time.Second); n.Sent != 3000 || n.Doubted != 0 || s.Count().Duplicates != 0 {
		t.Errorf("counts %+v, sandbox %+v", n, s.Count())
	}
}

func TestLimit_NeverMoreThanItsNumberInAnySecond(t *testing.T) {
	s := box(t, sandbox.Options{Keep: -1})
	e := start(t, databasetest.New(t))
	e.write(func(ctx context.Context, tx *database.Tx) error {
		_, err := e.pace.SetLimit(ctx, tx, throttle.DefaultScope, throttle.Limit{PerSecond: 50, Connections: 2})
		return err
	})
	id := e.launch(e.sender(s, 10), e.list("all", addresses("person", 200)...))
	e.sent(id, 60*time.Second)
	var at []int64
	for _, m := range s.Messages() {
		at = append(at, m.At)
	}
	const open = 10 // connections, in each of which a permitted message may be held up
	if n := s.Count().MaxOpen; n > open {
		t.Errorf("%d connections", n)
	}
	for i := range at {
		if j := i + 50 + open; j < len(at) && at[j]-at[i] < 1000 {
			t.Fatalf("%d messages in %d ms over %d connections", j-i+1, at[j]-at[i], open)
		}
	}
}

func TestLimit_HourIsCountedInTheDatabase(t *testing.T) {
	s := box(t, sandbox.Options{})
	e := start(t, databasetest.New(t))
	e.write(func(ctx context.Context, tx *database.Tx) error {
		_, err := e.pace.SetLimit(ctx, tx, throttle.DefaultScope, throttle.Limit{PerHour: 120})
		return err
	})
	id := e.launch(e.sender(s, 10), e.list("all", addresses("person", 500)...))
	e.await(id, 20*time.Second, func(_ campaign.Campaign, n campaign.Counts) bool { return n.Sent == 120 })
	time.Sleep(time.Second)
	if n, _ := e.campaigns.Counts(context.Background(), id); n.Sent != 120 || s.Count().Accepted != 120 {
		t.Errorf("counts %+v", n)
	}
}

func TestGate_RefusesThePendingTheSuppressedAndThoseWhoLeft(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		e := start(t, db)
		list := e.list("all", "in@example.org", "left@example.org", "suppressed@example.org")
		ctx := context.Background()
		var asks []subscribers.Ask
		for _, key := range []string{"in@example.org", "left@example.org", "suppressed@example.org"} {
			p, err := e.people.SubscriberByKey(ctx, key)
			if err != nil {
				t.Fatal(err)
			}
			asks = append(asks, subscribers.Ask{SubscriberID: p.ID, Key: p.Key, Lists: []int64{list}})
		}
		asks = append(asks, subscribers.Ask{SubscriberID: 1, Key: "nobody@example.org", Lists: []int64{list}})
		e.write(func(ctx context.Context, tx *database.Tx) error {
			if _, err := e.people.Leave(ctx, tx, asks[1].SubscriberID, []int64{list}, "test"); err != nil {
				return err
			}
			a := parse(t, "Suppressed@example.org")
			if err := e.people.Suppress(ctx, tx, a, 0, "complaint", "test"); err != nil {
				return err
			}
			got, err := e.people.Mailable(ctx, tx, asks)
			want := []string{subscribers.Mailable, subscribers.Left, subscribers.Suppressed, subscribers.Left}
			for i := range want {
				if err == nil && got[i] != want[i] {
					t.Errorf("%s: %q, want %q", asks[i].Key, got[i], want[i])
				}
			}
			return err
		})
	})
}
