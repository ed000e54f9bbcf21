package worker_test

import (
	"context"
	"testing"
	"time"

	"facteur/campaign"
	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/sending/sandbox"
)

// delivered finds the delivery of the person with this address.
func (e *engine) delivered(id int64, email string) campaign.Delivery {
	e.t.Helper()
	ctx := context.Background()
	p, err := e.people.SubscriberByKey(ctx, email)
	if err != nil {
		e.t.Fatal(err)
	}
	d, err := e.campaigns.Delivery(ctx, id, p.ID)
	if err != nil {
		e.t.Fatal(err)
	}
	return d
}

func TestWorker_EachAnswerHasItsConsequence(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := box(t, sandbox.Options{SlowFor: 300 * time.Millisecond})
		e := start(t, db)
		emails := append(addresses("plain", 40), "unknown@example.org", "full@example.org", "greylist@example.org", "busy@example.org", "slow@example.org",
			"drop-before-answer@example.org", "toolarge@example.org", "content@example.org")
		id := e.launch(e.sender(s, 4), e.list("all", emails...))
		n := e.sent(id, 60*time.Second)
		if n.Failed != 4 || n.Sent != 44 || n.Doubted != 1 {
			t.Errorf("counts %+v", n)
		}
		for _, w := range []struct {
			email  string
			status campaign.DeliveryStatus
			code   int
			reason string
		}{
			{"unknown@example.org", campaign.Failed, 550, "dead_address"},
			{"full@example.org", campaign.Failed, 552, "mailbox_full"},
			{"toolarge@example.org", campaign.Failed, 552, "content"},
			{"content@example.org", campaign.Failed, 554, "content"},
			{"greylist@example.org", campaign.Accepted, 250, ""},
			{"busy@example.org", campaign.Accepted, 250, ""},
			{"slow@example.org", campaign.Accepted, 250, ""},
		} {
			d := e.delivered(id, w.email)
			if d.Status != w.status || d.Code != w.code || (w.reason != "" && d.Reason != w.reason) {
				t.Errorf("%s: %s %d %q %q, want %s %d %q", w.email, d.Status, d.Code, d.Answer, d.Reason, w.status, w.code, w.reason)
			}
		}
		// The answer was lost after the relay had taken it: sent once more, with the same Message-ID.
		d := e.delivered(id, "drop-before-answer@example.org")
		copies := s.Of("drop-before-answer@example.org")
		if d.Doubts != 1 || d.Attempts != 2 || len(copies) != 1 || copies[0].Count != 2 {
			t.Errorf("doubt: %+v, at the relay %+v", d, copies)
		}
		if c := s.Count(); c.Mistakes != 0 {
			t.Errorf("%d mistakes in our dialogue", c.Mistakes)
		}
	})
}

func TestWorker_TwoDoubtsAreNeverResentByMachine(t *testing.T) {
	t.Parallel()
	s := box(t, sandbox.Options{})
	e := start(t, databasetest.New(t))
	id := e.launch(e.sender(s, 2), e.list("all", append(addresses("plain", 10), "swallow@example.org")...))
	n := e.sent(id, 30*time.Second)
	if n.Sent != 10 || n.Uncertain != 1 || n.Doubted != 1 {
		t.Errorf("counts %+v", n)
	}
	if d := e.delivered(id, "swallow@example.org"); d.Attempts != 2 || d.Doubts != 2 {
		t.Errorf("%d attempts, %d doubts; want 2 and 2", d.Attempts, d.Doubts)
	}
}

func TestWorker_HoldsDoubtsWhenTheCampaignSaysSo(t *testing.T) {
	t.Parallel()
	s := box(t, sandbox.Options{})
	e := start(t, databasetest.New(t))
	sender, list := e.sender(s, 2), e.list("all", "drop-before-answer@example.org")
	var id int64
	e.write(func(ctx context.Context, tx *database.Tx) error {
		c, err := e.campaigns.Create(ctx, tx, campaign.Campaign{Name: "n", Subject: "s", Text: "t", SenderID: sender, ListIDs: []int64{list}, OnUncertain: "hold"})
		if err != nil {
			return err
		}
		id = c.ID
		_, err = e.campaigns.Launch(ctx, tx, id, time.Time{}, campaign.Canary{}, campaign.Clearance{})
		return err
	})
	if n := e.sent(id, 20*time.Second); n.Uncertain != 1 {
		t.Fatalf("counts %+v", n)
	}
	// A person decides: it is sent again.
	if n, err := e.campaigns.ResendFailed(context.Background(), id); err != nil || n != 1 {
		t.Fatalf("resend: %d, %v", n, err)
	}
	if n := e.sent(id, 20*time.Second); n.Sent != 1 {
		t.Errorf("after resend-failed: %+v", n)
	}
}

func TestWorker_ARelayThatSwallowsAnswersIsRestedBeforeItDoublesMore(t *testing.T) {
	t.Parallel()
	s := box(t, sandbox.Options{Rules: []sandbox.Rule{{Fraction: 1, Action: "swallow"}}})
	e := start(t, databasetest.New(t))
	const connections = 8
	id := e.launch(e.sender(s, connections), e.list("all", addresses("person", 300)...))
	e.await(id, 20*time.Second, func(_ campaign.Campaign, n campaign.Counts) bool { return n.Doubted >= 5 })
	time.Sleep(4 * time.Second) // rests and probes pass
	if c := s.Count(); c.Duplicates != 0 {
		t.Errorf("a doubting relay was sent %d messages again", c.Duplicates)
	}
	if n, _ := e.campaigns.Counts(context.Background(), id); n.Doubted > connections+5 {
		t.Errorf("%d in doubt, with %d connections", n.Doubted, connections)
	}
	// It answers again: everybody else gets it; those in doubt wait for a person.
	if err := s.SetRules(nil); err != nil {
		t.Fatal(err)
	}
	n := e.sent(id, 60*time.Second)
	if n.Sent+n.Uncertain != 300 || n.Uncertain < 5 || s.Count().Distinct != 300 || s.Count().Duplicates != 0 {
		t.Errorf("counts %+v, sandbox %+v", n, s.Count())
	}
	if _, err := e.campaigns.ResendFailed(context.Background(), id); err != nil {
		t.Fatal(err)
	}
	if n := e.sent(id, 60*time.Second); n.Sent != 300 {
		t.Errorf("after resend-failed: %+v", n)
	}
}

func TestWorker_AStoppedRelayCostsNobodyAnAttempt(t *testing.T) {
	t.Parallel()
	s := box(t, sandbox.Options{Latency: 20 * time.Millisecond})
	e := start(t, databasetest.New(t))
	const connections = 5
	id := e.launch(e.sender(s, connections), e.list("all", addresses("person", 400)...))
	e.await(id, 20*time.Second, func(_ campaign.Campaign, n campaign.Counts) bool { return n.Sent > 50 })
	s.Suspend()
	time.Sleep(3 * time.Second)
	if err := s.Resume(); err != nil {
		t.Fatal(err)
	}
	n := e.sent(id, 60*time.Second)
	if n.Sent != 400 || n.Failed != 0 || n.Doubted > connections {
		t.Errorf("counts %+v", n)
	}
	if c := s.Count(); c.Distinct != 400 || c.Duplicates > connections {
		t.Errorf("sandbox %+v", c)
	}
}

func TestWorker_ARelayThatBlocksUsIsRestedAndNobodyFails(t *testing.T) {
	s := box(t, sandbox.Options{Rules: []sandbox.Rule{{Fraction: 1, Action: "sender-blocked"}}})
	e := start(t, databasetest.New(t))
	id := e.launch(e.sender(s, 5), e.list("all", addresses("person", 100)...))
	_, n := e.await(id, 20*time.Second, func(_ campaign.Campaign, n campaign.Counts) bool { return n.Deferred > 0 })
	time.Sleep(time.Second)
	relays, err := e.senders.Relays(context.Background())
	if err != nil || relays[0].State != "resting" {
		t.Errorf("relay %+v, %v", relays, err)
	}
	if n.Failed != 0 || n.Deferred > 20 {
		t.Errorf("counts %+v", n)
	}
}
