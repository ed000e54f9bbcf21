package subscribers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/internal/journal"
)

// Suppression is an address that must not be mailed, for one list or for all.
type Suppression struct {
	Key    string `db:"key"`
	ListID int64  `db:"list_id"` // 0: every list
	Reason string `db:"reason"`
	Source string `db:"source"` // who or what said so, such as relay:12, import, token:3
	At     int64  `db:"at"`     // Unix milliseconds
}

// The reasons of suppressions.
const (
	Complaint  = "complaint"   // reported a mail as spam; ends all subscriptions
	AllMail    = "all_mail"    // the person wants no mail at all; ends all subscriptions
	HardBounce = "hard_bounce" // the address does not exist
	SoftBounce = "soft_bounce" // mail could not be delivered for weeks, campaign after campaign
	Manual     = "manual"      // an operator's word
)

// byMachine tells that nobody said no: a begin of the same moment may win, and
// the senders' own commits, which hold the gate shared, may suppress so.
func byMachine(reason string) bool { return reason == HardBounce || reason == SoftBounce }

// SuppressionReasons are all of them.
func SuppressionReasons() []string {
	return []string{Complaint, AllMail, HardBounce, SoftBounce, Manual}
}

// liftable tells that the person's own new yes ends it.
func liftable(reason string) bool { return reason == Complaint || reason == AllMail }

// Suppress makes an address unmailable from this transaction on, whether it
// is known or not. A second suppression changes nothing, but that the
// person's own word outweighs a machine's.
func (s *Store) Suppress(ctx context.Context, tx *database.Tx, a address.Address, listID int64, reason, source string) error {
	if !slices.Contains(SuppressionReasons(), reason) {
		return &Invalid{"reason", fmt.Sprintf("%q is unknown: want one of %s", reason, strings.Join(SuppressionReasons(), ", "))}
	}
	return s.suppress(ctx, tx, Suppression{Key: a.Key(), ListID: listID, Reason: reason, Source: source, At: s.db.Now().UnixMilli()})
}

func (s *Store) suppress(ctx context.Context, tx *database.Tx, x Suppression) error {
	if x.ListID != 0 || !byMachine(x.Reason) {
		if err := tx.No(ctx); err != nil {
			return err
		}
	}
	n, err := tx.Exec(ctx, `INSERT INTO suppressions (key, list_id, reason, source, at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (key, list_id) DO UPDATE SET
		reason = excluded.reason, source = excluded.source, at = excluded.at
		WHERE excluded.reason IN ('complaint', 'all_mail') AND suppressions.reason NOT IN ('complaint', 'all_mail')`,
		x.Key, x.ListID, x.Reason, x.Source, x.At)
	if err != nil {
		return fmt.Errorf("suppress: %w", err)
	}
	if n == 0 {
		return nil
	}
	st := s.With(tx)
	p, err := st.SubscriberByKey(ctx, x.Key)
	if errors.Is(err, database.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	switch {
	case x.ListID != 0:
		_, err = st.Leave(ctx, tx, p.ID, []int64{x.ListID}, x.Reason)
	case liftable(x.Reason):
		var lists []int64
		if lists, err = st.listsOf(ctx, p.ID); err == nil {
			_, err = st.Leave(ctx, tx, p.ID, lists, x.Reason)
		}
	}
	if err == nil {
		err = s.noted(ctx, tx, p.ID)
	}
	if err != nil {
		return err
	}
	return journal.Write(ctx, tx, "suppress", "subscriber", p.ID, map[string]any{"reason": x.Reason, "source": x.Source})
}

// listsOf are all lists that a person has something to do with.
func (s *Store) listsOf(ctx context.Context, subscriberID int64) ([]int64, error) {
	var lists []int64
	err := s.q.Select(ctx, &lists, `SELECT list_id FROM subscriptions WHERE subscriber_id = ? ORDER BY list_id`, subscriberID)
	return lists, err
}

// suppressed is the gravest reason why an address must not be mailed by a
// list, "" if it may.
func (s *Store) suppressed(ctx context.Context, key string, listID int64) (string, error) {
	var reasons []string
	err := s.q.Select(ctx, &reasons, `SELECT reason FROM suppressions WHERE key = ? AND list_id IN (0, ?)`, key, listID)
	worst := ""
	for _, r := range reasons {
		if worst == "" || liftable(worst) {
			worst = r
		}
	}
	return worst, err
}

// mayAsk tells whether the address may get a confirmation mail.
func (s *Store) mayAsk(ctx context.Context, key string, listID int64) (bool, error) {
	reason, err := s.suppressed(ctx, key, listID)
	return reason == "" || liftable(reason), err
}

// lift ends what the person's own new yes to a list ends. An earlier no to all
// mail is over, and so are complaints; the other lists stay left.
func (s *Store) lift(ctx context.Context, tx *database.Tx, key string, listID int64) error {
	_, err := tx.Exec(ctx, `DELETE FROM suppressions WHERE key = ? AND list_id IN (0, ?) AND reason IN ('complaint', 'all_mail')`, key, listID)
	if err != nil {
		return fmt.Errorf("lift: %w", err)
	}
	return s.unbury(ctx, tx, key)
}

// SuppressionFilter chooses suppressions; zero fields choose all.
type SuppressionFilter struct {
	Key    string
	Reason string
	Source string
	ListID int64 // -1: any
	From   int64 // Unix milliseconds, included
	To     int64 // not included; 0: now
}

func (f SuppressionFilter) where() (string, []any) {
	conditions, args := []string{"1 = 1"}, []any(nil)
	add := func(condition string, arg any) { conditions, args = append(conditions, condition), append(args, arg) }
	if f.Key != "" {
		add("key = ?", f.Key)
	}
	if f.Reason != "" {
		add("reason = ?", f.Reason)
	}
	if f.Source != "" {
		add("source = ?", f.Source)
	}
	if f.ListID >= 0 {
		add("list_id = ?", f.ListID)
	}
	if f.From > 0 {
		add("at >= ?", f.From)
	}
	if f.To > 0 {
		add("at < ?", f.To)
	}
	return strings.Join(conditions, " AND "), args
}

// Suppressions pages through those of a filter in the order of key and list,
// after the given place.
func (s *Store) Suppressions(ctx context.Context, f SuppressionFilter, afterKey string, afterList int64, limit int) ([]Suppression, error) {
	where, args := f.where()
	var found []Suppression
	err := s.q.Select(ctx, &found, `SELECT key, list_id, reason, source, at FROM suppressions WHERE `+where+`
		AND (key > ? OR key = ? AND list_id > ?) ORDER BY key, list_id LIMIT ?`, append(args, afterKey, afterKey, afterList, limit)...)
	return found, err
}

// Unsuppress ends the suppressions of a filter, at most limit in this
// transaction, and returns how many. It is for a wrong day: what the person
// said themselves, a complaint or a no to all mail, is never ended so.
// Subscriptions are as they were.
func (s *Store) Unsuppress(ctx context.Context, tx *database.Tx, f SuppressionFilter, limit int) (int64, error) {
	if liftable(f.Reason) {
		return 0, &Invalid{"reason", "only the person can take this back, by a new double opt-in"}
	}
	where, args := f.where()
	var found []Suppression
	err := tx.Select(ctx, &found, `SELECT key, list_id, reason, source, at FROM suppressions WHERE `+where+` AND reason NOT IN ('complaint', 'all_mail')
		ORDER BY key, list_id LIMIT ?`, append(args, limit)...)
	if err != nil || len(found) == 0 {
		return 0, err
	}
	var n int64
	err = tx.Each(ctx, `DELETE FROM suppressions WHERE key = ? AND list_id = ? AND reason NOT IN ('complaint', 'all_mail')`, len(found),
		func(i int, p *database.Params) { p.Set(found[i].Key, found[i].ListID) }, func(_ int, rows int64) { n += rows })
	if err != nil {
		return 0, err
	}
	return n, journal.Write(ctx, tx, "undo", "suppressions", 0, map[string]any{"reason": f.Reason, "source": f.Source, "list": fmt.Sprint(f.ListID), "from": f.From, "to": f.To, "undone": n})
}

// Invalid is a value that cannot be used.
type Invalid struct {
	Field  string
	Reason string
}

func (e *Invalid) Error() string { return e.Field + ": " + e.Reason }
