package campaign

import (
	"context"
	"errors"
	"slices"

	"facteur/internal/database"
)

// peersAtOnce is how many processes a round takes over from: after a crash loop
// without a scheduler there are many, and the lease must be renewed between them.
const peersAtOnce = 20

// recover hands on what processes left that ended or fell silent, one after the other.
func (s *Scheduler) recover(ctx context.Context) error {
	var silent []database.Peer
	err := s.write(ctx, func(tx *database.Tx) (err error) {
		silent, err = s.process.Silent(ctx, tx)
		return err
	})
	for _, p := range silent[:min(len(silent), peersAtOnce)] {
		if err == nil {
			err = s.takeOver(ctx, p.Session)
		}
	}
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx *database.Tx) error {
		return errors.Join(s.recoverStrays(ctx, tx), s.recoverStrayLetters(ctx, tx))
	})
}

// takeOver hands on what one process left, if it still is silent: a page of
// batches at a time, as nothing begins and nobody can leave meanwhile.
func (s *Scheduler) takeOver(ctx context.Context, session int64) error {
	for batches, doubted := 0, 0; ; {
		var page, doubts int
		var left database.Peer
		err := s.write(ctx, func(tx *database.Tx) error {
			silent, err := s.process.Silent(ctx, tx)
			if err != nil {
				return err
			}
			i := slices.IndexFunc(silent, func(p database.Peer) bool { return p.Session == session })
			if i < 0 {
				return nil
			}
			left = silent[i]
			page, doubts, err = s.store.Recover(ctx, tx, session, left.Proven, s.patience.FinalDot.Milliseconds())
			if err != nil || page == recoverPage {
				return err
			}
			if err := s.recoverLetters(ctx, tx, session, left.Proven); err != nil {
				return err
			}
			return s.process.Forget(ctx, tx, left)
		})
		if err != nil || left.Session == 0 {
			return err
		}
		s.metrics.doubts.Add(float64(doubts))
		batches, doubted = batches+page, doubted+doubts
		if page < recoverPage {
			s.metrics.takeovers.Inc()
			s.log.Warn("took over from a process", "pid", left.PID, "ended", left.Proven, "batches", batches, "doubts", doubted)
			return nil
		}
	}
}

// recoverStrays hands on batches whose session nobody has any more: they were
// taken by a commit that came through after its process was written off.
func (s *Scheduler) recoverStrays(ctx context.Context, tx *database.Tx) error {
	sessions, err := s.store.Strays(ctx, tx)
	if err == nil {
		sessions, err = s.unowned(ctx, tx, sessions)
	}
	if err != nil {
		return err
	}
	for _, session := range sessions {
		batches, doubts, err := s.store.Recover(ctx, tx, session, false, s.patience.FinalDot.Milliseconds())
		if err != nil {
			return err
		}
		s.log.Warn("took over stray batches", "batches", batches, "doubts", doubts)
	}
	return nil
}

// unowned are those of the sessions that nobody has any more.
func (s *Scheduler) unowned(ctx context.Context, tx *database.Tx, sessions []int64) ([]int64, error) {
	if len(sessions) == 0 {
		return nil, nil
	}
	known, err := s.process.Sessions(ctx, tx)
	return slices.DeleteFunc(sessions, func(session int64) bool { return slices.Contains(known, session) }), err
}
