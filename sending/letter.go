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

// Letter is a one-off mail to one address, see the kinds. Its row is written in
// the transaction that asked for it, and goes through a delivery's states.
type Letter struct {
	ID           int64  `db:"id"`
	Kind         string `db:"kind"`
	CampaignID   int64  `db:"campaign_id"`   // 0: none
	SubscriberID int64  `db:"subscriber_id"` // 0: none
	ListID       int64  `db:"list_id"`       // the list whose yes it asks for; 0: none
	SenderID     int64  `db:"sender_id"`
	Email        string `db:"email"`
	Message      string `db:"message"` // ready to send, composed when asked for
	Status       string `db:"status"`
	Rank         int    `db:"rank"` // of its kind; 0 goes first
	Wait         int    `db:"wait"` // what it waits for: 0 nothing, 2 its time, 3 a person
	NotBefore    int64  `db:"not_before"`
	Attempts     int    `db:"attempts"`
	Doubts       int    `db:"doubts"`
	RelayID      int64  `db:"relay_id"`
	Code         int    `db:"code"`
	Enhanced     string `db:"enhanced"`
	Answer       string `db:"answer"`
	Reason       string `db:"reason"` // why it was skipped, put off or given up
	CreatedAt    int64  `db:"created_at"`
	SettledAt    int64  `db:"settled_at"`
	DeferredAt   int64  `db:"deferred_at"`
}

// What a letter waits for.
const (
	waitNothing = 0 // in work, or done
	waitTime    = 2
	waitPerson  = 3
)

// Held tells whether the letter is in doubt and waits for a person.
func (l Letter) Held() bool { return l.Wait == waitPerson }

const (
	letterFacts   = `id, kind, campaign_id, subscriber_id, list_id, sender_id, email, status, rank, wait, not_before, attempts, doubts, relay_id, code, enhanced, answer, reason, created_at, settled_at, deferred_at`
	letterColumns = letterFacts + `, message`
)

// WriteLetter adds a letter; the urgent queue takes it from there. The
// caller has composed its message under the letter's id, from [database.DB.NewID].
func (s *Store) WriteLetter(ctx context.Context, tx *database.Tx, l Letter) error {
	if _, err := address.Parse(l.Email); err != nil {
		return invalid("to", "%v", err)
	}
	_, err := tx.Exec(ctx, `INSERT INTO letters (id, kind, campaign_id, subscriber_id, list_id, sender_id, email, message, status, rank, wait, session, execution, not_before, attempts, doubts, relay_id, code, enhanced, answer, reason, created_at, begun_at, settled_at, deferred_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?, 2, 0, 0, 0, 0, 0, 0, 0, '', '', '', ?, 0, 0, 0)`,
		l.ID, l.Kind, l.CampaignID, l.SubscriberID, l.ListID, l.SenderID, l.Email, l.Message, rankOf(l.Kind), s.db.Now().UnixMilli())
	if err != nil {
		return fmt.Errorf("write letter: %w", err)
	}
	return journal.Write(ctx, tx, "write", "letter", l.ID, map[string]any{"kind": l.Kind})
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

// LetterFacts is a letter without its message.
func (s *Store) LetterFacts(ctx context.Context, id int64) (Letter, error) {
	var l Letter
	if err := s.q.Get(ctx, &l, `SELECT `+letterFacts+` FROM letters WHERE id = ?`, id); err != nil {
		return Letter{}, fmt.Errorf("letter %d: %w", id, err)
	}
	return l, nil
}

// LettersTo are the letters to one person, without their messages.
func (s *Store) LettersTo(ctx context.Context, subscriberID int64) ([]Letter, error) {
	var all []Letter
	err := s.q.Select(ctx, &all, `SELECT `+letterFacts+` FROM letters WHERE subscriber_id = ? ORDER BY id`, subscriberID)
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
	return tx.Exec(ctx, `DELETE FROM letters WHERE id IN (SELECT id FROM letters WHERE created_at < ?
		AND status NOT IN ('queued', 'sending', 'deferred') AND wait <> 2 ORDER BY created_at LIMIT ?)`, before, limit)
}

// ForgetBodies takes away what letters said that were done before a time (Unix
// milliseconds), at most limit of them, and returns how many.
func (s *Store) ForgetBodies(ctx context.Context, tx *database.Tx, before int64, limit int) (int64, error) {
	return tx.Exec(ctx, `UPDATE letters SET message = '' WHERE id IN (SELECT id FROM letters WHERE created_at < ? AND message <> ''
		AND status IN ('sent', 'failed', 'skipped') ORDER BY created_at LIMIT ?)`, before, limit)
}

// Anonymous replaces the recipient's address in a relay's answer, in
// whatever case the relay writes it.
func Anonymous(text, email string) string {
	if email == "" || !strings.Contains(text, "@") {
		return text
	}
	return regexp.MustCompile("(?i)"+regexp.QuoteMeta(email)).ReplaceAllLiteralString(text, "(recipient)")
}
