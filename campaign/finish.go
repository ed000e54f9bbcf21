package campaign

import (
	"context"
	"errors"
	"slices"

	"facteur/internal/database"
)

// finish ends campaigns that have nothing left to do.
func (s *Scheduler) finish(ctx context.Context) error {
	running, err := s.sound(ctx, Sending, Sending)
	if err != nil {
		return err
	}
	for _, c := range running {
		if err := s.finishOne(ctx, c); err != nil {
			if err := s.trouble(ctx, c.ID, err); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Scheduler) finishOne(ctx context.Context, c Campaign) error {
	if !c.Planned {
		return nil
	}
	n, err := s.store.Counts(ctx, c.ID)
	if err != nil {
		return err
	}
	if n.Queued+n.Sending+n.Deferred > 0 {
		return nil
	}
	var waiting int64
	err = s.store.db.Get(ctx, &waiting, `SELECT subscriber_id FROM deliveries WHERE campaign_id = ? AND wait = 2 LIMIT 1`, c.ID)
	if err == nil {
		return nil // a doubt that is to be sent again
	}
	if !errors.Is(err, database.ErrNotFound) {
		return err
	}
	err = s.write(ctx, func(tx *database.Tx) error {
		if err := tx.Gate(ctx, true); err != nil {
			return err
		}
		if again, err := s.store.With(tx).Counts(ctx, c.ID); err != nil || again != n {
			return err // something came in between; the next round looks again
		}
		_, err := s.store.move(ctx, tx, c.ID, Sent, "finish", "")
		return err
	})
	if errors.Is(err, ErrState) {
		return nil
	}
	if err != nil {
		return err
	}
	s.log.Info("campaign sent", "campaign", c.ID, "recipients", n.Recipients, "sent", n.Sent, "failed", n.Failed, "skipped", n.Skipped, "uncertain", n.Uncertain)
	return nil
}

// reopen sets campaigns going again that got something to do after their end,
// such as a late deferral of what had been in doubt.
func (s *Scheduler) reopen(ctx context.Context) error {
	ids, err := s.unfinished(ctx, Sent)
	if err != nil {
		return err
	}
	for _, id := range ids {
		err := s.write(ctx, func(tx *database.Tx) error {
			_, err := s.store.reopen(ctx, tx, id)
			return err
		})
		if err != nil && !errors.Is(err, ErrState) {
			return err
		}
	}
	return nil
}

// unfinished lists the campaigns in a state of which people wait for a batch or
// a time, but for doubts.
func (s *Scheduler) unfinished(ctx context.Context, in Status) ([]int64, error) {
	waiting, err := s.store.waiting(ctx)
	if err != nil || len(waiting) == 0 {
		return nil, err
	}
	query, args, err := database.In(`SELECT id FROM campaigns WHERE status = ? AND id IN (?) ORDER BY id`, string(in), waiting)
	if err != nil {
		return nil, err
	}
	var ids []int64
	err = s.store.q.Select(ctx, &ids, query, args...)
	return ids, err
}

// waiting lists the campaigns of which people wait: a step in an index for each
// of them, however many campaigns there have been.
func (s *Store) waiting(ctx context.Context) (ids []int64, err error) {
	for _, query := range []string{
		`SELECT campaign_id FROM deliveries WHERE wait = 1 AND (campaign_id, lane) > (?, 0) ORDER BY campaign_id, lane LIMIT 1`,
		`SELECT campaign_id FROM deliveries WHERE wait = 2 AND status <> 'uncertain' AND (campaign_id, not_before) > (?, -1) ORDER BY campaign_id, not_before LIMIT 1`,
	} {
		for id := int64(0); ; {
			if err := s.q.Get(ctx, &id, query, id+1); errors.Is(err, database.ErrNotFound) {
				break
			} else if err != nil {
				return nil, err
			}
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}
