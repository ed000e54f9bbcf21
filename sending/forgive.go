package sending

import (
	"context"
	"fmt"
	"time"

	"facteur/internal/database"
)

// longestRest bounds a relay's rest, see [RestFor].
const longestRest = 30 * time.Minute

// Forgive ends rests, and waits of letters, that a clock that was ahead has
// written: they end later than any can. longest is how long a letter may wait.
// A letter in doubt is let go only while the clock is trusted: it may wait for
// an answer that is still to come.
func (s *Store) Forgive(ctx context.Context, tx *database.Tx, longest time.Duration, trusted bool) error {
	now := s.db.Now()
	if _, err := tx.Exec(ctx, `UPDATE relays SET rest_until = ? WHERE state = 'resting' AND rest_until > ?`, now.UnixMilli(), now.Add(longestRest+database.Skew).UnixMilli()); err != nil {
		return fmt.Errorf("forgive rests: %w", err)
	}
	if _, err := tx.Exec(ctx, `UPDATE letters SET not_before = ? WHERE wait = 2 AND not_before > ? AND (? OR status <> 'uncertain')`,
		now.UnixMilli(), now.Add(longest+database.Skew).UnixMilli(), trusted); err != nil {
		return fmt.Errorf("forgive waits of letters: %w", err)
	}
	return nil
}
