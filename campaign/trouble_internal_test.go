package campaign

import (
	"strings"
	"testing"
	"time"

	"facteur/internal/database"
)

// spare lets the scheduler look again at campaigns that it had left alone.
func (d *desk) spare() {
	for id, t := range d.scheduler.troubles {
		t.next = time.Now()
		d.scheduler.troubles[id] = t
	}
}

// What is wrong with one campaign is held against it alone.
func TestScheduler_APoisonedCampaignStopsNoOther(t *testing.T) {
	poisons := []string{
		`UPDATE campaigns SET translations = '7' WHERE id = ?`,
		`UPDATE versions SET sender = '{"RelayIDs": 7}' WHERE campaign_id = ?`,
		`UPDATE versions SET segment = 'no such thing' WHERE campaign_id = ?`,
		`UPDATE versions SET sender = '{"Domain": "gone.example", "RelayIDs": [1]}' WHERE campaign_id = ?`,
		`INSERT INTO batches (id, campaign_id, lane, size, state, session, execution, released_at, enqueued_at, members) SELECT 1, id, 999, 1, 'released', 0, 0, 0, 0, '[1]' FROM campaigns WHERE id = ?`,
		`DELETE FROM versions WHERE campaign_id = ?`,
	}
	eachDesk(t, func(d *desk) {
		list := d.list("p", "", 20)
		var ids []int64
		for _, poison := range poisons {
			id := d.launch(Campaign{ListIDs: []int64{list}}, Canary{})
			ids = append(ids, id)
			d.write(func(tx *database.Tx) error {
				_, err := tx.Exec(d.ctx, poison, id)
				return err
			})
		}
		good := d.launch(Campaign{ListIDs: []int64{list}}, Canary{})
		for range 4 {
			d.rounds()
			d.spare()
		}
		if n := d.books(good); n.Sent != 20 {
			d.Fatalf("the good one: %+v", n)
		}
		for i, id := range ids {
			var row struct {
				Status Status `db:"status"`
				Reason string `db:"status_reason"`
			}
			d.must(d.db.Get(d.ctx, &row, `SELECT status, status_reason FROM campaigns WHERE id = ?`, id))
			if strings.HasPrefix(poisons[i], "INSERT") && row.Status == Sent {
				continue // a lane that is gone hurts only until its batch is
			}
			if row.Status != Paused || !strings.Contains(row.Reason, "paused by itself") {
				d.Errorf("%s: %s (%s)", poisons[i], row.Status, row.Reason)
			}
		}
	})
}

// A cancelled campaign is swept a page a round, and its books balance meanwhile.
func TestCancel_IsSweptAPageARound(t *testing.T) {
	eachDesk(t, func(d *desk) {
		id := d.launch(Campaign{ListIDs: []int64{d.list("p", "", 3*planPage)}, Calendar: Calendar{Days: []string{"sun"}}}, Canary{})
		for !d.campaign(id).Planned {
			d.tick()
		}
		d.write(func(tx *database.Tx) error {
			_, err := d.store.Cancel(d.ctx, tx, id, "")
			return err
		})
		for round := int64(1); round <= 3; round++ {
			d.tick()
			if n := d.books(id); n.Skipped != round*planPage {
				d.Errorf("after round %d: %+v", round, n)
			}
		}
	})
}
