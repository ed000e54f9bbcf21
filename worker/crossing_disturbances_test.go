package worker_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"facteur/campaign"
	"facteur/internal/database"
	"facteur/sending"
	"facteur/throttle"
	"facteur/unsubscribe"
)

// disturbance is what happens to a campaign in the middle of being sent.
type disturbance struct {
	name   string
	is     string // what happens, in words
	answer string // what is right

	disturb func(p *play, c *cell)
	kills   func(p *play) // instead, see [killed]
	holds   time.Duration // by the play's clock, until it is lifted
	lift    func(p *play, c *cell)
	step    time.Duration // what is held back may go on after so long; 0: an hour

	ends    campaign.Status                                         // "": sent
	extras  int                                                     // mails at most that arrive twice
	chooses bool                                                    // some of the people, and leaves the others alone
	atMost  string                                                  // what its cells say of its pace
	person  func(c *cell, r *recipient, d campaign.Delivery) string // what is wrong with a person's delivery; nil: anybody's must be sent
	truth   func(f *finding)                                        // what holds of the whole
}

// overnight is how long a disturbance that ends lasts: for some in every zone
// it is the night, or another day, then.
const overnight = 16 * time.Hour

// disturbances are the columns of the table.
func disturbances() []disturbance {
	return []disturbance{
		{
			name: "pause", is: "paused, and resumed 16 hours later", answer: "nothing begins between; then everybody gets it, once",
			disturb: func(p *play, c *cell) { p.move(p.campaigns.Pause, c) }, lift: func(p *play, c *cell) { p.move(p.campaigns.Resume, c) },
			holds: overnight, person: notBetween,
		},
		{
			name: "cancel", is: "cancelled", answer: "who had begun gets it; nobody else does, and is skipped",
			disturb: func(p *play, c *cell) { p.move(p.campaigns.Cancel, c) },
			ends:    campaign.Cancelled, person: begunBeforeOrSkipped("cancelled"),
		},
		{
			name: "stop", is: "the red button pressed, and lifted 16 hours later", answer: "nothing begins between; then everybody gets it, once",
			disturb: func(p *play, _ *cell) {
				p.write(func(ctx context.Context, tx *database.Tx) error {
					_, err := p.campaigns.StopAll(ctx, tx, "test")
					return err
				})
			},
			lift: liftOnce, holds: overnight, person: notBetween,
		},
		{
			name: "limit", is: "a limit of 3 an hour set for it", answer: "never more than 3 begin in an hour; everybody gets it, once",
			disturb: func(p *play, c *cell) { p.limit(throttle.CampaignScope(c.id), throttle.Limit{PerHour: hourly}) },
			atMost:  "3 an hour",
			truth:   hourlyTruth,
		},
		{
			name: "warm-up", is: "a warm-up of 8, 16, 24, 40 a day switched on for its domain", answer: "never more than its cap begin on a date; everybody gets it, once",
			atMost: "by the day's cap", disturb: warmUp, step: 24 * time.Hour, truth: dailyTruth,
		},
		{
			name: "relay rests", is: "its relay gone, and back 16 hours later", answer: "everybody gets it; twice at most who was under way when it went, and each of these is counted as doubted",
			disturb: func(_ *play, c *cell) { c.box.Suspend() }, holds: overnight,
			lift: func(p *play, c *cell) {
				if err := c.box.Resume(); err != nil {
					p.t.Fatal(err)
				}
			},
			extras: open,
		},
		{
			name: "kill", is: "the process killed, and another started", answer: "everybody gets it; twice at most who was under way then, and each of these is counted as doubted",
			kills: killed, extras: open,
		},
		{
			name: "opt-out", is: "every third leaves the list", answer: "who left every list that they came by gets nothing from then on, and is skipped; everybody else gets it, once",
			chooses: true, disturb: everyThird(leave), person: leftOrSent,
		},
		{
			name: "erase", is: "every third is erased", answer: "the erased get nothing from then on, and are skipped; everybody else gets it, once; the counts stay",
			chooses: true, disturb: everyThird(erase), person: leftOrSent,
		},
	}
}

// later is when what a limit or a cap holds back may go on.
func (d disturbance) later(now time.Time) time.Time {
	if d.step == 24*time.Hour {
		return now.Truncate(d.step).Add(d.step)
	}
	return now.Add(time.Hour)
}

// move changes a campaign's state.
func (p *play) move(to func(context.Context, *database.Tx, int64, string) (campaign.Campaign, error), c *cell) {
	p.t.Helper()
	p.write(func(ctx context.Context, tx *database.Tx) error { _, err := to(ctx, tx, c.id, "test"); return err })
}

// liftOnce lifts the red button, which is pressed once for all.
func liftOnce(p *play, c *cell) {
	if c == p.cells[0] {
		p.write(func(ctx context.Context, tx *database.Tx) error { return p.campaigns.LiftStop(ctx, tx, "test") })
	}
}

const hourly = 3

func warmUp(p *play, c *cell) {
	p.write(func(ctx context.Context, tx *database.Tx) error {
		d, err := p.senders.With(tx).DomainByName(ctx, c.domain)
		if err != nil {
			return err
		}
		d.Warmup, d.Ramp, d.Timezone = sending.OwnWarmup, "[8, 16, 24, 40]", "UTC"
		_, err = p.senders.SetWarmup(ctx, tx, d)
		return err
	})
}

// everyThird lets every third person do something.
func everyThird(do func(p *play, c *cell, r *recipient)) func(p *play, c *cell) {
	return func(p *play, c *cell) {
		for i := len(c.people) - 1; i >= 0; i -= 3 {
			c.people[i].chosen = true
			do(p, c, c.people[i])
		}
	}
}

// leave lets a person leave the first of the campaign's lists by which they came.
func leave(p *play, c *cell, r *recipient) {
	word := unsubscribe.Word{Reference: unsubscribe.Reference{CampaignID: c.id, SubscriberID: r.id}, Source: "one_click"}
	if err := unsubscribe.NewOptOut(p.db, p.people, p.noes).Leave(context.Background(), word, []int64{c.lists[r.lists[0]]}); err != nil {
		p.t.Fatal(err)
	}
	r.chosen = len(r.lists) == 1 // whom another list still reaches stays a recipient
}

func erase(p *play, _ *cell, r *recipient) {
	p.write(func(ctx context.Context, tx *database.Tx) error { return p.campaigns.Erase(ctx, tx, r.id, "test") })
}

func sentAtAll(_ *cell, _ *recipient, d campaign.Delivery) string {
	if d.Status != campaign.Accepted {
		return "was not sent: " + string(d.Status) + " " + d.Reason
	}
	return ""
}

// notBetween: nothing begins while it is held.
func notBetween(c *cell, r *recipient, d campaign.Delivery) string {
	if d.BegunAt > c.at && d.BegunAt < c.lifted {
		return fmt.Sprintf("begun %d ms after it was held", d.BegunAt-c.at)
	}
	return sentAtAll(c, r, d)
}

func begunBeforeOrSkipped(reasons ...string) func(c *cell, r *recipient, d campaign.Delivery) string {
	return func(c *cell, _ *recipient, d campaign.Delivery) string {
		switch {
		case d.Status == campaign.Accepted && d.BegunAt <= c.at:
		case d.Status == campaign.Skipped && slices.Contains(reasons, d.Reason):
		default:
			return fmt.Sprintf("is %s %q, begun %d ms after", d.Status, d.Reason, d.BegunAt-c.at)
		}
		return ""
	}
}

// leftOrSent: what is right for the chosen, and for all others.
func leftOrSent(c *cell, r *recipient, d campaign.Delivery) string {
	if r.chosen {
		return begunBeforeOrSkipped("unsubscribed", "erased")(c, r, d)
	}
	return sentAtAll(c, r, d)
}
