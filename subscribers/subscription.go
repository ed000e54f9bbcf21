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
}

const subscriptionColumns = `list_id, subscriber_id, status, confirmed_at, changed_at`

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
		case s.Status == Unsubscribed && !(renewed && yes.At.UnixMilli() > s.ChangedAt) && e.out[i].Err == nil:
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
	err := e.tx.Insert(ctx, fmt.Sprintf(`INSERT INTO subscriptions (`+subscriptionColumns+`) VALUES (?, ?, 'confirmed', ?, ?) ON CONFLICT (list_id, subscriber_id) DO UPDATE SET
		status = excluded.status, confirmed_at = excluded.confirmed_at, changed_at = excluded.changed_at
		WHERE subscriptions.status <> 'unsubscribed' OR subscriptions.changed_at < %d`, until), len(ids), func(i int, p *database.Params) {
		p.Set(e.list, ids[i], now, now)
	})
	if err != nil {
		return err
	}
	entries := make([]consent.Entry, len(ids))
	for i, id := range ids {
		entries[i] = consent.Entry{SubscriberID: id, ListID: e.list, Act: consent.Given, Statement: yes}
	}
	return consent.Record(ctx, e.tx, entries)
}

// Leave ends a person's subscriptions to the given lists and reports whether
// any was still open. It takes effect with the transaction: every begin of a
// message that commits later sees it.
func (s *Store) Leave(ctx context.Context, tx *database.Tx, subscriberID int64, listIDs []int64, source string) (bool, error) {
	if len(listIDs) == 0 {
		return false, nil
	}
	if err := tx.Gate(ctx, true); err != nil {
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
	query, args, err = database.In(`UPDATE subscriptions SET status = ?, changed_at = ? WHERE subscriber_id = ? AND list_id IN (?)`,
		string(Unsubscribed), now.UnixMilli(), subscriberID, listIDs)
	if err != nil {
		return false, err
	}
	if _, err := tx.Exec(ctx, query, args...); err != nil {
		return false, fmt.Errorf("leave: %w", err)
	}
	if len(left) == 0 {
		return false, nil
	}
	entries := make([]consent.Entry, len(left))
	for i, list := range left {
		entries[i] = consent.Entry{SubscriberID: subscriberID, ListID: list, Act: consent.Withdrawn, Statement: consent.Statement{Source: source, At: now}}
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
