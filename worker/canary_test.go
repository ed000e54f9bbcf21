package worker_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"facteur/campaign"
	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/sending/sandbox"
	"facteur/throttle"
)

// launchWith is launch with a canary.
func (e *engine) launchWith(senderID int64, c campaign.Canary, lists ...int64) (id int64) {
	e.t.Helper()
	e.write(func(ctx context.Context, tx *database.Tx) error {
		made, err := e.campaigns.Create(ctx, tx, campaign.Campaign{Name: "Hello", Subject: "Hello {{ name }}", HTML: "<p>Hello</p>", SenderID: senderID, ListIDs: lists})
		if err != nil {
			return err
		}
		id = made.ID
		_, err = e.campaigns.Launch(ctx, tx, id, time.Time{}, c, campaign.Clearance{})
		return err
	})
	e.scheduler.Nudge()
	return id
}

func canaryIs(states ...string) func(campaign.Campaign, campaign.Counts) bool {
	return func(c campaign.Campaign, _ campaign.Counts) bool {
		state, _ := c.Canary()
		return strings.Contains(strings.Join(states, " "), state)
	}
}

func TestCanary_GoodGoesOn(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		e := start(t, db)
		s := box(t, sandbox.Options{})
		id := e.launchWith(e.sender(s, 5), campaign.Canary{Percent: 10, Wait: 2 * time.Second}, e.list("all", addresses("person", 1000)...))
		_, n := e.await(id, 30*time.Second, canaryIs("waiting"))
		if n.Sent < 50 || n.Sent > 200 || n.Queued != 1000-n.Sent {
			t.Errorf("the sample: %+v", n)
		}
		e.sent(id, 60*time.Second)
	})
}

func TestCanary_BadPausesUntilAPersonResumesIt(t *testing.T) {
	e := start(t, databasetest.New(t))
	s := box(t, sandbox.Options{})
	emails := addresses("person", 1000)
	for i := range emails {
		if i%3 == 0 {
			emails[i] = fmt.Sprintf("unknown%d@example.org", i)
		}
	}
	id := e.launchWith(e.sender(s, 5), campaign.Canary{Percent: 3, Wait: time.Second}, e.list("all", emails...))
	c, n := e.await(id, 30*time.Second, func(c campaign.Campaign, _ campaign.Counts) bool { return c.Status == campaign.Paused })
	if !strings.Contains(c.StatusReason, "canary failed") || n.Sent+n.Failed > 100 {
		t.Errorf("%q after %+v", c.StatusReason, n)
	}
	if err := e.resume(id, ""); err == nil || !strings.Contains(err.Error(), "reason") {
		t.Errorf("resumed without a reason: %v", err)
	}
	if err := e.resume(id, "these are old customers"); err != nil {
		t.Fatal(err)
	}
	e.scheduler.Nudge()
	e.await(id, 30*time.Second, func(c campaign.Campaign, m campaign.Counts) bool { return m.Sent > n.Sent })
}

func TestCanary_OnlyFromItsNumberOfRecipientsOn(t *testing.T) {
	e := start(t, databasetest.New(t))
	s := box(t, sandbox.Options{})
	c := campaign.DefaultCanary()
	id := e.launchWith(e.sender(s, 5), c, e.list("all", addresses("person", 200)...))
	e.sent(id, 30*time.Second)
}

// Content that is refused is not the addresses' fault, and yet no reason to go on.
func TestCanary_RefusedContentFails(t *testing.T) {
	e := start(t, databasetest.New(t))
	s := box(t, sandbox.Options{})
	emails := addresses("person", 1000)
	for i := range emails {
		if i%2 == 0 {
			emails[i] = fmt.Sprintf("content%d@example.org", i)
		}
	}
	id := e.launchWith(e.sender(s, 5), campaign.Canary{Percent: 5, Wait: time.Second}, e.list("all", emails...))
	c, _ := e.await(id, 30*time.Second, func(c campaign.Campaign, _ campaign.Counts) bool { return c.Status == campaign.Paused })
	if !strings.Contains(c.StatusReason, "were refusals") {
		t.Errorf("paused because %q", c.StatusReason)
	}
}

// Without a wait, and after hours in which nothing could be sent, the answers
// are still those of the sample.
func TestCanary_NeverPassesWithoutAnswers(t *testing.T) {
	t.Parallel()
	evening := time.Date(2026, 11, 27, 19, 0, 0, 0, time.UTC)
	db, clock := clockAt(t, evening)
	e := start(t, db)
	s := box(t, sandbox.Options{})
	sender, list := e.sender(s, 5), e.list("all", addresses("unknown", 300)...)
	e.limit("domain:news.example.com", throttle.Limit{PerMinute: 1})
	id := e.launchWith(sender, campaign.Canary{Percent: 10}, list)
	e.await(id, 30*time.Second, canaryIs("sample"))
	clock.to(evening.Add(12 * time.Hour))
	e.scheduler.Nudge()
	e.await(id, 30*time.Second, func(c campaign.Campaign, _ campaign.Counts) bool {
		_, until := c.Canary()
		return until > evening.Add(12*time.Hour).UnixMilli()
	})
	e.limit("domain:news.example.com", throttle.Limit{})
	e.scheduler.Nudge()
	c, n := e.await(id, 30*time.Second, func(c campaign.Campaign, _ campaign.Counts) bool {
		clock.to(e.db.Now().Add(time.Second)) // who waits for a permit of the old limit waits a minute by the clock
		return c.Status == campaign.Paused
	})
	if !strings.Contains(c.StatusReason, "canary failed") || n.Failed < 10 || n.Failed > 100 {
		t.Errorf("%q after %+v", c.StatusReason, n)
	}
}
