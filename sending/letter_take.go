package sending

import (
	"context"
	"time"

	"facteur/internal/database"
)

// DoubtPause is the least wait before a doubt is sent again: long enough for
// its relay to be found doubtful, see [Streak].
const DoubtPause = 5 * time.Second

// TakeLetter gives a due letter to one execution in a process; false when
// somebody else has it, or it waits. With the same execution it may be asked
// again after a commit whose answer was lost.
func (s *Store) TakeLetter(ctx context.Context, id, session, execution int64) (Letter, bool, error) {
	var l Letter
	var n int64
	err := s.db.Write(ctx, func(tx *database.Tx) error {
		var err error
		n, err = tx.Exec(ctx, `UPDATE letters SET session = ?, execution = ?, status = 'queued', wait = 0
			WHERE id = ? AND (wait = 2 AND not_before <= ? OR execution = ? AND session <> 0 AND status = 'queued')`,
			session, execution, id, s.db.Now().UnixMilli(), execution)
		if err != nil || n == 0 {
			return err
		}
		return tx.Get(ctx, &l, `SELECT `+letterColumns+` FROM letters WHERE id = ?`, id)
	})
	return l, n == 1, err
}

// GiveBackLetter lets others take a letter whose body never began, not before
// the given time. A begin whose commit's answer was lost is taken back too.
func (s *Store) GiveBackLetter(ctx context.Context, id, execution, notBefore int64) error {
	_, err := s.db.Exec(ctx, `UPDATE letters SET session = 0, execution = 0, status = 'queued', wait = 2, not_before = ? WHERE id = ? AND execution = ? AND status IN ('queued', 'sending')`,
		notBefore, id, execution)
	return err
}

// LetterAttempt is a letter about to begin.
type LetterAttempt struct {
	ID        int64
	Execution int64
	Number    int // 1 for the first
	RelayID   int64
}

// BeginLetters marks the attempts; false for a letter that is not the
// execution's any more. One that it has begun already, in a commit whose
// answer was lost, is begun again.
func (s *Store) BeginLetters(ctx context.Context, tx *database.Tx, attempts []LetterAttempt) ([]bool, error) {
	begun := make([]bool, len(attempts))
	now := s.db.Now().UnixMilli()
	err := tx.Each(ctx, `UPDATE letters SET status = 'sending', attempts = ?, relay_id = ?, begun_at = ?
		WHERE id = ? AND execution = ? AND session <> 0 AND (status = 'queued' OR status = 'sending' AND attempts = ?)`, len(attempts),
		func(i int, p *database.Params) {
			a := attempts[i]
			p.Set(a.Number, a.RelayID, now, a.ID, a.Execution, a.Number)
		}, func(i int, n int64) { begun[i] = n == 1 })
	return begun, err
}

// SettledLetter is what became of an attempt at a letter.
type SettledLetter struct {
	Letter             // as taken
	Execution  int64   // that has tried it
	Unbegun    bool    // the envelope was refused
	Outcome    Outcome // with what becomes of it as verdict
	NextTry    int64   // of one deferred or in doubt, Unix milliseconds; 0 of a doubt: a person says
	DeferredAt int64
	Reason     string
	Written    bool // by [Store.SettleLetters]: the row was changed
}

// SettleLetters writes what became of attempts, told by anyone: as of a
// delivery, see campaign.Store.Settle. A refusal is believed while its doubt is
// the last attempt; that a letter was taken is, whatever its doubt does by then.
func (s *Store) SettleLetters(ctx context.Context, tx *database.Tx, settled []SettledLetter) error {
	now := s.db.Now().UnixMilli()
	return tx.Each(ctx, `UPDATE letters SET status = ?, wait = ?, session = 0, attempts = CASE WHEN attempts > ? THEN attempts ELSE ? END, not_before = ?, doubts = doubts + ?, code = ?, enhanced = ?, answer = ?, reason = ?, settled_at = ?, deferred_at = ?
		WHERE id = ? AND (? AND attempts = ? AND status = 'queued' AND execution = ?
			OR ? AND attempts = ? AND (status = 'sending' OR ? AND doubts > 0 AND status IN ('uncertain', 'queued', 'deferred'))
			OR ? AND attempts >= ? AND doubts > 0 AND status <> 'sent')`,
		len(settled), func(i int, p *database.Params) {
			v := &settled[i]
			n, o := v.Attempts+1, v.Outcome
			wait, doubt := waitNothing, 0
			switch {
			case o.Verdict == Deferred:
				wait = waitTime
			case o.Verdict == Doubted && v.NextTry == 0:
				wait, doubt = waitPerson, 1
			case o.Verdict == Doubted:
				wait, doubt = waitTime, 1
			}
			p.Set(string(o.Verdict), wait, n, n, v.NextTry, doubt, o.Code, o.Enhanced, o.Text, v.Reason, now, v.DeferredAt,
				v.ID, v.Unbegun, n-1, v.Execution,
				!v.Unbegun, n, o.Verdict != Doubted,
				o.Verdict == Sent, n)
		}, func(i int, n int64) { settled[i].Written = n == 1 })
}

// SkipLetters settles letters that were taken and not begun, for good, with the reason.
func (s *Store) SkipLetters(ctx context.Context, tx *database.Tx, attempts []LetterAttempt, reasons []string) error {
	now := s.db.Now().UnixMilli()
	return tx.Each(ctx, `UPDATE letters SET status = 'skipped', wait = 0, session = 0, reason = ?, settled_at = ? WHERE id = ? AND execution = ? AND status = 'queued'`, len(attempts),
		func(i int, p *database.Params) { p.Set(reasons[i], now, attempts[i].ID, attempts[i].Execution) }, nil)
}

// doubtLetters is the update by which begun letters whose answer is lost are
// in doubt: the first time they wait for a time, then for a person.
const doubtLetters = `UPDATE letters SET status = 'uncertain', doubts = doubts + 1, session = 0, settled_at = ?, wait = CASE WHEN doubts = 0 THEN 2 ELSE 3 END, not_before = CASE WHEN doubts = 0 THEN CAST(? AS BIGINT) ELSE 0 END,
	reason = 'answer lost', answer = ? WHERE status = 'sending' AND `

// DoubtLetter is for an answer that could not be written.
func (s *Store) DoubtLetter(ctx context.Context, id, execution int64) error {
	now := s.db.Now().UnixMilli()
	_, err := s.db.Exec(ctx, doubtLetters+`id = ? AND execution = ?`, now, now+DoubtPause.Milliseconds(), "the answer could not be written down", id, execution)
	return err
}

// AbandonLetters hands on what a process that ended or fell silent has left: a
// begun letter is in doubt, and is sent again once, not before the given time
// (Unix milliseconds); the others may be taken by anybody.
func (s *Store) AbandonLetters(ctx context.Context, tx *database.Tx, session, again int64) error {
	_, err := tx.Exec(ctx, doubtLetters+`session = ?`, s.db.Now().UnixMilli(), again, "the process ended before the answer came", session)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE letters SET session = 0, execution = 0, wait = 2 WHERE session = ? AND status = 'queued'`, session)
	return err
}

// LetterSessions lists the sessions that have taken letters.
func (s *Store) LetterSessions(ctx context.Context) ([]int64, error) {
	var sessions []int64
	err := s.q.Select(ctx, &sessions, `SELECT DISTINCT session FROM letters WHERE session <> 0`)
	return sessions, err
}

// HoldLetterDoubts lets every doubt of a relay that swallows wait for a person.
func (s *Store) HoldLetterDoubts(ctx context.Context, tx *database.Tx, relayID int64) error {
	_, err := tx.Exec(ctx, `UPDATE letters SET wait = 3, not_before = 0 WHERE relay_id = ? AND status = 'uncertain' AND wait = 2`, relayID)
	return err
}

// LetterReturned settles a letter of which something came back, such as a
// delivery report: it was sent. It changes one that is under way or in doubt,
// and one that was in doubt, whatever it does since; true if it did.
func (s *Store) LetterReturned(ctx context.Context, tx *database.Tx, id int64) (bool, error) {
	n, err := tx.Exec(ctx, `UPDATE letters SET status = 'sent', wait = 0, session = 0, reason = '', answer = 'it came back, so it was sent', settled_at = ?
		WHERE id = ? AND (status IN ('sending', 'uncertain') OR status <> 'sent' AND doubts > 0)`, s.db.Now().UnixMilli(), id)
	return n == 1, err
}
