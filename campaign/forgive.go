package campaign

import (
	"context"
	"fmt"
	"time"

	"facteur/internal/database"
)

// longestHold bounds how long a calendar lets somebody wait: a week, and the
// hours of a day that is longer where they live.
const longestHold = 8 * 24 * time.Hour

// longestWait bounds how long a mail without a calendar waits: for its next
// try, for a relay or a lane that rests. Who is let go too early waits again.
func (s *Scheduler) longestWait() time.Duration {
	return max(s.patience.Most, s.patience.FinalDot, time.Hour)
}

// Forgive lets go what waits for a time that no wait reaches: a clock that was
// ahead has written it. It is a duty of the leader, done every minute.
func (s *Scheduler) Forgive(ctx context.Context, write Fenced) error {
	trusted := s.watch.Steady() == nil
	err := write(ctx, func(tx *database.Tx) error {
		if err := s.store.senders.Forgive(ctx, tx, s.longestWait(), trusted); err != nil {
			return err
		}
		if err := s.store.pace.Forgive(ctx, tx, trusted); err != nil {
			return err
		}
		return s.forgiveBatches(ctx, tx)
	})
	if err != nil {
		return err
	}
	running, err := s.store.inState(ctx, Sending, Paused)
	if err != nil {
		return err
	}
	for _, c := range running {
		if err := s.forgiveWaits(ctx, write, c, trusted); err != nil {
			return fmt.Errorf("forgive waits of campaign %d: %w", c.ID, err)
		}
	}
	return nil
}

// forgiveBatches lets batches be offered again, and canaries be judged.
func (s *Scheduler) forgiveBatches(ctx context.Context, tx *database.Tx) error {
	now := s.store.db.Now()
	if _, err := tx.Exec(ctx, `UPDATE batches SET enqueued_at = 0, released_at = ? WHERE state = 'released' AND released_at > ?`, now.UnixMilli(), now.Add(database.Skew).UnixMilli()); err != nil {
		return fmt.Errorf("forgive batches: %w", err)
	}
	// The wait begins anew: how much of it has gone by nobody knows.
	least, skew := DefaultCanary().Wait.Milliseconds(), database.Skew.Milliseconds()
	_, err := tx.Exec(ctx, `UPDATE campaigns SET canary_until = ? + CASE WHEN canary_wait > ? THEN canary_wait ELSE ? END
		WHERE status IN ('sending', 'paused') AND canary_until > ? + CASE WHEN canary_wait > ? THEN canary_wait ELSE ? END`,
		now.UnixMilli(), least, least, now.UnixMilli()+skew, least, least)
	if err != nil {
		return fmt.Errorf("forgive canaries: %w", err)
	}
	return nil
}

// forgiveWaits readies deliveries of a campaign. A doubt waits for the answer
// that may still come, so it is left alone while the clock may be behind.
func (s *Scheduler) forgiveWaits(ctx context.Context, write Fenced, c Campaign, trusted bool) error {
	version, err := s.store.Version(ctx, c.ID, c.Version)
	if err != nil {
		return err
	}
	longest := s.longestWait()
	if !s.store.Hours(c, version.Calendar).Always() {
		longest = longestHold
	}
	now := s.store.db.Now()
	for {
		n := int64(0)
		err := write(ctx, func(tx *database.Tx) (err error) {
			n, err = tx.Exec(ctx, `UPDATE deliveries SET not_before = ? WHERE campaign_id = ? AND subscriber_id IN
				(SELECT subscriber_id FROM deliveries WHERE campaign_id = ? AND wait = 2 AND not_before > ? AND (? OR status <> 'uncertain') LIMIT ?)`,
				now.UnixMilli(), c.ID, c.ID, now.Add(longest+database.Skew).UnixMilli(), trusted, wakePage)
			return err
		})
		if err != nil || n < wakePage {
			return err
		}
	}
}
