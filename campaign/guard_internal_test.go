package campaign

import (
	"errors"
	"testing"

	"facteur/internal/database"
	"facteur/sending"
	"facteur/throttle"
)

// Law 4: what is told of one attempt changes no other.
func TestSettle_IsKeyedByTheAttempt(t *testing.T) {
	eachDesk(t, func(d *desk) {
		id := d.launch(Campaign{ListIDs: []int64{d.list("all", "", 1)}}, Canary{})
		d.tick()
		b, rows := d.take(d.queue.ids[0])
		person := rows[0].SubscriberID
		d.write(func(tx *database.Tx) error { // its second attempt is under way
			_, err := tx.Exec(d.ctx, `UPDATE deliveries SET status = 'sending', attempts = 2 WHERE campaign_id = ? AND subscriber_id = ?`, id, person)
			return err
		})
		for _, next := range []Next{{Status: Accepted}, {Status: Deferred, wait: waitTime}, {Status: Failed}, {Status: Uncertain, wait: waitPerson}} {
			for _, attempt := range []int{1, 3} {
				if attempt == 1 && next.Status == Accepted {
					continue // that the message was taken decides, whichever attempt it was
				}
				told := []Settled{{CampaignID: id, SubscriberID: person, BatchID: b.ID, Attempt: attempt, Provider: throttle.Other, Outcome: sending.Outcome{Code: 250}, Next: next}}
				d.write(func(tx *database.Tx) error { return d.store.Settle(d.ctx, tx, told, Tally{}) })
				if row, err := d.store.Delivery(d.ctx, id, person); err != nil || row.Status != Begun || row.Attempts != 2 || told[0].Written {
					t.Errorf("%s of attempt %d made attempt 2 %s (%d), %v", next.Status, attempt, row.Status, row.Attempts, err)
				}
			}
		}
	})
}

// Each transaction of the leader is fenced: once another leads it changes nothing.
func TestScheduler_ChangesNothingOnceAnotherLeads(t *testing.T) {
	eachDesk(t, func(d *desk) {
		list := d.list("all", "", 3)
		id := d.launch(Campaign{ListIDs: []int64{list}}, Canary{})
		d.write(func(tx *database.Tx) error {
			_, err := tx.Exec(d.ctx, `UPDATE leases SET holder = 7, fence = fence + 1 WHERE name = ?`, schedulerLease)
			return err
		})
		for _, slow := range []bool{false, true} {
			if _, err := d.scheduler.Tick(d.ctx, slow); !errors.Is(err, database.ErrStale) {
				t.Errorf("a tick of one who leads no more: %v", err)
			}
		}
		err := d.scheduler.write(d.ctx, func(tx *database.Tx) error {
			_, err := tx.Exec(d.ctx, `UPDATE campaigns SET status_reason = 'mine'`)
			return err
		})
		c := d.campaign(id)
		if n, _ := d.store.Counts(d.ctx, id); !errors.Is(err, database.ErrStale) || c.StatusReason == "mine" || n.Recipients != 0 || len(d.queue.ids) != 0 {
			t.Errorf("%v; planned %d, released %d, %q", err, n.Recipients, len(d.queue.ids), c.StatusReason)
		}
	})
}

func TestCanary_FailsFromOneDeadAddressInTwenty(t *testing.T) {
	for _, c := range []struct {
		answers, dead int64
		fails         bool
	}{{9, 9, false}, {100, 4, false}, {100, 5, true}, {20, 1, true}, {21, 1, false}} {
		fault := canaryFault(Counts{Sent: c.answers - c.dead, Failed: c.dead}, throttle.Rate{Outcomes: throttle.Outcomes{Refused: c.dead}})
		if (fault != "") != c.fails {
			t.Errorf("%d dead of %d: %q", c.dead, c.answers, fault)
		}
	}
	for _, c := range []struct {
		refused int64
		fails   bool
	}{{24, false}, {25, true}} {
		if fault := canaryFault(Counts{Sent: 100 - c.refused, Deferred: c.refused}, throttle.Rate{}); (fault != "") != c.fails {
			t.Errorf("%d refusals of 100: %q", c.refused, fault)
		}
	}
}
