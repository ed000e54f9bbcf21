package worker_test

import (
	"context"
	"testing"
	"time"

	"facteur/campaign"
	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/sending/sandbox"
	"facteur/subscribers"
	"facteur/unsubscribe"
)

// People pause, want fewer mails, and are erased while a campaign is sent to
// them: from the commit on nothing begins, and the books balance.
func TestPeople_ChangeTheirMindWhileACampaignRuns(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := box(t, sandbox.Options{Latency: 5 * time.Millisecond})
		e := start(t, db)
		list := e.list("all", addresses("person", 1500)...)
		sender := e.sender(s, 10)
		id := e.launch(sender, list)
		e.await(id, 20*time.Second, func(_ campaign.Campaign, n campaign.Counts) bool { return n.Sent > 100 })
		out := unsubscribe.NewOptOut(db, e.people, e.noes)
		ctx := context.Background()
		people, err := e.people.Subscribers(ctx, 0, 2000)
		if err != nil {
			t.Fatal(err)
		}
		changed := map[int64]int64{}
		for i := len(people) - 1; i >= 0; i -= 7 {
			person := people[i].ID
			if i%2 == 0 {
				err = out.Pause(ctx, person, []int64{list})
			} else {
				err = db.Write(ctx, func(tx *database.Tx) error { return e.campaigns.Erase(ctx, tx, person, "test") })
			}
			if err != nil {
				t.Fatal(err)
			}
			changed[person] = time.Now().UnixMilli()
		}
		n := e.sent(id, 60*time.Second)
		reasons := map[string]int64{}
		for person, at := range changed {
			d, err := e.campaigns.Delivery(ctx, id, person)
			if err != nil {
				t.Fatal(err)
			}
			if d.BegunAt > at {
				t.Errorf("begun %d ms after they changed their mind", d.BegunAt-at)
			}
			if d.Status == campaign.Skipped {
				reasons[d.Reason]++
			}
		}
		if reasons["paused"] == 0 || reasons["erased"]+reasons["unsubscribed"] == 0 || n.Skipped != reasons["paused"]+reasons["erased"]+reasons["unsubscribed"] || n.Sent+n.Skipped != 1500 || n.Balance() != 0 {
			t.Errorf("%v of %d; counts %+v", reasons, len(changed), n)
		}
	})
}

// Two campaigns at once send one mail to who wants no more than one a week.
func TestFrequency_HoldsOverCampaignsAtTheSameMoment(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := box(t, sandbox.Options{})
		e := start(t, db)
		list := e.list("all", addresses("person", 600)...)
		ctx := context.Background()
		people, err := e.people.Subscribers(ctx, 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		e.write(func(ctx context.Context, tx *database.Tx) error {
			for _, p := range people {
				if err := e.people.Frequency(ctx, tx, p.ID, 7); err != nil {
					return err
				}
			}
			return nil
		})
		sender := e.sender(s, 10)
		a, b := e.launch(sender, list), e.launch(sender, list)
		first, second := e.sent(a, 60*time.Second), e.sent(b, 60*time.Second)
		if first.Sent+second.Sent != 600 || first.Skipped+second.Skipped != 600 || s.Count().Duplicates != 0 || s.Count().Accepted != 600 {
			t.Errorf("%+v %+v; %d arrived, %d twice", first, second, s.Count().Accepted, s.Count().Duplicates)
		}
		d, err := e.campaigns.Delivery(ctx, b, people[0].ID)
		if err != nil || d.Status == campaign.Skipped && d.Reason != subscribers.TooOften {
			t.Errorf("%+v %v", d, err)
		}
	})
}
