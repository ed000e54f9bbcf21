package campaign

import (
	"errors"
	"testing"

	"facteur/internal/database"
)

// Law 2: planning twice plans once, and the database has no room for a second
// delivery of one campaign to one person.
func TestPlan_TwicePlansOnce(t *testing.T) {
	eachDesk(t, func(d *desk) {
		id := d.launch(Campaign{ListIDs: []int64{d.list("all", "", 3)}}, Canary{})
		before, err := d.store.Campaign(d.ctx, id)
		d.must(err)
		for range 2 { // the second by what was read before the first
			if err := d.scheduler.plan(d.ctx, before); err != nil {
				d.Errorf("planned again: %v", err)
			}
		}
		if after, err := d.store.Campaign(d.ctx, id); err != nil || after.Recipients != 3 {
			d.Errorf("%d recipients, %v", after.Recipients, err)
		}
		err = d.db.Write(d.ctx, func(tx *database.Tx) error {
			_, err := tx.Exec(d.ctx, `INSERT INTO deliveries SELECT * FROM deliveries`)
			return err
		})
		if !errors.Is(err, database.ErrConflict) {
			d.Errorf("a second delivery to the same people: %v", err)
		}
	})
}
