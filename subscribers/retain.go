package subscribers

import (
	"context"
	"fmt"
	"slices"
	"time"

	"facteur/internal/database"
	"facteur/subscribers/consent"
)

// Remover takes away at most limit of something from before a time (Unix
// milliseconds) and returns how many. It looks at few rows more than it removes.
type Remover func(ctx context.Context, tx *database.Tx, before int64, limit int) (int64, error)

// Removal is something that goes once it was kept long enough.
type Removal struct {
	What   string // as it is reported
	Days   int64  // 0: never
	Remove Remover
}

// fenced is a transaction of the leader, and eraser removes a whole person.
type (
	fenced = func(context.Context, func(*database.Tx) error) error
	eraser = func(ctx context.Context, tx *database.Tx, subscriberID int64, source string) error
)

// How much goes in one transaction, and how long the senders then have the
// database for themselves, as a multiple of what that took: what goes costs
// them about one in a hundred.
const (
	retainPage  = 500
	retainPause = 100
)

// Retain removes what was kept long enough, in pages with pauses, and says how
// much of what. others belong to other owners; erase is the whole of a person.
func (s *Store) Retain(ctx context.Context, others func(Retention) []Removal, erase eraser, write fenced) (map[string]int64, error) {
	keep, err := s.Retention(ctx)
	if err != nil {
		return nil, err
	}
	removed := map[string]int64{}
	all := append([]Removal{
		{"evidence", keep.EvidenceDays, consent.Forget},
		{"leaving_notes", keep.LeavingNoteDays, s.forgetNotes},
		{"leavings", keep.LeavingDays, s.forgetLeavings},
		{"refused_rows", keep.RefusedRowDays, s.ForgetRefusals},
		{"reports", keep.ReportDays, s.forgetReports},
		{"mail_domains", mailDomainDays, s.forgetMailDomains},
	}, others(keep)...)
	for _, r := range all {
		if r.Days == 0 {
			continue
		}
		before := s.db.Now().AddDate(0, 0, -int(r.Days)).UnixMilli()
		for {
			var n int64
			begun := time.Now()
			err := write(ctx, func(tx *database.Tx) (err error) {
				n, err = r.Remove(ctx, tx, before, retainPage)
				return err
			})
			if err != nil {
				return removed, fmt.Errorf("retention of %s: %w", r.What, err)
			}
			if n == 0 {
				break
			}
			removed[r.What] += n
			if n == retainPage {
				if err := pause(ctx, retainPause*time.Since(begun)); err != nil {
					return removed, err
				}
			}
		}
	}
	if keep.UnsubscribedDays > 0 {
		n, err := s.retainPeople(ctx, s.db.Now().AddDate(0, 0, -int(keep.UnsubscribedDays)).UnixMilli(), erase, write)
		if n > 0 {
			removed["people"] = n
		}
		if err != nil {
			return removed, fmt.Errorf("retention of people: %w", err)
		}
	}
	return removed, nil
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// forgetNotes takes away what people wrote when they left; that they left stays.
func (s *Store) forgetNotes(ctx context.Context, tx *database.Tx, before int64, limit int) (int64, error) {
	return tx.Exec(ctx, `UPDATE leavings SET note = '' WHERE id IN
		(SELECT id FROM leavings WHERE left_at < ? AND note <> '' ORDER BY left_at LIMIT ?)`, before, limit)
}

// The oldest are looked at by their ids, which are given out in the order of time.

func (s *Store) forgetLeavings(ctx context.Context, tx *database.Tx, before int64, limit int) (int64, error) {
	return tx.Exec(ctx, `DELETE FROM leavings WHERE id IN
		(SELECT id FROM (SELECT id, left_at FROM leavings ORDER BY id LIMIT ?) AS oldest WHERE left_at < ?)`, limit, before)
}

func (s *Store) forgetReports(ctx context.Context, tx *database.Tx, before int64, limit int) (int64, error) {
	return tx.Exec(ctx, `DELETE FROM hygiene_reports WHERE id IN
		(SELECT id FROM (SELECT id, created_at, status FROM hygiene_reports ORDER BY id LIMIT ?) AS oldest WHERE created_at < ? AND status <> 'running')`, limit, before)
}

// mailDomainDays is how long what DNS said of a domain is remembered; it is asked
// anew after a week.
const mailDomainDays = 30

func (s *Store) forgetMailDomains(ctx context.Context, tx *database.Tx, before int64, limit int) (int64, error) {
	return tx.Exec(ctx, `DELETE FROM mail_domains WHERE domain IN
		(SELECT domain FROM mail_domains WHERE checked_at < ? LIMIT ?)`, before, limit)
}

// How many people are looked at in one go, and how many are erased in one
// transaction: an erasure holds up all begins.
const (
	lookPage  = 2000
	erasePage = 10
)

// onNoList is true of a person p who is on no list, and has been on none since a time.
const onNoList = `NOT EXISTS
	(SELECT 1 FROM subscriptions s WHERE s.subscriber_id = p.id AND (s.status <> 'unsubscribed' OR s.changed_at >= ?))`

// retainPeople erases people who have been on no list since a time. They are
// looked for outside of any transaction, and looked at once more in it.
func (s *Store) retainPeople(ctx context.Context, before int64, erase eraser, write fenced) (erased int64, err error) {
	for after := int64(0); ; {
		begun := time.Now()
		var page []struct {
			ID   int64 `db:"id"`
			Gone bool  `db:"gone"`
		}
		err := s.db.Select(ctx, &page, `SELECT p.id, p.created_at < ? AND `+onNoList+` AS gone FROM subscribers p
			WHERE p.id > ? ORDER BY p.id LIMIT ?`, before, before, after, lookPage)
		if err != nil || len(page) == 0 {
			return erased, err
		}
		var gone []int64
		for _, p := range page {
			if after = p.ID; p.Gone {
				gone = append(gone, p.ID)
			}
		}
		if err := pause(ctx, time.Since(begun)); err != nil {
			return erased, err
		}
		for ids := range slices.Chunk(gone, erasePage) {
			begun := time.Now()
			n := int64(0)
			err := write(ctx, func(tx *database.Tx) (err error) {
				n, err = s.erasePeople(ctx, tx, ids, before, erase)
				return err
			})
			if err != nil {
				return erased, err
			}
			erased += n
			if err := pause(ctx, retainPause*time.Since(begun)); err != nil {
				return erased, err
			}
		}
	}
}

// erasePeople erases those of the ids who are still on no list.
func (s *Store) erasePeople(ctx context.Context, tx *database.Tx, ids []int64, before int64, erase eraser) (int64, error) {
	if err := tx.No(ctx); err != nil {
		return 0, err
	}
	query, args, err := database.In(`SELECT p.id FROM subscribers p WHERE p.id IN (?) AND `+onNoList, ids, before)
	if err != nil {
		return 0, err
	}
	var gone []int64
	if err := tx.Select(ctx, &gone, query, args...); err != nil {
		return 0, err
	}
	for _, id := range gone {
		if err := erase(ctx, tx, id, "retention"); err != nil {
			return 0, err
		}
	}
	return int64(len(gone)), nil
}
