package sending

import (
	"context"
	"fmt"

	"facteur/internal/database"
	"facteur/internal/journal"
)

// HeldLetters lists letters in doubt that wait for a person, oldest first,
// behind an id, without their messages.
func (s *Store) HeldLetters(ctx context.Context, after int64, limit int) ([]Letter, error) {
	var all []Letter
	err := s.q.Select(ctx, &all, `SELECT `+letterFacts+` FROM letters WHERE wait = 3 AND id > ? ORDER BY id LIMIT ?`, after, limit)
	return all, err
}

// ResendLetter sends a held letter once more, as the same message, at a
// person's word. [database.ErrNotFound] if there is none of this id,
// [database.ErrConflict] if it is not held.
func (s *Store) ResendLetter(ctx context.Context, tx *database.Tx, id int64) (Letter, error) {
	n, err := tx.Exec(ctx, `UPDATE letters SET status = 'queued', wait = 2, not_before = 0, session = 0, execution = 0, deferred_at = 0 WHERE id = ? AND wait = 3`, id)
	if err != nil {
		return Letter{}, fmt.Errorf("send letter %d again: %w", id, err)
	}
	l, err := s.With(tx).Letter(ctx, id)
	if err != nil {
		return Letter{}, err
	}
	if n == 0 {
		return Letter{}, fmt.Errorf("letter %d is %s and not held, so there is nothing to decide: %w", id, l.Status, database.ErrConflict)
	}
	return l, journal.Write(ctx, tx, "resend", "letter", id, map[string]any{"kind": l.Kind, "doubts": l.Doubts})
}

// CheckLetters lists letters whose states contradict themselves, at most 20:
// such a letter would wait for ever, or go again after its answer.
func (s *Store) CheckLetters(ctx context.Context) ([]Letter, error) {
	var wrong []Letter
	err := s.q.Select(ctx, &wrong, `SELECT `+letterFacts+` FROM letters WHERE NOT (CASE status
		WHEN 'queued' THEN wait = 2 AND session = 0 OR wait = 0 AND session <> 0
		WHEN 'sending' THEN wait = 0 AND session <> 0 AND attempts > 0
		WHEN 'deferred' THEN wait = 2 AND session = 0
		WHEN 'uncertain' THEN wait IN (2, 3) AND session = 0 AND doubts > 0
		WHEN 'sent' THEN wait = 0 AND session = 0 AND attempts > 0
		WHEN 'failed' THEN wait = 0 AND session = 0
		WHEN 'skipped' THEN wait = 0 AND session = 0 AND reason <> ''
		ELSE 1 = 0 END) OR doubts > attempts OR doubts < 0 ORDER BY id LIMIT 20`)
	return wrong, err
}
