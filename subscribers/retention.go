package subscribers

import (
	"context"
	"fmt"
	"slices"

	"facteur/internal/database"
	"facteur/internal/journal"
	"facteur/subscribers/consent"
)

// Retention is for how many days things are kept; 0: for good. The first two
// are bounds for proposals of a [HygieneReport], the others run by themselves
// once a day.
type Retention struct {
	SunsetDays       int64 `json:"sunset_days"`       // no sign of life: proposed for re-confirmation
	SilentDays       int64 `json:"silent_days"`       // no sign of life: proposed for deletion
	UnsubscribedDays int64 `json:"unsubscribed_days"` // on no list any more: erased
	EvidenceDays     int64 `json:"evidence_days"`     // network addresses and the like beside the ledger
	LeavingNoteDays  int64 `json:"leaving_note_days"` // what people wrote when they left
	RefusedRowDays   int64 `json:"refused_row_days"`  // rows of imports
	LetterDays       int64 `json:"letter_days"`       // one-off mails
	UnmatchedDays    int64 `json:"unmatched_days"`    // reports about no mail that is provably ours
}

// DefaultRetention is what holds until somebody sets something else. Three
// years of silence is what the CNIL allows for prospects.
func DefaultRetention() Retention {
	return Retention{SunsetDays: 365, SilentDays: 1095, UnsubscribedDays: 1095, EvidenceDays: 1825, LeavingNoteDays: 730, RefusedRowDays: 30, LetterDays: 90, UnmatchedDays: 30}
}

// fields names the settings as the table does.
func (r *Retention) fields() map[string]*int64 {
	return map[string]*int64{
		"sunset": &r.SunsetDays, "silent": &r.SilentDays, "unsubscribed": &r.UnsubscribedDays, "evidence": &r.EvidenceDays,
		"leaving_note": &r.LeavingNoteDays, "refused_row": &r.RefusedRowDays, "letter": &r.LetterDays, "unmatched": &r.UnmatchedDays,
	}
}

// Retention reads the settings.
func (s *Store) Retention(ctx context.Context) (Retention, error) {
	r := DefaultRetention()
	var rows []struct {
		What string `db:"what"`
		Days int64  `db:"days"`
	}
	err := s.q.Select(ctx, &rows, `SELECT what, days FROM retention`)
	for _, row := range rows {
		if to := r.fields()[row.What]; to != nil {
			*to = row.Days
		}
	}
	return r, err
}

// SetRetention replaces the settings.
func (s *Store) SetRetention(ctx context.Context, tx *database.Tx, r Retention) error {
	fields := r.fields()
	names := make([]string, 0, len(fields))
	for name, days := range fields {
		if *days < 0 || *days > 36_500 {
			return &Invalid{name + "_days", "want 0 to 36500 days"}
		}
		names = append(names, name)
	}
	slices.Sort(names)
	err := tx.Each(ctx, `INSERT INTO retention (what, days, updated_at) VALUES (?, ?, ?) ON CONFLICT (what) DO UPDATE SET days = excluded.days, updated_at = excluded.updated_at`,
		len(names), func(i int, p *database.Params) { p.Set(names[i], *fields[names[i]], s.db.Now().UnixMilli()) }, nil)
	if err != nil {
		return err
	}
	return journal.Write(ctx, tx, "set", "retention", 0, r)
}

// retainPage bounds a transaction that removes things.
const retainPage = 500

// Remover takes away at most limit of something from before a time (Unix
// milliseconds) and returns how many.
type Remover func(ctx context.Context, tx *database.Tx, before int64, limit int) (int64, error)

// Retain removes what was kept long enough, in pages, and says how much of
// what. letters, unmatched and erase belong to the owners of more than people.
func (s *Store) Retain(ctx context.Context, letters, unmatched Remover, erase func(context.Context, *database.Tx, int64, string) error, write func(context.Context, func(*database.Tx) error) error) (map[string]int64, error) {
	keep, err := s.Retention(ctx)
	if err != nil {
		return nil, err
	}
	removed := map[string]int64{}
	for _, r := range []struct {
		what   string
		days   int64
		remove Remover
	}{
		{"evidence", keep.EvidenceDays, consent.Forget},
		{"leaving_notes", keep.LeavingNoteDays, s.forgetNotes},
		{"refused_rows", keep.RefusedRowDays, s.ForgetRefusals},
		{"letters", keep.LetterDays, letters},
		{"unmatched", keep.UnmatchedDays, unmatched},
		{"people", keep.UnsubscribedDays, s.forgetPeople(erase)},
	} {
		if r.days == 0 {
			continue
		}
		before := s.db.Now().AddDate(0, 0, -int(r.days)).UnixMilli()
		for {
			var n int64
			err := write(ctx, func(tx *database.Tx) (err error) {
				n, err = r.remove(ctx, tx, before, retainPage)
				return err
			})
			if err != nil {
				return removed, fmt.Errorf("retention of %s: %w", r.what, err)
			}
			if n == 0 {
				break
			}
			removed[r.what] += n
		}
	}
	return removed, nil
}

// forgetNotes takes away what people wrote when they left; that they left stays.
func (s *Store) forgetNotes(ctx context.Context, tx *database.Tx, before int64, limit int) (int64, error) {
	return tx.Exec(ctx, `UPDATE leavings SET note = '' WHERE id IN (SELECT id FROM leavings WHERE left_at < ? AND note <> '' LIMIT ?)`, before, limit)
}

// forgetPeople erases people who have been on no list for long.
func (s *Store) forgetPeople(erase func(context.Context, *database.Tx, int64, string) error) Remover {
	return func(ctx context.Context, tx *database.Tx, before int64, limit int) (int64, error) {
		var ids []int64
		err := tx.Select(ctx, &ids, `SELECT p.id FROM subscribers p WHERE p.created_at < ?
			AND NOT EXISTS (SELECT 1 FROM subscriptions s WHERE s.subscriber_id = p.id AND (s.status <> 'unsubscribed' OR s.changed_at >= ?)) ORDER BY p.id LIMIT ?`, before, before, limit)
		if err != nil {
			return 0, err
		}
		for _, id := range ids {
			if err := erase(ctx, tx, id, "retention"); err != nil {
				return 0, err
			}
		}
		return int64(len(ids)), nil
	}
}
