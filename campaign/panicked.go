package campaign

import (
	"context"
	"errors"
	"fmt"

	"facteur/internal/database"
)

// panicsMost is how often the program may panic at a campaign's messages
// before it pauses the campaign: each time costs people a wait, and what
// panics for one of them may for all.
const panicsMost = 3

// Panicked counts a panic at a campaign's messages, over all processes. From
// the third on a running campaign is paused until a person resumes it, which
// it tells.
func (s *Store) Panicked(ctx context.Context, tx *database.Tx, id int64) (paused bool, err error) {
	if err := tx.Gate(ctx, true); err != nil {
		return false, err
	}
	var n int
	err = tx.Get(ctx, &n, `UPDATE campaigns SET panics = panics + 1 WHERE id = ? RETURNING panics`, id)
	if err != nil {
		return false, fmt.Errorf("count a panic at campaign %d: %w", id, err)
	}
	if n < panicsMost {
		return false, nil
	}
	reason := fmt.Sprintf("paused by itself: the program failed %d times at its messages; the log says where (panic). Nobody is lost: resume it once the cause is removed", n)
	c, err := s.move(ctx, tx, id, Paused, "pause", reason)
	if errors.Is(err, ErrState) {
		return false, nil // it does not run any more
	}
	if err != nil {
		return false, err
	}
	domain, err := s.With(tx).domainOf(ctx, c)
	if err != nil {
		return false, err
	}
	return true, s.alarm(ctx, tx, Alarm{Kind: "panics", Scope: fmt.Sprintf("campaign:%d", id), State: "pause", Reason: reason, Domain: domain, CampaignID: id})
}
