package subscribers

import (
	"context"
	"fmt"

	"facteur/internal/database"
	"facteur/internal/journal"
	"facteur/subscribers/consent"
)

// Status is where a person stands with a list.
type Status string

// The states of a subscription.
const (
	Pending      Status = "pending"
	Confirmed    Status = "confirmed"
	Unsubscribed Status = "unsubscribed"
)

// Subscription joins a person and a list.
type Subscription struct {
	ListID       int64  `db:"list_id"`
	SubscriberID int64  `db:"subscriber_id"`
	Status       Status `db:"status"`
	ConfirmedAt  int64  `db:"confirmed_at"` // Unix milliseconds, 0: never
	ChangedAt    int64  `db:"changed_at"`
	LeftAt       int64  `db:"left_at"`      // the last no, 0: never; only the person's own yes outweighs it
	PausedUntil  int64  `db:"paused_until"` // at the person's wish
	AskedAt      int64  `db:"asked_at"`     // when the mail that asks for the yes was accepted; 0: not yet
	EveryDays    int64  `db:"every_days"`   // at most one campaign in so many days; 0: no wish
}

const subscriptionColumns = `list_id, subscriber_id, status, confirmed_at, changed_at, left_at, paused_until, asked_at, every_days`

// Left tells that the person said no and has not come back.
func (s *Subscription) Left() bool { return s.LeftAt > 0 && s.Status != Confirmed }

// Subscription finds where a person stands with a list.
func (s *Store) Subscription(ctx context.Context, listID, subscriberID int64) (Subscription, error) {
	var sub Subscription
	err := s.q.Get(ctx, &sub, `SELECT `+subscriptionColumns+` FROM subscriptions WHERE list_id = ? AND subscriber_id = ?`, listID, subscriberID)
	if err != nil {
		return Subscription{}, fmt.Errorf("subscription of %d to list %d: %w", subscriberID, listID, err)
	}
	return sub, nil
}

// Subscriptions lists where a person stands with each list.
func (s *Store) Subscriptions(ctx context.Context, subscriberID int64) ([]Subscription, error) {
	var subs []Subscription
	err := s.q.Select(ctx, &subs, `SELECT `+subscriptionColumns+` FROM subscriptions WHERE subscriber_id = ? ORDER BY list_id`, subscriberID)
	return subs, err
}

// refuseLeft refuses known people who have left the list, unless the yes is
// their own and younger, and notes who is confirmed already.
func (e *enrolment) refuseLeft(ctx context.Context, yes consent.Statement, renewed bool) error {
	e.said = map[int64]bool{}
	if len(e.known) == 0 {
		return nil
	}
	at := make(map[int64]int, len(e.known))
	ids := make([]int64, len(e.known))
	for i, k := range e.known {
		ids[i], at[k.ID] = k.ID, e.first[k.Key]
	}
	query, args, err := database.In(`SELECT `+subscriptionColumns+` FROM subscriptions WHERE list_id = ? AND subscriber_id IN (?)`, e.list, ids)
	if err != nil {
		return err
	}
	var subs []Subscription
	if err := e.tx.Select(ctx, &subs, query, args...); err != nil {
		return err
	}
	for _, s := range subs {
		switch i := at[s.SubscriberID]; {
		case s.Status == Confirmed:
			e.said[s.SubscriberID] = true
		case s.Left() && !(renewed && yes.At.UnixMilli() > s.LeftAt) && e.out[i].Err == nil:
			e.out[i].Err = ErrLeft
		}
	}
	return nil
}

// toConfirm are those who were not refused and to whom it is new.
func (e *enrolment) toConfirm() []int64 {
	var ids []int64
	for _, k := range e.keys {
		if o := e.out[e.first[k]]; o.Err == nil && !e.said[o.ID] {
			ids = append(ids, o.ID)
		}
	}
	return ids
}

// confirm subscribes people and writes the ledger. A leaving that has
// committed since it was looked for is not undone.
func (e *enrolment) confirm(ctx context.Context, ids []int64, yes consent.Statement, renewed bool) error {
	now := e.store.db.Now().UnixMilli()
	until := int64(0)
	if renewed {
		until = yes.At.UnixMilli()
	}
	said, err := e.store.wishes(ctx, e.met(ids))
	if err != nil {
		return err
	}
	err = e.tx.Insert(ctx, fmt.Sprintf(`INSERT INTO subscriptions (list_id, subscriber_id, status, confirmed_at, changed_at, every_days, paused_until) VALUES (?, ?, 'confirmed', ?, ?, ?, ?) ON CONFLICT (list_id, subscriber_id) DO UPDATE SET
		status = excluded.status, confirmed_at = excluded.confirmed_at, changed_at = excluded.changed_at
		WHERE subscriptions.status = 'confirmed' OR subscriptions.left_at = 0 OR subscriptions.left_at < %d`, until), len(ids), func(i int, p *database.Params) {
		w := said[ids[i]]
		p.Set(e.list, ids[i], now, now, w.everyDays, w.pausedUntil)
	})
	if err != nil {
		return err
	}
	who, err := e.who(ctx)
	if err != nil {
		return err
	}
	entries := make([]consent.Entry, len(ids))
	for i, id := range ids {
		entries[i] = consent.Entry{SubscriberID: id, ListID: e.list, Act: consent.Given, Statement: yes, Person: who[id]}
	}
	return consent.Record(ctx, e.tx, entries)
}

// who are the persons of the enrolment, as the ledger binds its rows to them.
func (e *enrolment) who(ctx context.Context) (map[int64]consent.Person, error) {
	who := make(map[int64]consent.Person, len(e.people))
	var known []int64
	for key, i := range e.first {
		switch o := e.out[i]; {
		case o.Err != nil:
		case o.Created:
			who[o.ID] = consent.Person{Salt: e.salts[i], Key: key}
		default:
			known = append(known, o.ID)
		}
	}
	if len(known) == 0 {
		return who, nil
	}
	old, err := e.store.persons(ctx, known)
	for id, p := range old {
		who[id] = p
	}
	return who, err
}

// persons are people as the ledger binds its rows to them; who is gone is left out.
func (s *Store) persons(ctx context.Context, ids []int64) (map[int64]consent.Person, error) {
	who := make(map[int64]consent.Person, len(ids))
	query, args, err := database.In(`SELECT id, salt, key FROM subscribers WHERE id IN (?)`, ids)
	if err != nil {
		return nil, err
	}
	var rows []struct {
		ID   int64  `db:"id"`
		Salt string `db:"salt"`
		Key  string `db:"key"`
	}
	err = s.q.Select(ctx, &rows, query, args...)
	for _, r := range rows {
		who[r.ID] = consent.Person{Salt: r.Salt, Key: r.Key}
	}
	return who, err
}

// Leave ends a person's subscriptions to the given lists and reports whether
// any was still open. It takes effect with the transaction: every begin of a
// message that commits later sees it.
func (s *Store) Leave(ctx context.Context, tx *database.Tx, subscriberID int64, listIDs []int64, source string) (bool, error) {
	if len(listIDs) == 0 {
		return false, nil
	}
	if err := tx.No(ctx); err != nil {
		return false, err
	}
	now := s.db.Now()
	query, args, err := database.In(`SELECT list_id FROM subscriptions WHERE subscriber_id = ? AND list_id IN (?) AND status <> ? ORDER BY list_id`,
		subscriberID, listIDs, string(Unsubscribed))
	if err != nil {
		return false, err
	}
	var left []int64
	if err := tx.Select(ctx, &left, query, args...); err != nil {
		return false, fmt.Errorf("leave: %w", err)
	}
	// A no said again is the younger one: a yes from before it does not undo it.
	query, args, err = database.In(`UPDATE subscriptions SET status = ?, changed_at = ?, left_at = ? WHERE subscriber_id = ? AND list_id IN (?)`,
		string(Unsubscribed), now.UnixMilli(), now.UnixMilli(), subscriberID, listIDs)
	if err != nil {
		return false, err
	}
	if _, err := tx.Exec(ctx, query, args...); err != nil {
		return false, fmt.Errorf("leave: %w", err)
	}
	if len(left) == 0 {
		return false, nil
	}
	who, err := s.With(tx).persons(ctx, []int64{subscriberID})
	if err != nil {
		return false, err
	}
	entries := make([]consent.Entry, len(left))
	for i, list := range left {
		entries[i] = consent.Entry{
			SubscriberID: subscriberID, ListID: list, Act: consent.Withdrawn, Person: who[subscriberID],
			Statement: consent.Statement{Source: source, At: now},
		}
	}
	if err := consent.Record(ctx, tx, entries); err != nil {
		return false, err
	}
	if err := s.noted(ctx, tx, subscriberID); err != nil {
		return false, err
	}
	return true, journal.Write(ctx, tx, "leave", "subscriber", subscriberID, map[string]any{"lists": stringIDs(left), "source": source})
}

func stringIDs(ids []int64) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = fmt.Sprint(id)
	}
	return out
}
