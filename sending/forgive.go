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
func (s *Store) Forgive(ctx context.Context, tx *database.Tx, longest time.Duration) error {
	now := s.db.Now()
	if _, err := tx.Exec(ctx, `UPDATE relays SET rest_until = ? WHERE state = 'resting' AND rest_until > ?`, now.UnixMilli(), now.Add(longestRest+database.Skew).UnixMilli()); err != nil {
		return fmt.Errorf("forgive rests: %w", err)
	}
	if _, err := tx.Exec(ctx, `UPDATE letters SET not_before = ? WHERE status IN ('queued', 'deferred') AND not_before > ?`, now.UnixMilli(), now.Add(longest+database.Skew).UnixMilli()); err != nil {
		return fmt.Errorf("forgive waits of letters: %w", err)
	}
	return nil
}
