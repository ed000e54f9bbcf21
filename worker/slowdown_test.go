package worker_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"facteur/campaign"
	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/sending/sandbox"
)

// A provider that answers 421 to everything is left alone for a while, and the
// others get their mail by the same relay.
func TestSlowdown_OfOneProviderHoldsUpNoOther(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := box(t, sandbox.Options{Rules: []sandbox.Rule{{Match: "gmail.com", Fraction: 1, Action: "rate"}}})
		e := start(t, db)
		emails := addresses("person", 300)
		for i := range 300 {
			emails = append(emails, fmt.Sprintf("person%d@gmail.com", i), fmt.Sprintf("person%d@yahoo.com", i))
		}
		id := e.launch(e.sender(s, 5), e.list("all", emails...))
		_, n := e.await(id, 60*time.Second, func(_ campaign.Campaign, n campaign.Counts) bool { return n.Sent == 600 && n.Sending == 0 })
		if c := s.Count(); n.Failed != 0 || n.Deferred+n.Queued+n.Sending != 300 || len(c.Refused) != 1 || c.Refused["421 4.7.28"] > 60 {
			t.Errorf("counts %+v, sandbox %+v: want few tried at the provider that refuses", n, c)
		}
		relays, err := e.senders.Relays(context.Background())
		if err != nil || relays[0].State != "ok" {
			t.Errorf("relay %+v, %v", relays, err)
		}
		slowed, err := e.pace.Slowdowns(context.Background())
		if err != nil || len(slowed) != 1 {
			t.Fatalf("slowed: %+v, %v", slowed, err)
		}
		for lane, d := range slowed {
			if l, err := e.pace.Lane(context.Background(), lane); err != nil || l.Provider != "google" || d.PerMinute != 10 {
				t.Errorf("%+v in %+v, %v", d, l, err)
			}
			// By a person's word it goes on at once; the rule acts again when the answers go on.
			if err := s.SetRules(nil); err != nil {
				t.Fatal(err)
			}
			e.write(func(ctx context.Context, tx *database.Tx) error { return e.pace.LiftSlowdown(ctx, tx, lane, "mended") })
		}
		e.scheduler.Nudge()
		e.sent(id, 60*time.Second)
	})
}
