package campaign

import (
	"context"
	"errors"
	"fmt"
	"time"

	"facteur/internal/database"
	"facteur/internal/journal"
	"facteur/throttle"
)

// How often a campaign is tried that cannot be worked on before it is held, how
// long after each try, after how long it is looked at again once it is, and
// after how long without trouble the count begins anew.
const (
	troubleTries     = 3
	troublePause     = time.Second
	troubleHeld      = 5 * time.Second
	troubleForgotten = time.Minute
)

// trouble is a campaign that could not be worked on: its own, and no reason to
// leave the others alone.
type trouble struct {
	tries int
	next  time.Time // by the monotonic clock
}

// spared tells whether a campaign in trouble is left alone for now.
func (s *Scheduler) spared(id int64) bool { return time.Now().Before(s.troubles[id].next) }

// trouble takes note of what went wrong with one campaign, and holds it when
// that was not the first time. What it returns ends the round: an error that is
// about this scheduler or the database, and not about the campaign.
func (s *Scheduler) trouble(ctx context.Context, id int64, err error) error {
	if err == nil || ctx.Err() != nil || errors.Is(err, database.ErrStale) || errors.Is(err, database.ErrUnavailable) {
		return err
	}
	t := s.troubles[id]
	if time.Since(t.next) > troubleForgotten {
		t.tries = 0
	}
	t.tries++
	t.next = time.Now().Add(troublePause)
	s.metrics.troubles.Inc()
	s.log.Error("campaign", "campaign", id, "error", err, "tries", t.tries)
	if t.tries >= troubleTries {
		t.next = time.Now().Add(troubleHeld)
		if held := s.write(ctx, func(tx *database.Tx) error { return s.store.hold(ctx, tx, id, err) }); held != nil {
			return held
		}
	}
	s.troubles[id] = t
	return nil
}

// hold pauses a campaign that cannot be worked on, or lets it not start. It
// reads nothing else of the row, which may be what is wrong.
func (s *Store) hold(ctx context.Context, tx *database.Tx, id int64, cause error) error {
	if err := tx.Gate(ctx, true); err != nil {
		return err
	}
	reason := fmt.Sprintf("paused by itself: it cannot be worked on: %v: mend that and resume it, or cancel it", cause)
	n, err := tx.Exec(ctx, `UPDATE campaigns SET status = CASE status WHEN 'sending' THEN 'paused' ELSE 'blocked' END, status_reason = ?, updated_at = ? WHERE id = ? AND status IN ('sending', 'scheduled')`,
		reason, s.db.Now().UnixMilli(), id)
	if err != nil || n == 0 {
		return err
	}
	if err := journal.Write(ctx, tx, "pause", "campaign", id, map[string]any{"reason": reason}); err != nil {
		return err
	}
	return s.alarm(ctx, tx, Alarm{Kind: "campaign", Scope: throttle.CampaignScope(id), State: string(throttle.Tripped), Reason: reason, CampaignID: id})
}

// sound lists the campaigns in one of the states, oldest first, but those that
// cannot be read, which are in trouble, and those that are left alone for now.
func (s *Scheduler) sound(ctx context.Context, a, b Status) ([]Campaign, error) {
	rows, err := s.store.rowsIn(ctx, a, b)
	if err != nil {
		return nil, err
	}
	all := make([]Campaign, 0, len(rows))
	for _, row := range rows {
		if s.spared(row.ID) {
			continue
		}
		c, err := row.campaign()
		if err == nil {
			all = append(all, c)
		} else if err := s.trouble(ctx, row.ID, err); err != nil {
			return nil, err
		}
	}
	return all, nil
}
