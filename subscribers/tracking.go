package subscribers

import (
	"context"
	"fmt"

	"facteur/internal/database"
	"facteur/internal/journal"
)

// TrackingChoice is a person's word about being watched, apart from their word
// about being mailed (CNIL, recommendation 2026-042).
type TrackingChoice struct {
	Given   bool   `db:"given"`
	At      int64  `db:"at"` // Unix milliseconds
	Source  string `db:"source"`
	Wording string `db:"wording"`
}

// Track notes that a person lets us see what they open and follow, or no more.
// A yes needs its source and its words.
func (s *Store) Track(ctx context.Context, tx *database.Tx, subscriberID int64, given bool, source, wording string) error {
	if err := s.Hold(ctx, tx, []int64{subscriberID}); err != nil {
		return err
	}
	p, err := s.With(tx).Subscriber(ctx, subscriberID)
	if err != nil {
		return err
	}
	if given && (source == "" || wording == "") {
		return &Invalid{"source", "a yes needs its source and the words that were agreed to"}
	}
	if given == (p.TrackingAt > 0) {
		return nil
	}
	now := s.db.Now().UnixMilli()
	at := int64(0)
	if given {
		at = now
	}
	if _, err := tx.Exec(ctx, `UPDATE subscribers SET tracking_at = ?, updated_at = ? WHERE id = ?`, at, now, subscriberID); err != nil {
		return fmt.Errorf("tracking of %d: %w", subscriberID, err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO tracking_choices (id, subscriber_id, given, at, source, wording) VALUES (?, ?, ?, ?, ?, ?)`, s.db.NewID(), subscriberID, given, now, source, wording)
	if err != nil {
		return fmt.Errorf("tracking of %d: %w", subscriberID, err)
	}
	return journal.Write(ctx, tx, "track", "subscriber", subscriberID, map[string]any{"given": given, "source": source})
}

// TrackingChoices lists what a person said about it, oldest first.
func (s *Store) TrackingChoices(ctx context.Context, subscriberID int64) ([]TrackingChoice, error) {
	var all []TrackingChoice
	err := s.q.Select(ctx, &all, `SELECT given, at, source, wording FROM tracking_choices WHERE subscriber_id = ? ORDER BY id`, subscriberID)
	return all, err
}
