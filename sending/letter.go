package sending

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/internal/journal"
)

// Letter is a one-off mail to one address: a test now. Its row is written in
// the transaction that asked for it, and goes through a delivery's states.
type Letter struct {
	ID           int64  `db:"id"`
	Kind         string `db:"kind"`
	CampaignID   int64  `db:"campaign_id"`   // 0: none
	SubscriberID int64  `db:"subscriber_id"` // 0: none
	SenderID     int64  `db:"sender_id"`
	Email        string `db:"email"`
	Message      string `db:"message"` // ready to send, composed when asked for
	Status       string `db:"status"`
	NotBefore    int64  `db:"not_before"`
	Attempts     int    `db:"attempts"`
	Doubts       int    `db:"doubts"`
	RelayID      int64  `db:"relay_id"`
	Code         int    `db:"code"`
	Enhanced     string `db:"enhanced"`
	Answer       string `db:"answer"`
	CreatedAt    int64  `db:"created_at"`
	SettledAt    int64  `db:"settled_at"`
}

const letterColumns = `id, kind, campaign_id, subscriber_id, sender_id, email, message, status, not_before, attempts, doubts, relay_id, code, enhanced, answer, created_at, settled_at`

// The kinds of letters.
const (
	TestLetter         = "test"         // a campaign's test send
	ConfirmationLetter = "confirmation" // asks for the yes of a double opt-in
	AlreadyLetter      = "already"      // says that there is nothing to confirm
	AccessLetter       = "access"       // a fresh link to one's preferences
	ProbeLetter        = "probe"        // to ourselves, to see whether mail comes home
	AlarmLetter        = "alarm"        // tells the operators
	SeedLetter         = "seed"         // a copy of a campaign to an address of our own
)

// WriteLetter adds a letter; the urgent queue takes it from there. The
// caller has composed its message under the letter's id, from [database.DB.NewID].
func (s *Store) WriteLetter(ctx context.Context, tx *database.Tx, l Letter) error {
	if _, err := address.Parse(l.Email); err != nil {
		return invalid("to", "%v", err)
	}
	_, err := tx.Exec(ctx, `INSERT INTO letters (id, kind, campaign_id, subscriber_id, sender_id, email, message, status, session, execution, not_before, attempts, doubts, relay_id, code, enhanced, answer, created_at, begun_at, settled_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, 'queued', 0, 0, 0, 0, 0, 0, 0, '', '', ?, 0, 0)`,
		l.ID, l.Kind, l.CampaignID, l.SubscriberID, l.SenderID, l.Email, l.Message, s.db.Now().UnixMilli())
	if err != nil {
		return fmt.Errorf("write letter: %w", err)
	}
	return journal.Write(ctx, tx, "write", "letter", l.ID, map[string]any{"kind": l.Kind})
}

// DueLetters lists letters that may be sent now, oldest first.
func (s *Store) DueLetters(ctx context.Context, limit int) ([]Letter, error) {
	var due []Letter
	err := s.q.Select(ctx, &due, `SELECT `+letterColumns+` FROM letters WHERE status IN ('queued', 'deferred') AND session = 0 AND not_before <= ?
		ORDER BY id LIMIT ?`, s.db.Now().UnixMilli(), limit)
	return due, err
}

// Letters lists a campaign's letters, newest first.
func (s *Store) Letters(ctx context.Context, campaignID int64, limit int) ([]Letter, error) {
	var all []Letter
	err := s.q.Select(ctx, &all, `SELECT `+letterColumns+` FROM letters WHERE campaign_id = ? ORDER BY id DESC LIMIT ?`, campaignID, limit)
	return all, err
}

// Letter finds a letter by id.
func (s *Store) Letter(ctx context.Context, id int64) (Letter, error) {
	var l Letter
	if err := s.q.Get(ctx, &l, `SELECT `+letterColumns+` FROM letters WHERE id = ?`, id); err != nil {
		return Letter{}, fmt.Errorf("letter %d: %w", id, err)
	}
	return l, nil
}

// LettersTo are the letters to one person, without their messages.
func (s *Store) LettersTo(ctx context.Context, subscriberID int64) ([]Letter, error) {
	var all []Letter
	err := s.q.Select(ctx, &all, `SELECT id, kind, campaign_id, subscriber_id, sender_id, email, '' AS message, status, not_before, attempts, doubts, relay_id, code, enhanced, answer, created_at, settled_at
		FROM letters WHERE subscriber_id = ? ORDER BY id`, subscriberID)
	return all, err
}

// EraseLetters removes the letters to a person who is erased, whether they
// were sent or not.
func (s *Store) EraseLetters(ctx context.Context, tx *database.Tx, subscriberID int64) error {
	_, err := tx.Exec(ctx, `DELETE FROM letters WHERE subscriber_id = ?`, subscriberID)
	return err
}

// ForgetLetters removes letters that were done before a time (Unix
// milliseconds), at most limit of them, and returns how many.
func (s *Store) ForgetLetters(ctx context.Context, tx *database.Tx, before int64, limit int) (int64, error) {
	return tx.Exec(ctx, `DELETE FROM letters WHERE id IN (SELECT id FROM letters WHERE created_at < ? AND status NOT IN ('queued', 'sending', 'deferred') ORDER BY created_at LIMIT ?)`, before, limit)
}

// ForgetBodies takes away what letters said that were done before a time (Unix
// milliseconds), at most limit of them, and returns how many.
func (s *Store) ForgetBodies(ctx context.Context, tx *database.Tx, before int64, limit int) (int64, error) {
	return tx.Exec(ctx, `UPDATE letters SET message = '' WHERE id IN (SELECT id FROM letters WHERE created_at < ? AND message <> '' AND status IN ('sent', 'failed', 'skipped') ORDER BY created_at LIMIT ?)`, before, limit)
}

// TakeLetter gives a due letter to one execution in a process; false when
// somebody else has it. With the same execution it may be asked again after a
// commit whose answer was lost.
func (s *Store) TakeLetter(ctx context.Context, id, session, execution int64) (Letter, bool, error) {
	var l Letter
	var n int64
	err := s.db.Write(ctx, func(tx *database.Tx) error {
		var err error
		n, err = tx.Exec(ctx, `UPDATE letters SET session = ?, execution = ?, status = 'queued' WHERE id = ? AND (session = 0 AND status IN ('queued', 'deferred') OR execution = ? AND status = 'queued')`,
			session, execution, id, execution)
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
	_, err := s.db.Exec(ctx, `UPDATE letters SET session = 0, execution = 0, status = 'queued', not_before = ? WHERE id = ? AND execution = ? AND status IN ('queued', 'sending')`, notBefore, id, execution)
	return err
}

// BeginLetter marks the attempt; false when the letter is not the execution's any more.
func (s *Store) BeginLetter(ctx context.Context, tx *database.Tx, id, execution int64, attempt int, relayID int64) (bool, error) {
	n, err := tx.Exec(ctx, `UPDATE letters SET status = 'sending', attempts = ?, relay_id = ?, begun_at = ? WHERE id = ? AND execution = ? AND session <> 0
		AND (status = 'queued' OR status = 'sending' AND attempts = ?)`,
		attempt, relayID, s.db.Now().UnixMilli(), id, execution, attempt)
	return n == 1, err
}

// SettleLetter writes what became of an attempt. A doubted letter is not sent
// again by machine: a test may be asked for anew.
func (s *Store) SettleLetter(ctx context.Context, tx *database.Tx, id int64, attempt int, o Outcome, notBefore int64) error {
	doubts := 0
	if o.Verdict == Doubted {
		doubts = 1
	}
	_, err := tx.Exec(ctx, `UPDATE letters SET status = ?, session = 0, attempts = ?, not_before = ?, doubts = doubts + ?, code = ?, enhanced = ?, answer = ?, settled_at = ?
		WHERE id = ? AND (attempts = ? AND status IN ('sending', 'uncertain') OR attempts = ? AND status = 'queued')`,
		string(o.Verdict), attempt, notBefore, doubts, o.Code, o.Enhanced, o.Text, s.db.Now().UnixMilli(), id, attempt, attempt-1)
	return err
}

// AbandonLetters settles what a process that ended has left: a begun letter
// is in doubt, the others may be taken by anybody.
func (s *Store) AbandonLetters(ctx context.Context, tx *database.Tx, session int64) error {
	_, err := tx.Exec(ctx, `UPDATE letters SET status = 'uncertain', doubts = doubts + 1, session = 0, answer = 'the process ended before the answer came' WHERE session = ? AND status = 'sending'`, session)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE letters SET session = 0 WHERE session = ? AND status = 'queued'`, session)
	return err
}

// Anonymous replaces the recipient's address in a relay's answer, in
// whatever case the relay writes it.
func Anonymous(text, email string) string {
	if email == "" || !strings.Contains(text, "@") {
		return text
	}
	return regexp.MustCompile("(?i)"+regexp.QuoteMeta(email)).ReplaceAllLiteralString(text, "(recipient)")
}
