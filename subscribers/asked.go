package subscribers

import (
	"context"
	"errors"
	"time"

	"facteur/internal/database"
	"facteur/subscribers/consent"
)

// PendingFor is how long a sign-up waits for its confirmation, from when the
// mail that asks was accepted by a relay.
const PendingFor = 30 * 24 * time.Hour

// unaskedFor is after how long somebody is given up whom no mail could ask: it
// failed, was refused, or is held. Their silence says nothing; but what a
// stranger typed into a form is not kept for ever either.
const unaskedFor = 90 * 24 * time.Hour

// Asking names a person who is asked for a list's yes.
type Asking struct{ ListID, SubscriberID int64 }

// Asked notes that a relay has accepted the mails that ask: the time to answer
// runs from here, in the transaction that settles them.
func (s *Store) Asked(ctx context.Context, tx *database.Tx, of []Asking) error {
	now := s.db.Now().UnixMilli()
	row := func(i int, p *database.Params) { p.Set(now, of[i].ListID, of[i].SubscriberID) }
	err := tx.Each(ctx, `UPDATE subscriptions SET asked_at = ? WHERE list_id = ? AND subscriber_id = ? AND status <> 'unsubscribed'`, len(of), row, nil)
	if err != nil {
		return err
	}
	return tx.Each(ctx, `UPDATE invitations SET state = 'asked', asked_at = ? WHERE list_id = ? AND subscriber_id = ? AND state <> 'waiting'`, len(of), row, nil)
}

// NotAsked notes that the mails that ask have failed, were not let out, or came
// back: these people's silence means nothing, and their invitations are closed.
func (s *Store) NotAsked(ctx context.Context, tx *database.Tx, of []Asking) error {
	row := func(i int, p *database.Params) { p.Set(of[i].ListID, of[i].SubscriberID) }
	err := tx.Each(ctx, `UPDATE subscriptions SET asked_at = 0 WHERE list_id = ? AND subscriber_id = ?`, len(of), row, nil)
	if err != nil {
		return err
	}
	return tx.Each(ctx, `DELETE FROM invitations WHERE list_id = ? AND subscriber_id = ? AND state <> 'waiting'`, len(of), row, nil)
}

// late tells whether a link that was written at a time is dead: nobody has
// answered within [PendingFor] of the asking. Until the mail was accepted, and
// for as long as it may have waited for that, the writing counts.
func (s *Subscription) late(written, now time.Time) bool {
	asked := written
	if at := database.Time(s.AskedAt); at.After(asked) && at.Sub(asked) <= PendingFor {
		asked = at
	}
	return now.Sub(asked) > PendingFor
}

// Late tells whether the link to a confirmation is dead by its age.
func (s *Store) Late(ctx context.Context, c Confirmation) (bool, error) {
	sub, err := s.Subscription(ctx, c.ListID, c.SubscriberID)
	if errors.Is(err, database.ErrNotFound) {
		err = nil
	}
	return sub.late(c.AskedAt, s.db.Now()), err
}

// ExpirePending ends sign-ups that nobody has confirmed within [PendingFor] of
// being asked, and those who could not be asked within [unaskedFor], at most
// limit of them, and returns how many. Who had left before is back where they
// were; who is on no list any more, and was never mailed, is forgotten.
func (s *Store) ExpirePending(ctx context.Context, tx *database.Tx, limit int) (int, error) {
	due, err := s.lapsed(ctx, tx, limit)
	if err != nil || len(due) == 0 {
		return 0, err
	}
	if err := tx.No(ctx); err != nil { // only now: it holds up all begins
		return 0, err
	}
	if due, err = s.lapsed(ctx, tx, limit); err != nil || len(due) == 0 {
		return 0, err
	}
	now := s.db.Now()
	st := s.With(tx)
	ids := make([]int64, len(due))
	for i, d := range due {
		ids[i] = d.SubscriberID
	}
	who, err := st.persons(ctx, ids)
	if err != nil {
		return 0, err
	}
	entries := make([]consent.Entry, len(due))
	for i, d := range due {
		why := "not confirmed in time"
		if d.AskedAt == 0 {
			why = "could not be asked"
		}
		entries[i] = consent.Entry{
			SubscriberID: d.SubscriberID, ListID: d.ListID, Act: consent.Expired, Person: who[d.SubscriberID],
			Statement: consent.Statement{Source: why, At: now},
		}
	}
	if err := consent.Record(ctx, tx, entries); err != nil {
		return 0, err
	}
	for _, query := range []string{
		`UPDATE subscriptions SET status = 'unsubscribed', changed_at = left_at WHERE list_id = ? AND subscriber_id = ? AND status = 'pending' AND left_at > 0`,
		`DELETE FROM subscriptions WHERE list_id = ? AND subscriber_id = ? AND status = 'pending' AND left_at = 0`,
		`DELETE FROM invitations WHERE list_id = ? AND subscriber_id = ?`,
	} {
		if err := tx.Each(ctx, query, len(due), func(i int, p *database.Params) { p.Set(due[i].ListID, due[i].SubscriberID) }, nil); err != nil {
			return 0, err
		}
	}
	return len(due), st.forgetStrangers(ctx, tx, ids)
}

// lapsed are sign-ups that were not confirmed in time, the oldest first.
func (s *Store) lapsed(ctx context.Context, tx *database.Tx, limit int) (due []Subscription, err error) {
	now := s.db.Now()
	err = tx.Select(ctx, &due, `SELECT `+subscriptionColumns+` FROM subscriptions WHERE status = 'pending' AND asked_at > 0 AND asked_at < ? ORDER BY asked_at LIMIT ?`,
		now.Add(-PendingFor).UnixMilli(), limit)
	if err != nil || len(due) == limit {
		return due, err
	}
	var unasked []Subscription
	err = tx.Select(ctx, &unasked, `SELECT `+subscriptionColumns+` FROM subscriptions WHERE status = 'pending' AND asked_at = 0 AND changed_at < ?
		AND NOT EXISTS (SELECT 1 FROM invitations i WHERE i.list_id = subscriptions.list_id AND i.subscriber_id = subscriptions.subscriber_id)
		ORDER BY changed_at LIMIT ?`, now.Add(-unaskedFor).UnixMilli(), limit-len(due))
	return append(due, unasked...), err
}

// forgetStrangers removes people who are on no list and never said yes.
func (s *Store) forgetStrangers(ctx context.Context, tx *database.Tx, ids []int64) error {
	gave, err := consent.Gave(ctx, tx, ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		subs, err := s.Subscriptions(ctx, id)
		if err != nil {
			return err
		}
		if gave[id] || len(subs) > 0 {
			continue
		}
		if _, err := consent.Erase(ctx, tx, id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM subscribers WHERE id = ?`, id); err != nil {
			return err
		}
	}
	return nil
}
