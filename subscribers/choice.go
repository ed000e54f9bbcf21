package subscribers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"facteur/internal/database"
	"facteur/internal/journal"
	"facteur/subscribers/consent"
)

// UndoFor is how long a leaving can be taken back from its page.
const UndoFor = time.Hour

// PauseFor is how long a pause lasts.
const PauseFor = 30 * 24 * time.Hour

// Leaving is a no as a person said it.
type Leaving struct {
	ID           int64  `db:"id"`
	SubscriberID int64  `db:"subscriber_id"`
	CampaignID   int64  `db:"campaign_id"` // whose mail the way out was in; 0: none
	ListsText    string `db:"lists"`       // see [Leaving.Lists]
	Source       string `db:"source"`      // one_click, page, preferences, …
	Reason       string `db:"reason"`
	Note         string `db:"note"`
	AskedAt      int64  `db:"asked_at"` // when the request arrived; Unix milliseconds, as are the next two
	LeftAt       int64  `db:"left_at"`  // when nothing could begin any more
	UndoneAt     int64  `db:"undone_at"`
}

const leavingColumns = `id, subscriber_id, campaign_id, lists, source, reason, note, asked_at, left_at, undone_at`

// Lists are those that were left.
func (l *Leaving) Lists() []int64 {
	ids, _ := database.ParseIDs(l.ListsText) // written by us
	return ids
}

// LeaveReasons are what a person may give as their reason.
func LeaveReasons() []string { return []string{"too_often", "not_relevant", "never_asked", "other"} }

// LeaveBy is [Store.Leave] at the person's own word, kept for the report and
// for the hour in which it may be taken back. all says that they want no mail
// at all, from any list.
func (s *Store) LeaveBy(ctx context.Context, tx *database.Tx, l Leaving, lists []int64, all bool) error {
	if err := tx.No(ctx); err != nil {
		return err
	}
	st := s.With(tx)
	l.ID, l.LeftAt = s.db.NewID(), max(l.AskedAt, s.db.Now().UnixMilli())
	p, err := st.Subscriber(ctx, l.SubscriberID)
	if errors.Is(err, database.ErrNotFound) {
		return nil // erased: nobody is mailed
	}
	if err != nil {
		return err
	}
	if all {
		if lists, err = st.listsOf(ctx, p.ID); err != nil {
			return err
		}
	}
	var open []int64
	for _, list := range lists {
		sub, err := st.Subscription(ctx, list, p.ID)
		if err != nil && !errors.Is(err, database.ErrNotFound) {
			return err
		}
		if err == nil && sub.Status != Unsubscribed {
			open = append(open, list)
		}
	}
	if all {
		if err := s.suppress(ctx, tx, Suppression{Key: p.Key, Reason: AllMail, Source: l.Source, At: l.LeftAt}); err != nil {
			return err
		}
	}
	if _, err := s.Leave(ctx, tx, p.ID, lists, l.Source); err != nil || len(open) == 0 && !all {
		return err
	}
	l.LeftAt = max(l.LeftAt, s.db.Now().UnixMilli()) // a later no is another one
	_, err = tx.Exec(ctx, `INSERT INTO leavings (`+leavingColumns+`) VALUES (?, ?, ?, ?, ?, '', '', ?, ?, 0)`,
		l.ID, p.ID, l.CampaignID, database.FormatIDs(open), l.Source, l.AskedAt, l.LeftAt)
	return err
}

// lastLeaving is the person's latest leaving that can still be spoken about.
func (s *Store) lastLeaving(ctx context.Context, subscriberID, campaignID int64) (Leaving, error) {
	var l Leaving
	err := s.q.Get(ctx, &l, `SELECT `+leavingColumns+` FROM leavings WHERE subscriber_id = ? AND campaign_id = ? AND undone_at = 0 AND left_at > ? ORDER BY id DESC LIMIT 1`,
		subscriberID, campaignID, s.db.Now().Add(-UndoFor).UnixMilli())
	return l, err
}

// Explain adds the reason to the leaving that a person made within the hour by
// a campaign's mail. An unknown reason counts as other.
func (s *Store) Explain(ctx context.Context, tx *database.Tx, subscriberID, campaignID int64, reason, note string) error {
	l, err := s.With(tx).lastLeaving(ctx, subscriberID, campaignID)
	if err != nil {
		return err
	}
	if !slices.Contains(LeaveReasons(), reason) {
		reason = "other"
	}
	_, err = tx.Exec(ctx, `UPDATE leavings SET reason = ?, note = ? WHERE id = ?`, reason, clip(note, 500), l.ID)
	return err
}

// Undo takes back what a person left by a campaign's mail within [UndoFor]:
// the subscriptions are as before, and the ledger says so. What was left anew
// since stays left, and it brings nobody back who complained. [database.ErrNotFound] when there is nothing to undo.
func (s *Store) Undo(ctx context.Context, tx *database.Tx, subscriberID, campaignID int64) ([]int64, error) {
	if err := s.hear(ctx, tx, subscriberID); err != nil {
		return nil, err
	}
	st := s.With(tx)
	l, err := st.lastLeaving(ctx, subscriberID, campaignID)
	if err != nil {
		return nil, err
	}
	p, err := st.Subscriber(ctx, subscriberID)
	if err != nil {
		return nil, err
	}
	if reason, err := st.suppressed(ctx, p.Key, 0); err != nil || reason != "" && reason != AllMail {
		return nil, fmt.Errorf("undo: %w", database.ErrNotFound)
	}
	if _, err := tx.Exec(ctx, `DELETE FROM suppressions WHERE key = ? AND list_id = 0 AND reason = ? AND at >= ? AND at <= ?`, p.Key, AllMail, l.AskedAt, l.LeftAt); err != nil {
		return nil, err
	}
	now := s.db.Now()
	var back []int64
	err = tx.Each(ctx, `UPDATE subscriptions SET status = 'confirmed', changed_at = ? WHERE list_id = ? AND subscriber_id = ? AND status = 'unsubscribed' AND confirmed_at > 0 AND left_at <= ?
			AND NOT EXISTS (SELECT 1 FROM suppressions x WHERE x.key = ? AND x.list_id = subscriptions.list_id)`,
		len(l.Lists()), func(i int, row *database.Params) {
			row.Set(now.UnixMilli(), l.Lists()[i], subscriberID, l.LeftAt, p.Key)
		},
		func(i int, n int64) {
			if n == 1 {
				back = append(back, l.Lists()[i])
			}
		})
	if err != nil {
		return nil, err
	}
	if _, err := tx.Exec(ctx, `UPDATE leavings SET undone_at = ? WHERE id = ?`, now.UnixMilli(), l.ID); err != nil {
		return nil, err
	}
	who, err := st.persons(ctx, []int64{subscriberID})
	if err != nil {
		return nil, err
	}
	entries := make([]consent.Entry, len(back))
	for i, list := range back {
		entries[i] = consent.Entry{
			SubscriberID: subscriberID, ListID: list, Act: consent.Restored, Person: who[subscriberID],
			Statement: consent.Statement{Source: "taken back within the hour", At: now},
		}
	}
	if err := consent.Record(ctx, tx, entries); err != nil {
		return nil, err
	}
	return back, journal.Write(ctx, tx, "return", "subscriber", subscriberID, map[string]any{"lists": stringIDs(back)})
}

// Pause lets a person's lists rest for [PauseFor]; every begin of a message
// that commits later sees it. Asked again it begins anew.
func (s *Store) Pause(ctx context.Context, tx *database.Tx, subscriberID int64, lists []int64) error {
	if len(lists) == 0 {
		return nil
	}
	if err := tx.No(ctx); err != nil {
		return err
	}
	until := s.db.Now().Add(PauseFor).UnixMilli()
	if err := s.choose(ctx, tx, `paused_until`, until, subscriberID, lists); err != nil {
		return err
	}
	if err := s.noted(ctx, tx, subscriberID); err != nil {
		return err
	}
	return journal.Write(ctx, tx, "pause", "subscriber", subscriberID, map[string]any{"lists": stringIDs(lists)})
}

// Unpause ends a pause.
func (s *Store) Unpause(ctx context.Context, tx *database.Tx, subscriberID int64, lists []int64) error {
	if err := tx.No(ctx); err != nil {
		return err
	}
	return s.choose(ctx, tx, `paused_until`, 0, subscriberID, lists)
}

// Frequency is a person's wish to get at most one campaign in so many days, 0
// for no wish. It holds over all their lists, and those they join later.
func (s *Store) Frequency(ctx context.Context, tx *database.Tx, subscriberID, everyDays int64) error {
	if everyDays < 0 || everyDays > 365 {
		return &Invalid{"every_days", "want 0 to 365"}
	}
	if err := tx.No(ctx); err != nil {
		return err
	}
	lists, err := s.With(tx).listsOf(ctx, subscriberID)
	if err != nil {
		return err
	}
	return s.choose(ctx, tx, `every_days`, everyDays, subscriberID, lists)
}

func (s *Store) choose(ctx context.Context, tx *database.Tx, column string, value, subscriberID int64, lists []int64) error {
	if len(lists) == 0 {
		return nil
	}
	query, args, err := database.In(`UPDATE subscriptions SET `+column+` = ? WHERE subscriber_id = ? AND list_id IN (?)`, value, subscriberID, lists)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, query, args...)
	return err
}

// Speak sets the language a person wants to be written in.
func (s *Store) Speak(ctx context.Context, tx *database.Tx, subscriberID int64, locale string) error {
	if len(locale) > 35 || strings.ContainsFunc(locale, func(r rune) bool {
		return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) {
		return &Invalid{"locale", "want a language such as fr"}
	}
	if _, err := tx.Exec(ctx, `UPDATE subscribers SET locale = ?, updated_at = ? WHERE id = ?`, locale, s.db.Now().UnixMilli(), subscriberID); err != nil {
		return err
	}
	return s.alive(ctx, tx, subscriberID)
}

// LeavingFilter chooses leavings.
type LeavingFilter struct {
	CampaignID   int64 // 0: any
	SubscriberID int64 // 0: any
}

// Leavings pages through them, the newest first: those with ids below before,
// from the newest on when before is 0.
func (s *Store) Leavings(ctx context.Context, f LeavingFilter, before int64, limit int) ([]Leaving, error) {
	query, args := `SELECT `+leavingColumns+` FROM leavings WHERE 1 = 1`, []any(nil)
	for _, c := range []struct {
		condition string
		value     int64
	}{{" AND campaign_id = ?", f.CampaignID}, {" AND subscriber_id = ?", f.SubscriberID}, {" AND id < ?", before}} {
		if c.value != 0 {
			query, args = query+c.condition, append(args, c.value)
		}
	}
	var all []Leaving
	err := s.q.Select(ctx, &all, query+` ORDER BY id DESC LIMIT ?`, append(args, limit)...)
	return all, err
}

// LeavingSummary is what many leavings say together.
type LeavingSummary struct {
	Leavings  int64            // not taken back
	Undone    int64            // taken back
	LongestMS int64            // from the request's arrival until nothing could begin
	MeanMS    float64          // the same, on average
	Reasons   map[string]int64 // "" where none was given
}

// SumLeavings sums up the leavings of a campaign, or of all when it is 0,
// since a time (Unix milliseconds).
func (s *Store) SumLeavings(ctx context.Context, campaignID, since int64) (LeavingSummary, error) {
	sum := LeavingSummary{Reasons: map[string]int64{}}
	var rows []struct {
		Reason  string  `db:"reason"`
		N       int64   `db:"n"`
		Undone  int64   `db:"undone"`
		Longest int64   `db:"longest"`
		Total   float64 `db:"total"`
	}
	query, args := `SELECT reason, COUNT(*) AS n, SUM(CASE WHEN undone_at > 0 THEN 1 ELSE 0 END) AS undone, MAX(left_at - asked_at) AS longest,
		CAST(SUM(left_at - asked_at) AS DOUBLE PRECISION) AS total FROM leavings WHERE left_at >= ?`, []any{since}
	if campaignID != 0 {
		query, args = query+` AND campaign_id = ?`, append(args, campaignID)
	}
	err := s.q.Select(ctx, &rows, query+` GROUP BY reason`, args...)
	var all int64
	var total float64
	for _, r := range rows {
		all, total = all+r.N, total+r.Total
		sum.Undone += r.Undone
		sum.Leavings += r.N - r.Undone
		sum.LongestMS = max(sum.LongestMS, r.Longest)
		sum.Reasons[r.Reason] += r.N - r.Undone
	}
	if all > 0 {
		sum.MeanMS = total / float64(all)
	}
	return sum, err
}

// Complained tells whether the person reported a mail: only a new double
// opt-in brings them back.
func (s *Store) Complained(ctx context.Context, key string) (bool, error) {
	reason, err := s.suppressed(ctx, key, 0)
	return reason == Complaint, err
}

// Rejoin is a yes given on the page of choices, to which only a fresh link
// sent to the address leads: as good as a double opt-in, but not after a
// complaint. [ErrSuppressed] if the address must not be mailed.
func (s *Store) Rejoin(ctx context.Context, tx *database.Tx, c Confirmation) error {
	if err := s.hear(ctx, tx, c.SubscriberID); err != nil {
		return err
	}
	st := s.With(tx)
	p, err := st.Subscriber(ctx, c.SubscriberID)
	if err != nil {
		return err
	}
	reason, err := st.suppressed(ctx, p.Key, c.ListID)
	if err != nil {
		return err
	}
	if reason != "" && reason != AllMail {
		return ErrSuppressed
	}
	return st.confirmed(ctx, tx, c, p, s.db.Now())
}
