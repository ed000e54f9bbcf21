package campaign

import (
	"math"
	"slices"
	"testing"
	"time"

	"facteur/internal/database"
)

// A process may leave a hundred batches. They are handed on a few at a time, as
// nobody can leave or begin meanwhile, and one whose list of members is damaged
// keeps no other back.
func TestTakeOver_GoesInPages(t *testing.T) {
	eachDesk(t, func(d *desk) {
		const batches = 2*recoverPage + 3
		id := d.launch(Campaign{ListIDs: []int64{d.list("all", "", batches*3)}}, Canary{})
		d.must(d.scheduler.planSome(d.ctx, d.campaign(id)))
		var lane int64
		d.must(d.db.Get(d.ctx, &lane, `SELECT lane FROM campaign_lanes WHERE campaign_id = ?`, id))
		dead := int64(77) << 20
		d.write(func(tx *database.Tx) error {
			for range batches {
				b, _, err := d.scheduler.cut(d.ctx, tx, laneWork{place: place{campaign: id, lane: lane, size: 3}, room: 3})
				d.must(err)
				_, err = tx.Exec(d.ctx, `UPDATE batches SET state = 'taken', session = ?, execution = 1 WHERE id = ?`, dead, b)
				d.must(err)
			}
			_, err := tx.Exec(d.ctx, `UPDATE batches SET members = '[1,' WHERE id = (SELECT MIN(id) FROM batches)`)
			return err
		})
		rounds := 0
		for left := batches; left > 0; rounds++ {
			d.write(func(tx *database.Tx) error {
				n, _, err := d.store.Recover(d.ctx, tx, dead, true, 0)
				if n > recoverPage || n == 0 {
					d.Fatalf("%d batches in one transaction", n)
				}
				left -= n
				return err
			})
		}
		var ready int
		d.must(d.db.Get(d.ctx, &ready, `SELECT COUNT(*) FROM deliveries WHERE wait = 1 AND batch_id = 0`))
		if ready != batches*3 || rounds != 3 {
			d.Errorf("%d of %d people wait for a batch, after %d rounds", ready, batches*3, rounds)
		}
	})
}

// A campaign that has failed to somebody may fail again at once: they are
// visited once, or the call would never end.
func TestResendFailed_VisitsEachOnce(t *testing.T) {
	eachDesk(t, func(d *desk) {
		id := d.launch(Campaign{ListIDs: []int64{d.list("all", "", 40)}}, Canary{})
		d.must(d.scheduler.planSome(d.ctx, d.campaign(id)))
		fail := func(upTo int64) {
			d.write(func(tx *database.Tx) error {
				_, err := tx.Exec(d.ctx, `UPDATE deliveries SET status = 'failed', wait = 0 WHERE campaign_id = ? AND subscriber_id <= ?`, id, upTo)
				return err
			})
		}
		fail(math.MaxInt64)
		for after, pages := int64(0), 0; ; pages++ {
			var rows []Delivery
			c := d.campaign(id)
			d.write(func(tx *database.Tx) (err error) {
				rows, err = d.store.resendPage(d.ctx, tx, c, after, 15)
				return err
			})
			if len(rows) == 0 {
				if pages != 3 {
					d.Errorf("%d pages of 15 for 40 people", pages)
				}
				break
			}
			if after = rows[len(rows)-1].SubscriberID; pages > 3 {
				d.Fatal("it does not end")
			}
			fail(after) // they fail while the page after them is read
		}
	})
}

// What is asked each second costs by the campaigns that have people waiting,
// not by those that there have ever been.
func TestWaiting_IsByTheIndexes(t *testing.T) {
	eachDesk(t, func(d *desk) {
		list := d.list("all", "", 5)
		var ids []int64
		for i := range 6 {
			id := d.launch(Campaign{ListIDs: []int64{list}}, Canary{})
			d.must(d.scheduler.planSome(d.ctx, d.campaign(id)))
			ids = append(ids, id)
			d.write(func(tx *database.Tx) error {
				_, err := tx.Exec(d.ctx, `UPDATE deliveries SET wait = ?, not_before = ?, status = ? WHERE campaign_id = ?`,
					[]int{1, 2, 2, 3, 0, 2}[i], []int64{0, 0, d.now().Add(time.Hour).UnixMilli(), 0, 0, 0}[i], []string{"queued", "deferred", "queued", "uncertain", "sent", "uncertain"}[i], id)
				return err
			})
		}
		if got, err := d.store.waiting(d.ctx); err != nil || !slices.Equal(got, ids[:3]) {
			d.Errorf("%v, want %v (%v)", got, ids[:3], err)
		}
	})
}
