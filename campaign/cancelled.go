package campaign

import (
	"context"

	"facteur/internal/database"
)

// sweepCancelled marks what a cancelled campaign did not send as skipped, a
// page for each second and campaign until nothing is left.
func (s *Scheduler) sweepCancelled(ctx context.Context) error {
	ids, err := s.unfinished(ctx, Cancelled)
	if err != nil {
		return err
	}
	for _, id := range ids {
		for more := true; more; {
			err := s.write(ctx, func(tx *database.Tx) (err error) {
				more, err = s.sweepPage(ctx, tx, id)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Scheduler) sweepPage(ctx context.Context, tx *database.Tx, id int64) (more bool, err error) {
	var rows []Delivery
	err = tx.Select(ctx, &rows, `SELECT `+deliveryColumns+` FROM deliveries WHERE campaign_id = ? AND wait IN (1, 2) AND status IN ('queued', 'deferred') LIMIT ?`, id, planPage)
	if err != nil || len(rows) == 0 {
		return false, err
	}
	providers, err := s.store.providersOf(ctx, tx, rows)
	if err != nil {
		return false, err
	}
	now, t := s.store.db.Now().UnixMilli(), Tally{}
	err = tx.Each(ctx, `UPDATE deliveries SET status = 'skipped', wait = 0, reason = 'cancelled', settled_at = ? WHERE campaign_id = ? AND subscriber_id = ? AND status = ? AND wait IN (1, 2)`, len(rows),
		func(i int, p *database.Params) { p.Set(now, id, rows[i].SubscriberID, string(rows[i].Status)) },
		func(i int, n int64) { t.move(id, providers[i], rows[i].Status, Skipped, n) })
	if err != nil {
		return false, err
	}
	// A doubt of a cancelled campaign is not sent again by machine.
	if _, err := tx.Exec(ctx, `UPDATE deliveries SET wait = 3, not_before = 0 WHERE campaign_id = ? AND wait = 2 AND status = 'uncertain'`, id); err != nil {
		return false, err
	}
	return len(rows) == planPage, s.store.Count(ctx, tx, t)
}
