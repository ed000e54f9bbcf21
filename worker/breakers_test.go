package worker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"facteur/campaign"
	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/sending"
	"facteur/sending/sandbox"
	"facteur/throttle"
)

// complain brings complaints of the nth to the last of those who got their mail.
func (e *engine) complain(id int64, s *sandbox.Server, from, to int) {
	e.t.Helper()
	var got []string
	s.Deliveries(func(d sandbox.Delivery) bool {
		got = append(got, d.Recipient)
		return true
	})
	slices.Sort(got)
	for _, email := range got[from:to] {
		if got := e.brings("listener", e.complaint(id, e.person(email))); got != "complaint suppressed" {
			e.t.Fatalf("complaint of %s: %s", email, got)
		}
	}
}

func (e *engine) limit(scope string, l throttle.Limit) {
	e.t.Helper()
	e.write(func(ctx context.Context, tx *database.Tx) error {
		_, err := e.pace.SetLimit(ctx, tx, scope, l)
		return err
	})
}

// resume lets a campaign go on.
func (e *engine) resume(id int64, reason string) error {
	ctx := context.Background()
	return e.db.Write(ctx, func(tx *database.Tx) error {
		_, err := e.campaigns.Resume(ctx, tx, id, reason)
		return err
	})
}

func atLeast(n int64) func(campaign.Campaign, campaign.Counts) bool {
	return func(_ campaign.Campaign, c campaign.Counts) bool { return c.Sent >= n }
}

func TestBreaker_FiveComplaintsPauseACampaignAndAPersonResumesIt(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := box(t, sandbox.Options{})
		e := start(t, db)
		var alarms []campaign.Alarm
		e.campaigns.AlsoAlarm(func(_ context.Context, _ *database.Tx, a campaign.Alarm) error {
			alarms = append(alarms, a)
			return nil
		})
		e.limit("all", throttle.Limit{PerSecond: 400})
		id := e.launch(e.sender(s, 5), e.list("all", addresses("person", 2500)...))
		e.await(id, 30*time.Second, atLeast(500))
		e.complain(id, s, 0, 1)
		if c, err := e.campaigns.Campaign(context.Background(), id); err != nil || c.Status != campaign.Sending {
			t.Fatalf("after one complaint: %s, %v", c.Status, err)
		}
		e.complain(id, s, 100, 104)
		c, n := e.await(id, 10*time.Second, func(c campaign.Campaign, n campaign.Counts) bool {
			return c.Status == campaign.Paused && n.Sending == 0
		})
		if !strings.Contains(c.StatusReason, "5 complaints") {
			t.Errorf("paused because %q", c.StatusReason)
		}
		if len(alarms) == 0 || alarms[len(alarms)-1].State != "pause" {
			t.Errorf("alarms: %+v", alarms)
		}
		time.Sleep(time.Second)
		if now, _ := e.campaigns.Counts(context.Background(), id); now.Sent != n.Sent {
			t.Errorf("%d sent after the pause", now.Sent-n.Sent)
		}
		var invalid *campaign.Invalid
		if err := e.resume(id, " "); !errors.As(err, &invalid) || invalid.Field != "reason" {
			t.Errorf("resumed without a reason: %v", err)
		}
		// The lane and the domain are held too, each until a person resumes it.
		if err := e.resume(id, "the list was cleaned"); err != nil {
			t.Fatal(err)
		}
		for _, scope := range []string{"domain:news.example.com", "lane:news.example.com/other"} {
			e.write(func(ctx context.Context, tx *database.Tx) error {
				return e.pace.Resume(ctx, tx, scope, "the list was cleaned")
			})
		}
		e.scheduler.Nudge()
		e.sent(id, 60*time.Second)
		if c, err := e.campaigns.Campaign(context.Background(), id); err != nil || c.Status != campaign.Sent {
			t.Errorf("at the end: %s (%s), %v", c.Status, c.StatusReason, err)
		}
	})
}

func TestBreaker_ADomainIsStoppedAndOthersGoOn(t *testing.T) {
	t.Parallel()
	s := box(t, sandbox.Options{})
	e := start(t, databasetest.New(t))
	sender := e.sender(s, 5)
	first := e.launch(sender, e.list("first", addresses("person", 300)...))
	e.sent(first, 30*time.Second)
	e.complain(first, s, 0, 10)
	b, err := e.pace.Brakes(context.Background())
	if held := b.Held(throttle.Lane{Domain: "news.example.com", Provider: "google"}); err != nil || held == "" {
		t.Fatalf("the domain is not stopped: %+v, %v", b, err)
	}
	second := e.launch(sender, e.list("second", addresses("other", 100)...))
	var elsewhere int64
	e.write(func(ctx context.Context, tx *database.Tx) error {
		v, err := e.senders.With(tx).Sender(ctx, sender)
		if err != nil {
			return err
		}
		if _, err := e.senders.CreateDomain(ctx, tx, sending.Domain{Name: "other.example.com", Warmup: "none"}); err != nil {
			return err
		}
		v, err = e.senders.CreateSender(ctx, tx, sending.Sender{FromEmail: "hello@other.example.com", PostalAddress: "1 rue de la Poste, Lyon", RelayIDs: v.RelayIDs})
		elsewhere = v.ID
		return err
	})
	third := e.launch(elsewhere, e.list("third", addresses("third", 100)...))
	e.sent(third, 30*time.Second)
	if n, _ := e.campaigns.Counts(context.Background(), second); n.Sent != 0 || n.Queued != 100 {
		t.Errorf("of a stopped domain: %+v", n)
	}
	e.write(func(ctx context.Context, tx *database.Tx) error {
		if err := e.pace.Resume(ctx, tx, "domain:news.example.com", ""); !errors.Is(err, throttle.ErrReason) {
			t.Errorf("resumed without a reason: %v", err)
		}
		if err := e.pace.Resume(ctx, tx, "domain:news.example.com", "the list was bought; it is gone"); err != nil {
			return err
		}
		return e.pace.Resume(ctx, tx, "lane:news.example.com/other", "the same")
	})
	e.scheduler.Nudge()
	e.sent(second, 30*time.Second)
}

func TestBreaker_HardBouncesPauseACampaign(t *testing.T) {
	t.Parallel()
	s := box(t, sandbox.Options{})
	e := start(t, databasetest.New(t))
	e.limit("all", throttle.Limit{PerSecond: 100})
	emails := addresses("person", 1000)
	for i := range emails {
		if i%5 == 0 {
			emails[i] = fmt.Sprintf("unknown%d@example.org", i)
		}
	}
	id := e.launch(e.sender(s, 5), e.list("all", emails...))
	c, n := e.await(id, 60*time.Second, func(c campaign.Campaign, _ campaign.Counts) bool { return c.Status == campaign.Paused })
	if !strings.Contains(c.StatusReason, "addresses that are gone") || n.Sent+n.Failed > 600 {
		t.Errorf("paused because %q after %d", c.StatusReason, n.Sent+n.Failed)
	}
}

// People complain when a small campaign has long been sent: they are heard.
func TestBreaker_ASentCampaignIsJudgedAndItsResendWaits(t *testing.T) {
	s := box(t, sandbox.Options{})
	e := start(t, databasetest.New(t))
	emails := append(addresses("person", 400), addresses("full", 5)...)
	id := e.launch(e.sender(s, 5), e.list("all", emails...))
	e.sent(id, 30*time.Second)
	e.complain(id, s, 0, 5)
	if b, err := e.pace.Brakes(context.Background()); err != nil || !b[throttle.CampaignScope(id)].State.Holds() {
		t.Errorf("the breakers: %+v, %v", b, err)
	}
	if n, err := e.campaigns.ResendFailed(context.Background(), id); err != nil || n != 5 {
		t.Errorf("%d sent again, %v", n, err)
	}
	if c, err := e.campaigns.Campaign(context.Background(), id); err != nil || c.Status != campaign.Paused {
		t.Errorf("sent again: %s (%s), %v", c.Status, c.StatusReason, err)
	}
}

func TestBreaker_WhatAPersonPausedNeedsNoReason(t *testing.T) {
	t.Parallel()
	s := box(t, sandbox.Options{})
	e := start(t, databasetest.New(t))
	e.limit("all", throttle.Limit{PerSecond: 200})
	id := e.launch(e.sender(s, 5), e.list("all", addresses("person", 800)...))
	e.await(id, 30*time.Second, atLeast(200))
	e.complain(id, s, 0, 3) // slowed, not paused
	e.write(func(ctx context.Context, tx *database.Tx) error {
		_, err := e.campaigns.Pause(ctx, tx, id, "lunch")
		return err
	})
	if err := e.resume(id, ""); err != nil {
		t.Error(err)
	}
}
