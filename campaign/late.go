package campaign

import (
	"context"
	"errors"
	"fmt"

	"facteur/internal/database"
)

// late writes answers whose row has gone on since: its doubt was queued again,
// or is under way as the next attempt. They are few, so each reads its row.
func (s *Store) late(ctx context.Context, tx *database.Tx, answers []*Settled, history *[]*Settled, t Tally) error {
	for _, v := range answers {
		for v.tells() {
			d, err := s.With(tx).Delivery(ctx, v.CampaignID, v.SubscriberID)
			if errors.Is(err, database.ErrNotFound) || err == nil && !v.settles(d) {
				break
			}
			if err != nil {
				return err
			}
			if v.Written, err = s.settleLate(ctx, tx, v, d, t); err != nil {
				return err
			}
			if v.Written {
				*history = append(*history, v)
				break
			} // somebody changed it in between: look again
		}
	}
	return nil
}

// tells whether the answer says anything about whether the message was taken.
func (v *Settled) tells() bool { return !v.Unbegun && v.Status != Uncertain }

// settles tells whether an answer to an earlier attempt decides the row as it
// is now. That a message was taken always does: whatever would be sent after it
// is a second one, and what is under way needs no answer any more. A refusal
// does where it is the doubt that the row has, or was queued again for.
func (v *Settled) settles(d Delivery) bool {
	if !May(d.Status, v.Status) {
		return false
	}
	if v.Status == Accepted {
		return d.Attempts >= v.Attempt
	}
	return d.Attempts == v.Attempt && (d.Status == Uncertain || d.Status == Queued && d.Doubts > 0)
}

// settleLate writes one such answer; false when the row is not as it was read.
func (s *Store) settleLate(ctx context.Context, tx *database.Tx, v *Settled, d Delivery, t Tally) (bool, error) {
	n, err := tx.Exec(ctx, `UPDATE deliveries SET status = ?, wait = ?, not_before = ?, relay_id = ?, code = ?, enhanced = ?, answer = ?, reason = ?, settled_at = ?, deferred_at = ?
		WHERE campaign_id = ? AND subscriber_id = ? AND status = ? AND attempts = ?`,
		string(v.Status), v.wait, v.NotBefore, v.RelayID, v.Outcome.Code, v.Outcome.Enhanced, v.Outcome.Text, v.Reason, s.db.Now().UnixMilli(), v.DeferredAt,
		d.CampaignID, d.SubscriberID, string(d.Status), d.Attempts)
	if err != nil || n == 0 {
		return false, err
	}
	lane, err := s.pace.With(tx).Lane(ctx, d.Lane) // which may not be that of the attempt
	if err != nil {
		return false, fmt.Errorf("late answer: %w", err)
	}
	t.move(d.CampaignID, lane.Provider, d.Status, v.Status, 1)
	return true, nil
}
