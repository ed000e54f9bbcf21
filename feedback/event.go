package feedback

import (
	"context"
	"fmt"

	"facteur/internal/database"
	"facteur/sending/reply"
	"facteur/subscribers"
)

// Kind is what an event is.
type Kind string

// The kinds. Only the first three leave an event behind.
const (
	Bounce      Kind = "bounce"
	Complaint   Kind = "complaint"
	Unsubscribe Kind = "unsubscribe"
	AutoReply   Kind = "auto_reply"
	Delivered   Kind = "delivered"
	Delayed     Kind = "delayed"
	Probe       Kind = "probe" // a mail to ourselves has come home
	None        Kind = "none"
)

// Effect is what followed of an event.
type Effect string

// The effects.
const (
	Suppressed   Effect = "suppressed"   // not mailed any more
	Unsubscribed Effect = "unsubscribed" // left the lists by which the mail came
	Counted      Effect = "counted"      // held against the address, but not enough to suppress it
	Noted        Effect = "noted"        // about us or the content: nothing follows for the person
	Duplicate    Effect = "duplicate"    // known already
	Ignored      Effect = "ignored"      // nothing to do
	Unmatched    Effect = "unmatched"    // about no mail that we can prove to be ours
	Settled      Effect = "settled"      // it proves that a mail in doubt was sent
)

// FoundBy is the sign by which a mail was known again.
type FoundBy string

// The signs, in the order of asking.
const (
	ByAnswer    FoundBy = "answer" // of the dialogue itself
	ByReturn    FoundBy = "return_path"
	ByMessageID FoundBy = "message_id"
	ByLeave     FoundBy = "leave_token"
	BySigned    FoundBy = "signed_address"
)

// Event is something that came back.
type Event struct {
	ID           int64   `db:"id"`
	Kind         Kind    `db:"kind"`
	Class        string  `db:"class"` // of a bounce, see package sending/reply
	CampaignID   int64   `db:"campaign_id"`
	SubscriberID int64   `db:"subscriber_id"`
	LetterID     int64   `db:"letter_id"`
	Source       string  `db:"source"`
	FoundBy      FoundBy `db:"found_by"`
	Status       string  `db:"status"`
	Code         int     `db:"code"`
	Diagnostic   string  `db:"diagnostic"`
	Recipient    string  `db:"recipient"` // of an unmatched one: whom it names
	Effect       Effect  `db:"effect"`
	At           int64   `db:"at"` // Unix milliseconds
}

// Hard tells that the address is gone for good.
func (e Event) Hard() bool { return e.Kind == Bounce && reply.Class(e.Class).Hard() }

const eventColumns = `id, kind, class, campaign_id, subscriber_id, letter_id, source, found_by, status, code, diagnostic, recipient, effect, at`

// Store keeps the events.
type Store struct {
	q  database.Queryer
	db *database.DB
}

// NewStore reads and writes db.
func NewStore(db *database.DB) *Store { return &Store{q: db, db: db} }

// With is the store inside a transaction.
func (s *Store) With(tx *database.Tx) *Store { return &Store{q: tx, db: s.db} }

// Filter chooses events; zero fields choose all.
type Filter struct {
	CampaignID   int64
	SubscriberID int64
	Kind         Kind
	Effect       Effect
}

// Events pages through events, newest first, before the given id (0: from the newest).
func (s *Store) Events(ctx context.Context, f Filter, before int64, limit int) ([]Event, error) {
	query, args := `SELECT `+eventColumns+` FROM feedback WHERE 1 = 1`, []any(nil)
	add := func(condition string, arg any) { query, args = query+" AND "+condition, append(args, arg) }
	if f.CampaignID != 0 {
		add("campaign_id = ?", f.CampaignID)
	}
	if f.SubscriberID != 0 {
		add("subscriber_id = ?", f.SubscriberID)
	}
	if f.Kind != "" {
		add("kind = ?", string(f.Kind))
	}
	if f.Effect != "" {
		add("effect = ?", string(f.Effect))
	}
	if before != 0 {
		add("id < ?", before)
	}
	var all []Event
	if err := s.q.Select(ctx, &all, query+` ORDER BY id DESC LIMIT ?`, append(args, limit)...); err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	return all, nil
}

// insert adds an event under its key; false when that is known already.
func (s *Store) insert(ctx context.Context, tx *database.Tx, key string, e *Event) (bool, error) {
	e.ID, e.At = s.db.NewID(), s.db.Now().UnixMilli()
	n, err := tx.Exec(ctx, `INSERT INTO feedback (key, `+eventColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING`,
		key, e.ID, string(e.Kind), e.Class, e.CampaignID, e.SubscriberID, e.LetterID, e.Source, string(e.FoundBy), e.Status, e.Code, e.Diagnostic, e.Recipient, string(e.Effect), e.At)
	if err != nil {
		return false, fmt.Errorf("event: %w", err)
	}
	return n == 1, nil
}

// affect writes what has followed of an event.
func (s *Store) affect(ctx context.Context, tx *database.Tx, e Event) error {
	_, err := tx.Exec(ctx, `UPDATE feedback SET effect = ? WHERE id = ?`, string(e.Effect), e.ID)
	return err
}

// mostUnmatched bounds what strangers can make us keep.
const mostUnmatched = 10_000

// full tells that no more of what finds nobody is kept.
func (s *Store) full(ctx context.Context) (bool, error) {
	var n int64
	err := s.q.Get(ctx, &n, `SELECT COUNT(*) FROM (SELECT 1 FROM feedback WHERE effect = 'unmatched' LIMIT ?) AS kept`, mostUnmatched)
	return n >= mostUnmatched, err
}

// ForgetUnmatched removes what found nobody before a time (Unix milliseconds),
// at most limit of it: it may name people.
func (s *Store) ForgetUnmatched(ctx context.Context, tx *database.Tx, before int64, limit int) (int64, error) {
	return tx.Exec(ctx, `DELETE FROM feedback WHERE id IN (SELECT id FROM feedback WHERE effect = 'unmatched' AND at < ? ORDER BY id LIMIT ?)`, before, limit)
}

// Forget removes events of before a time (Unix milliseconds), the oldest first,
// at most limit, and returns how many. What followed of them stays.
func (s *Store) Forget(ctx context.Context, tx *database.Tx, before int64, limit int) (int64, error) {
	return tx.Exec(ctx, `DELETE FROM feedback WHERE id IN (SELECT id FROM (SELECT id, at FROM feedback ORDER BY id LIMIT ?) AS oldest WHERE at < ?)`, limit, before)
}

// Erase removes what names a person who is erased: their events have but a
// number, and stay for the sums; what found nobody may name their address.
func (s *Store) Erase(ctx context.Context, tx *database.Tx, p subscribers.Subscriber) error {
	if _, err := tx.Exec(ctx, `DELETE FROM feedback WHERE effect = 'unmatched' AND LOWER(recipient) = LOWER(?)`, p.Email); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `UPDATE feedback SET diagnostic = '' WHERE subscriber_id = ?`, p.ID)
	return err
}
