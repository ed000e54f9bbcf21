package campaign

import (
	"context"

	"facteur/internal/database"
)

// sweepCancelled marks what a cancelled campaign did not send as skipped, a
// page for each second and campaign until nothing is left.
func (s *Scheduler) sweepCancelled(ctx context.Context) error {
	var ids []int64
	err := s.store.db.Select(ctx, &ids, `SELECT n.campaign_id FROM campaign_counts n JOIN campaigns c ON c.id = n.campaign_id
		WHERE c.status = 'cancelled' AND n.status IN ('queued', 'deferred') GROUP BY n.campaign_id HAVING SUM(n.n) > 0`)
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
	now := s.store.db.Now().UnixMilli()
	err = tx.Each(ctx, `UPDATE deliveries SET status = 'skipped', wait = 0, reason = 'cancelled', settled_at = ? WHERE campaign_id = ? AND subscriber_id = ?`, len(rows),
		func(i int) []any { return []any{now, id, rows[i].SubscriberID} }, nil)
	if err != nil {
		return false, err
	}
	t := Tally{}
	for _, d := range rows {
		lane, err := s.store.pace.Lane(ctx, d.Lane)
		if err != nil {
			return false, err
		}
		t.move(id, lane.Provider, d.Status, Skipped, 1)
	}
	// A doubt of a cancelled campaign is not sent again by machine.
	if _, err := tx.Exec(ctx, `UPDATE deliveries SET wait = 3, not_before = 0 WHERE campaign_id = ? AND wait = 2 AND status = 'uncertain'`, id); err != nil {
		return false, err
	}
	return len(rows) == planPage, s.store.Count(ctx, tx, t)
}
