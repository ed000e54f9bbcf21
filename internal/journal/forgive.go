package journal

import (
	"context"
	"fmt"

	"facteur/internal/database"
)

// Forgive makes calls due that wait for longer than any does: a clock that was
// ahead has written their time.
func (h *Webhooks) Forgive(ctx context.Context, tx *database.Tx) error {
	now := h.db.Now()
	_, err := tx.Exec(ctx, `UPDATE webhook_calls SET next_at = ? WHERE NOT dead AND next_at > ?`, now.UnixMilli(), now.Add(waits[len(waits)-1]+database.Skew).UnixMilli())
	if err != nil {
		return fmt.Errorf("forgive waits of webhooks: %w", err)
	}
	return nil
}
