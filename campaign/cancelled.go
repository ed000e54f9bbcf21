package campaign

import (
	"context"
	"slices"

	"facteur/internal/database"
)

// sweepAtOnce bounds the cancelled campaigns that are swept in one round.
const sweepAtOnce = 4

// cancelled finds the cancelled campaigns that still have people who wait.
func (s *Scheduler) cancelled(ctx context.Context) error {
	ids, err := s.unfinished(ctx, Cancelled)
	s.sweeping = ids
	return err
}

// sweep marks what cancelled campaigns did not send as skipped, a page for each
// round and campaign until nothing is left: the books show it going.
func (s *Scheduler) sweep(ctx context.Context) error {
	for _, id := range slices.Clone(s.sweeping[:min(sweepAtOnce, len(s.sweeping))]) {
		more := false
		err := s.write(ctx, func(tx *database.Tx) (err error) {
			more, err = s.sweepPage(ctx, tx, id)
			return err
		})
		if err := s.trouble(ctx, id, err); err != nil {
			return err
		}
		if !more { // or they are in batches: the next search finds what these give back
			s.sweeping = slices.DeleteFunc(s.sweeping, func(other int64) bool { return other == id })
		}
	}
	return nil
}

// sweepPage takes those who wait for a batch, then those who wait for a time:
// for each there is an index, which SQLite takes for the first when the lane is named.
func (s *Scheduler) sweepPage(ctx context.Context, tx *database.Tx, id int64) (more bool, err error) {
	var rows []Delivery
	for _, query := range []string{
		`SELECT ` + deliveryColumns + ` FROM deliveries WHERE campaign_id = ? AND lane > 0 AND wait = 1 LIMIT ?`,
		`SELECT ` + deliveryColumns + ` FROM deliveries WHERE campaign_id = ? AND wait = 2 LIMIT ?`,
	} {
		if err := tx.Select(ctx, &rows, query, id, planPage); err != nil {
			return false, err
		}
		if len(rows) > 0 {
			break
		}
	}
	if len(rows) == 0 {
		return false, nil
	}
	providers, err := s.store.providersOf(ctx, tx, rows)
	if err != nil {
		return false, err
	}
	now, t := s.store.db.Now().UnixMilli(), Tally{}
	// A doubt of a cancelled campaign is not sent again: it is held, and shown as what it is.
	err = tx.Each(ctx, `UPDATE deliveries SET wait = 3, not_before = 0 WHERE campaign_id = ? AND subscriber_id = ? AND wait = 2 AND status = 'uncertain'`, len(rows),
		func(i int, p *database.Params) { p.Set(id, rows[i].SubscriberID) }, nil)
	if err != nil {
		return false, err
	}
	err = tx.Each(ctx, `UPDATE deliveries SET status = 'skipped', wait = 0, reason = 'cancelled', settled_at = ? WHERE campaign_id = ? AND subscriber_id = ? AND status = ? AND wait IN (1, 2)
		AND status IN ('queued', 'deferred')`, len(rows),
		func(i int, p *database.Params) { p.Set(now, id, rows[i].SubscriberID, string(rows[i].Status)) },
		func(i int, n int64) {
			if n > 0 {
				t.move(id, providers[i], rows[i].Status, Skipped, n)
			}
		})
	if err != nil {
		return false, err
	}
	return true, s.store.Count(ctx, tx, t)
}
