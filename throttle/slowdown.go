package throttle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"facteur/internal/database"
	"facteur/internal/journal"
)

// Slowdown is what answers about us have done to a lane. The zero one is none.
type Slowdown struct {
	Lane      int64  `db:"lane"`
	Rule      string `db:"rule"`
	Reason    string `db:"reason"`
	Hits      int64  `db:"hits"`
	WindowAt  int64  `db:"window_at"` // Unix milliseconds, as are the next
	Since     int64  `db:"since"`     // 0: hits are counted, nothing is done
	Until     int64  `db:"until_at"`  // nothing begins before
	Recover   int64  `db:"recover_at"`
	PerMinute int64  `db:"per_minute"`
	Times     int64  `db:"times"`
}

const slowdownColumns = `lane, rule, reason, hits, window_at, since, until_at, recover_at, per_minute, times`

// How a lane recovers: from a slow pace, doubled at each step, until it is as
// fast as what is usual.
const (
	recoverFrom = 10 // a minute, after a suspension
	recoverStep = 5 * time.Minute
	longest     = 8 * time.Hour // of a suspension
	lull        = time.Minute   // in which what was under way is still answered
)

// At is what holds at a moment: nothing begins before suspended (zero: now),
// and then at most limit. active is false when the lane has recovered.
func (d Slowdown) At(now time.Time) (limit Limit, suspended time.Time, active bool) {
	ms := now.UnixMilli()
	switch {
	case d.Since == 0:
		return Limit{}, time.Time{}, false
	case ms < d.Until:
		return Limit{PerMinute: d.PerMinute}, database.Time(d.Until), true
	case ms < d.Recover:
		return Limit{PerMinute: d.PerMinute}, time.Time{}, true
	}
	steps := (ms - d.Recover) / recoverStep.Milliseconds()
	if steps > 20 || d.PerMinute<<(steps+1) >= usual*60 {
		return Limit{}, time.Time{}, false
	}
	return Limit{PerMinute: d.PerMinute << (steps + 1)}, time.Time{}, true
}

// hit counts answers that a rule is about, and acts once they are enough:
// again and again for longer, as long as the lane has not recovered.
func (d Slowdown) hit(r Reaction, n int64, reason string, now time.Time) (next Slowdown, acts bool) {
	ms := now.UnixMilli()
	_, _, active := d.At(now)
	if active && ms < d.Since+lull.Milliseconds() {
		return d, false
	}
	if d.Rule != r.Name() || ms-d.WindowAt > time.Hour.Milliseconds() {
		d.Rule, d.Hits, d.WindowAt = r.Name(), 0, ms
	}
	if !active {
		d.Since, d.Times = 0, 0
	}
	d.Hits += n
	if d.Reason = reason; d.Hits < r.Hits {
		return d, false
	}
	d.Hits, d.Since = 0, ms
	span := min(longest, r.For<<min(d.Times, 10))
	d.Times++
	if r.PerMinute == 0 {
		d.PerMinute, d.Until = recoverFrom, ms+span.Milliseconds()
		d.Recover = d.Until
		return d, true
	}
	d.PerMinute = r.PerMinute
	d.Until, d.Recover = 0, ms+span.Milliseconds()
	return d, true
}

// ordinary is the share of a lane's answers below which refusals of any
// provider call for nothing: among many mailboxes some house always blocks.
const ordinary = 20

// React lets a lane react to answers about us, in the transaction that settles
// them; true when it changed what the lane may do.
func (s *Store) React(ctx context.Context, tx *database.Tx, lane int64, replies []Reply) (bool, error) {
	joined := s.With(tx)
	l, err := joined.Lane(ctx, lane)
	if err != nil {
		return false, err
	}
	d, err := joined.slowdown(ctx, lane)
	if err != nil {
		return false, err
	}
	was, acted, now := d, false, s.db.Now()
	for _, a := range replies {
		r, ok := reactionTo(l.Provider, a)
		if !ok {
			continue
		}
		next, acts := d.hit(r, 1, a.String(), now)
		if acts && r.Provider == "*" {
			if often, err := joined.often(ctx, l, now, d.Hits+1); err != nil {
				return false, err
			} else if !often {
				d.Rule, d.Hits, d.WindowAt = next.Rule, d.Hits+1, next.WindowAt
				continue
			}
		}
		d, acted = next, acted || acts
	}
	if d == was {
		return false, nil
	}
	_, err = tx.Exec(ctx, `INSERT INTO slowdowns (`+slowdownColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (lane) DO UPDATE SET rule = excluded.rule, reason = excluded.reason, hits = excluded.hits, window_at = excluded.window_at, since = excluded.since,
			until_at = excluded.until_at, recover_at = excluded.recover_at, per_minute = excluded.per_minute, times = excluded.times`,
		lane, d.Rule, d.Reason, d.Hits, d.WindowAt, d.Since, d.Until, d.Recover, d.PerMinute, d.Times)
	if err != nil || !acted {
		return false, err
	}
	return true, journal.Write(ctx, tx, "slow", "lane", lane, map[string]any{"domain": l.Domain, "provider": l.Provider, "rule": d.Rule, "reason": d.Reason, "words": d.Words(now)})
}

// often tells whether so many of the last hours' answers are more than ordinary.
func (s *Store) often(ctx context.Context, l Lane, now time.Time, hits int64) (bool, error) {
	rows, err := s.hourly(ctx, Hour(now)-1, nil)
	var answers int64
	for _, r := range rows {
		if r.Domain == l.Domain && r.Provider == l.Provider {
			answers += r.Attempted() + r.Soft + r.Deferred
		}
	}
	return hits*ordinary >= answers, err
}

func (s *Store) slowdown(ctx context.Context, lane int64) (Slowdown, error) {
	var d Slowdown
	err := s.q.Get(ctx, &d, `SELECT `+slowdownColumns+` FROM slowdowns WHERE lane = ?`, lane)
	if errors.Is(err, database.ErrNotFound) {
		return Slowdown{Lane: lane}, nil
	}
	return d, err
}

// Slowdowns are those that may still be active, by lane: a row a lane at most.
func (s *Store) Slowdowns(ctx context.Context) (map[int64]Slowdown, error) {
	var rows []Slowdown
	if err := s.q.Select(ctx, &rows, `SELECT `+slowdownColumns+` FROM slowdowns WHERE since > 0`); err != nil {
		return nil, fmt.Errorf("read the slowdowns: %w", err)
	}
	all := make(map[int64]Slowdown, len(rows))
	now := s.db.Now()
	for _, d := range rows {
		if _, _, active := d.At(now); active {
			all[d.Lane] = d
		}
	}
	return all, nil
}

// LiftSlowdown lets a lane go at its pace again, by a person who says why; it
// is slowed again if the answers go on. [database.ErrNotFound] when it is not slowed.
func (s *Store) LiftSlowdown(ctx context.Context, tx *database.Tx, lane int64, reason string) error {
	d, err := s.With(tx).slowdown(ctx, lane)
	if err != nil {
		return err
	}
	if _, _, active := d.At(s.db.Now()); !active {
		return fmt.Errorf("slowdown of lane %d: %w", lane, database.ErrNotFound)
	}
	if reason == "" {
		return fmt.Errorf("slowdown of lane %d: %s: %w", lane, d.Reason, ErrReason)
	}
	if _, err := tx.Exec(ctx, `DELETE FROM slowdowns WHERE lane = ?`, lane); err != nil {
		return fmt.Errorf("slowdown of lane %d: %w", lane, err)
	}
	return journal.Write(ctx, tx, "lift-slowdown", "lane", lane, map[string]any{"reason": reason, "was": d.Reason})
}

// Words say what holds at a moment.
func (d Slowdown) Words(now time.Time) string {
	switch limit, suspended, active := d.At(now); {
	case !active:
		return "at its own pace"
	case !suspended.IsZero():
		return fmt.Sprintf("suspended until %s, then %d a minute, doubling every %s", suspended.Format(time.RFC3339), d.PerMinute, recoverStep)
	default:
		return fmt.Sprintf("at most %d a minute, doubling every %s from %s on", limit.PerMinute, recoverStep, database.Time(d.Recover).Format(time.RFC3339))
	}
}
