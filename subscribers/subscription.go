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

// subscribe confirms all who were not refused and writes the ledger for those to whom it is new.
func (e *enrolment) subscribe(ctx context.Context, yes consent.Statement, renewed bool) error {
	var ids []int64
	at := map[int64]int{}
	for _, k := range e.keys {
		if i := e.first[k]; e.out[i].Err == nil {
			ids = append(ids, e.out[i].ID)
			at[e.out[i].ID] = i
		}
	}
	if len(ids) == 0 {
		return nil
	}
	query, args, err := database.In(`SELECT `+subscriptionColumns+` FROM subscriptions WHERE list_id = ? AND subscriber_id IN (?)`, e.list, ids)
	if err != nil {
		return err
	}
	var known []Subscription
	if err := e.tx.Select(ctx, &known, query, args...); err != nil {
		return err
	}
	for _, k := range known {
		i := at[k.SubscriberID]
		switch {
		case k.Status == Confirmed:
			delete(at, k.SubscriberID)
		case k.Status == Unsubscribed && !(renewed && yes.At.UnixMilli() > k.ChangedAt):
			e.out[i].Err = ErrLeft
			delete(at, k.SubscriberID)
		}
	}
	confirmed := ids[:0]
	for _, id := range ids {
		if _, ok := at[id]; ok {
			confirmed = append(confirmed, id)
		}
	}
	now := e.store.db.Now().UnixMilli()
	err = e.tx.Insert(ctx, `INSERT INTO subscriptions (`+subscriptionColumns+`)`, `ON CONFLICT (list_id, subscriber_id) DO UPDATE SET
		status = excluded.status, confirmed_at = excluded.confirmed_at, changed_at = excluded.changed_at`, len(confirmed), func(i int) []any {
		return []any{e.list, confirmed[i], string(Confirmed), now, now}
	})
	if err != nil {
		return err
	}
	entries := make([]consent.Entry, len(confirmed))
	for i, id := range confirmed {
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
	query, args, err := database.In(`UPDATE subscriptions SET status = ?, changed_at = ?
		WHERE subscriber_id = ? AND list_id IN (?) AND status <> ? RETURNING list_id`, string(Unsubscribed), now.UnixMilli(), subscriberID, listIDs, string(Unsubscribed))
	if err != nil {
		return false, err
	}
	var left []int64
	if err := tx.Select(ctx, &left, query, args...); err != nil {
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
