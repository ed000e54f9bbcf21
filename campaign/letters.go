package campaign

import (
	"context"
	"errors"

	"facteur/internal/database"
)

// offerLetters offers the one-off mails that are due.
func (s *Scheduler) offerLetters(ctx context.Context) error {
	if _, err := s.store.Stopped(ctx); !errors.Is(err, database.ErrNotFound) {
		return err
	}
	sending, err := s.store.inState(ctx, Sending, Sending)
	if err != nil {
		return err
	}
	due, err := s.store.senders.DueLetters(ctx, len(sending) == 0)
	if err != nil || len(due) == 0 {
		return err
	}
	ids := make([]int64, len(due))
	for i, l := range due {
		ids[i] = l.ID
	}
	return s.queue.Letters(ctx, ids)
}

// recoverLetters hands on the letters that a process has left: the begun ones
// are in doubt, as deliveries are, see [Store.Recover].
func (s *Scheduler) recoverLetters(ctx context.Context, tx *database.Tx, session int64, proven bool) error {
	again := s.store.db.Now().UnixMilli()
	if !proven {
		again += s.patience.FinalDot.Milliseconds()
	}
	return s.store.senders.AbandonLetters(ctx, tx, session, again)
}

// recoverStrayLetters hands on letters whose session nobody has any more: they
// were taken by a commit that came through after its process was written off.
func (s *Scheduler) recoverStrayLetters(ctx context.Context, tx *database.Tx) error {
	sessions, err := s.store.senders.With(tx).LetterSessions(ctx)
	if err == nil {
		sessions, err = s.unowned(ctx, tx, sessions)
	}
	if err != nil {
		return err
	}
	for _, session := range sessions {
		if err := s.recoverLetters(ctx, tx, session, false); err != nil {
			return err
		}
	}
	return nil
}
