package subscribers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/internal/journal"
	"facteur/subscribers/consent"
)

// SignUp is somebody's wish to be on a list, by form or API. It is no yes:
// anybody may have written the address.
type SignUp struct {
	ListID    int64
	Person    Person
	Wording   Wording // the words that were shown
	Source    string  // form, api
	Evidence  consent.Evidence
	At        time.Time
	Confirmer Confirmer
}

// Confirmer writes the letters that sign-ups call for, in their transaction.
type Confirmer interface {
	// Ready tells whether letters of a list can be written: [ErrNoSender] when
	// there is nobody to write as yet.
	Ready(ctx context.Context, tx *database.Tx, l List) error
	// Confirm asks who has signed up for the yes.
	Confirm(ctx context.Context, tx *database.Tx, l List, p Subscriber) error
	// Invite asks somebody for a yes who has not asked for anything.
	Invite(ctx context.Context, tx *database.Tx, l List, p Subscriber, why Invited) error
	// Already says that there is nothing to confirm.
	Already(ctx context.Context, tx *database.Tx, l List, p Subscriber) error
	// Access sends a fresh link to one's choices and data.
	Access(ctx context.Context, tx *database.Tx, p Subscriber) error
}

// SignedUp is what became of a [SignUp]. It is for operators: what a form
// answers must not depend on it.
type SignedUp struct {
	SubscriberID int64
	Status       Status // of the subscription; "" when there is none
	Asked        bool   // a confirmation mail goes out
}

// SignUp notes a wish and writes the letter it calls for. It never lowers
// anybody's state, and never changes what is known of a known person: whoever
// fills in a form may be somebody else.
func (s *Store) SignUp(ctx context.Context, tx *database.Tx, in SignUp) (SignedUp, error) {
	if err := tx.Yes(ctx); err != nil {
		return SignedUp{}, err
	}
	st := s.With(tx)
	list, err := st.List(ctx, in.ListID)
	if err != nil {
		return SignedUp{}, err
	}
	open, err := st.mayAsk(ctx, in.Person.Address.Key(), list.ID)
	if err != nil {
		return SignedUp{}, err
	}
	p, err := st.meet(ctx, tx, in.Person, open)
	if err != nil || p.ID == 0 {
		return SignedUp{}, err
	}
	out := SignedUp{SubscriberID: p.ID}
	now, err := st.Subscription(ctx, list.ID, p.ID)
	if err != nil && !errors.Is(err, database.ErrNotFound) {
		return SignedUp{}, err
	}
	out.Status = now.Status
	switch {
	case !open:
		return out, nil
	case now.Status == Confirmed:
		suppressed, err := st.suppressed(ctx, p.Key, list.ID)
		if err != nil {
			return SignedUp{}, err
		}
		if suppressed == "" {
			return out, in.Confirmer.Already(ctx, tx, list, p)
		}
		// Confirmed once and complained since: asked anew, and mailed only after a new yes.
	}
	if err := st.await(ctx, tx, list.ID, p, in); err != nil {
		return SignedUp{}, err
	}
	out.Status, out.Asked = Pending, true
	if now.Status == Confirmed {
		out.Status = Confirmed
	}
	err = in.Confirmer.Ready(ctx, tx, list)
	if errors.Is(err, ErrNoSender) { // asked as soon as somebody can write
		return out, st.invite(ctx, tx, list.ID, []int64{p.ID}, bySignUp, LapseKeep)
	}
	if err != nil {
		return SignedUp{}, err
	}
	return out, in.Confirmer.Confirm(ctx, tx, list, p)
}

// meet finds the person or, if somebody new may be asked, adds them.
func (s *Store) meet(ctx context.Context, tx *database.Tx, p Person, open bool) (Subscriber, error) {
	if err := tx.Lock(ctx, `SELECT id FROM subscribers WHERE key = ?`, p.Address.Key()); err != nil {
		return Subscriber{}, err
	}
	found, err := s.SubscriberByKey(ctx, p.Address.Key())
	if !errors.Is(err, database.ErrNotFound) || !open {
		if errors.Is(err, database.ErrNotFound) {
			err = nil
		}
		return found, err
	}
	e := enrolment{store: s, tx: tx, people: []Person{p}, out: make([]Enrolled, 1), keys: []string{p.Address.Key()}, first: map[string]int{p.Address.Key(): 0}}
	if err := e.addNew(ctx); err != nil {
		return Subscriber{}, err
	}
	return s.Subscriber(ctx, e.out[0].ID)
}

// await notes that a yes is waited for, and the sign-up in the ledger. A
// confirmed subscription stays as it is.
func (s *Store) await(ctx context.Context, tx *database.Tx, listID int64, p Subscriber, in SignUp) error {
	now := s.db.Now().UnixMilli()
	said, err := s.wishes(ctx, []int64{p.ID})
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO subscriptions (list_id, subscriber_id, status, confirmed_at, changed_at, every_days, paused_until) VALUES (?, ?, 'pending', 0, ?, ?, ?)
		ON CONFLICT (list_id, subscriber_id) DO UPDATE SET status = 'pending', changed_at = excluded.changed_at, asked_at = 0 WHERE subscriptions.status <> 'confirmed'`,
		listID, p.ID, now, said[p.ID].everyDays, said[p.ID].pausedUntil)
	if err != nil {
		return fmt.Errorf("sign up: %w", err)
	}
	who, err := s.persons(ctx, []int64{p.ID})
	if err != nil {
		return err
	}
	err = consent.Record(ctx, tx, []consent.Entry{{
		SubscriberID: p.ID, ListID: listID, Act: consent.Requested, Person: who[p.ID], Evidence: in.Evidence,
		Statement: consent.Statement{Source: in.Source, At: in.At, Wording: in.Wording.Text, Version: in.Wording.Version, Locale: in.Wording.Locale},
	}})
	if err != nil {
		return err
	}
	return journal.Write(ctx, tx, "sign up", "subscriber", p.ID, map[string]any{"list": fmt.Sprint(listID), "source": in.Source})
}

// Confirmation is the yes that ends a sign-up.
type Confirmation struct {
	ListID       int64
	SubscriberID int64
	AskedAt      time.Time // when the mail was written that the link came in
	Evidence     consent.Evidence
}

// What a [Confirmation] did.
const (
	NowConfirmed = "confirmed"
	WasConfirmed = "already"
	NotAwaited   = "gone" // expired, left since, or erased
)

// Confirm takes a person's own yes: by POST from a page that only the mail
// leads to. It lifts what only a new yes may lift: an earlier no, a complaint,
// an erasure. A link from before the person's last no does nothing.
func (s *Store) Confirm(ctx context.Context, tx *database.Tx, c Confirmation) (string, error) {
	if err := s.hear(ctx, tx, c.SubscriberID); err != nil {
		return "", err
	}
	st := s.With(tx)
	now := s.db.Now()
	sub, err := st.Subscription(ctx, c.ListID, c.SubscriberID)
	if errors.Is(err, database.ErrNotFound) {
		return NotAwaited, nil
	}
	if err != nil {
		return "", err
	}
	p, err := st.Subscriber(ctx, c.SubscriberID)
	if err != nil {
		return "", err
	}
	suppressed, err := st.suppressed(ctx, p.Key, c.ListID)
	if err != nil {
		return "", err
	}
	invited, err := st.invited(ctx, c.ListID, c.SubscriberID)
	switch {
	case err != nil:
		return "", err
	case sub.late(c.AskedAt, now):
		return NotAwaited, nil
	case sub.Status == Unsubscribed || c.AskedAt.UnixMilli() < sub.LeftAt && sub.Status != Confirmed:
		return NotAwaited, nil
	case suppressed != "" && !liftable(suppressed):
		return NotAwaited, nil
	case sub.Status == Confirmed && suppressed == "" && !invited:
		return WasConfirmed, nil
	}
	return NowConfirmed, st.confirmed(ctx, tx, c, p, now)
}

// hear holds a person for what they say themselves: it is ordered against every
// no, and a second yes of theirs finds the first one written.
func (s *Store) hear(ctx context.Context, tx *database.Tx, subscriberID int64) error {
	if err := tx.Yes(ctx); err != nil {
		return err
	}
	return s.Hold(ctx, tx, []int64{subscriberID})
}

// confirmed writes the yes and all that follows from it.
func (s *Store) confirmed(ctx context.Context, tx *database.Tx, c Confirmation, p Subscriber, now time.Time) error {
	if err := s.lift(ctx, tx, p.Key, c.ListID); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `UPDATE subscriptions SET status = 'confirmed', confirmed_at = CASE WHEN status = 'confirmed' THEN confirmed_at ELSE ? END, changed_at = ?, paused_until = 0
		WHERE list_id = ? AND subscriber_id = ?`, now.UnixMilli(), now.UnixMilli(), c.ListID, c.SubscriberID)
	if err != nil {
		return fmt.Errorf("confirm: %w", err)
	}
	if _, err := tx.Exec(ctx, `DELETE FROM invitations WHERE list_id = ? AND subscriber_id = ?`, c.ListID, c.SubscriberID); err != nil {
		return fmt.Errorf("confirm: %w", err)
	}
	if err := s.alive(ctx, tx, c.SubscriberID); err != nil {
		return err
	}
	who, err := s.persons(ctx, []int64{c.SubscriberID})
	if err != nil {
		return err
	}
	err = consent.Record(ctx, tx, []consent.Entry{{
		SubscriberID: c.SubscriberID, ListID: c.ListID, Act: consent.Given, Person: who[c.SubscriberID], Evidence: c.Evidence,
		Statement: s.agreed(ctx, c, now),
	}})
	if err != nil {
		return err
	}
	return journal.Write(ctx, tx, "confirm", "subscriber", c.SubscriberID, map[string]any{"list": fmt.Sprint(c.ListID)})
}

// agreed is the statement of a confirmation: the words of the sign-up that it ends.
func (s *Store) agreed(ctx context.Context, c Confirmation, now time.Time) consent.Statement {
	yes := consent.Statement{Basis: consent.DoubleOptIn, Source: "confirmation", At: now}
	acts, err := consent.Of(ctx, s.q, c.SubscriberID)
	if err != nil {
		return yes // the yes counts, whatever was asked
	}
	for _, a := range acts {
		if a.ListID == c.ListID && a.Act == consent.Requested {
			yes.Source, yes.Wording, yes.Version, yes.Locale = a.Said.Source, a.Said.Wording, a.Said.Version, a.Said.Locale
		}
	}
	return yes
}

// alive notes a sign of life.
func (s *Store) alive(ctx context.Context, tx *database.Tx, subscriberID int64) error {
	_, err := tx.Exec(ctx, `UPDATE subscribers SET active_at = ? WHERE id = ?`, s.db.Now().UnixMilli(), subscriberID)
	return err
}

// ParsePerson makes a person of a form's fields; the address's reason if it is none.
func ParsePerson(email, name, locale string) (Person, error) {
	a, err := address.Parse(email)
	return Person{Address: a, Name: plainName(name), Locale: locale}, err
}
