package throttle

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	PerMinute int64  `db:"per_minute"` // until it recovers; 0: no pace
	Times     int64  `db:"times"`
	// Connections are how many dialogues there may be until it recovers; 0: as otherwise.
	Connections int64 `db:"connections"`
}

const slowdownColumns = `lane, rule, reason, hits, window_at, since, until_at, recover_at, per_minute, times, connections`

// How a lane recovers: from a slow pace, doubled at each step, until it is as
// fast as what is usual.
const (
	recoverFrom = 10 // a minute, after a suspension
	recoverStep = 5 * time.Minute
	recoverMost = 10            // connections; KumoMTA's default for all
	longest     = 8 * time.Hour // of a suspension
	lull        = time.Minute   // in which what was under way is still answered
)

// At is what holds at a moment: nothing begins before suspended (zero: now),
// and then at most limit. active is false when the lane has recovered.
func (d Slowdown) At(now time.Time) (limit Limit, suspended time.Time, active bool) {
	ms := now.UnixMilli()
	if d.Since == 0 {
		return Limit{}, time.Time{}, false
	}
	limit = Limit{PerMinute: d.PerMinute, Connections: d.Connections}
	if ms < d.Until {
		return limit, database.Time(d.Until), true
	}
	if ms < d.Recover {
		return limit, time.Time{}, true
	}
	doubled := min(20, (ms-d.Recover)/recoverStep.Milliseconds()+1)
	if limit.PerMinute <<= doubled; limit.PerMinute >= usual*60 {
		limit.PerMinute = 0
	}
	if limit.Connections <<= doubled; limit.Connections >= recoverMost {
		limit.Connections = 0
	}
	return limit, time.Time{}, limit != Limit{}
}

// count counts an answer that a rule is about; enough tells that the rule acts.
// All answers about us count, whatever their rules: mixed ones are no better
// than equal ones.
func (d Slowdown) count(r Reaction, reason string, now time.Time) (counted Slowdown, enough bool) {
	ms := now.UnixMilli()
	_, _, active := d.At(now)
	if active && ms < d.Since+lull.Milliseconds() {
		return d, false
	}
	if ms-d.WindowAt > time.Hour.Milliseconds() {
		d.Hits, d.WindowAt = 0, ms
	}
	if d.Hits++; !active { // else it goes on saying why it is slow
		d.Rule, d.Reason, d.Since, d.Times = r.Name(), reason, 0, 0
	}
	return d, d.Hits >= r.Hits
}

// act does what a rule says: for longer each time, as long as the lane has not
// recovered in between.
func (d Slowdown) act(r Reaction, reason string, now time.Time) Slowdown {
	span := min(longest, r.For<<min(d.Times, 10))
	d.Rule, d.Reason, d.Hits, d.Since = r.Name(), reason, 0, now.UnixMilli()
	d.Times++
	d.PerMinute, d.Connections, d.Until, d.Recover = r.PerMinute, r.Connections, 0, now.Add(span).UnixMilli()
	if r.PerMinute == 0 && r.Connections == 0 {
		d.PerMinute, d.Until, d.Recover = recoverFrom, d.Recover, now.Add(span+recoverStep).UnixMilli()
	}
	return d
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
	// Another process that lets the lane react now waits, and then sees this one's.
	if _, err := tx.Exec(ctx, `UPDATE slowdowns SET hits = hits WHERE lane = ?`, lane); err != nil {
		return false, fmt.Errorf("slowdown of lane %d: %w", lane, err)
	}
	d, err := joined.slowdown(ctx, lane)
	if err != nil {
		return false, err
	}
	was, acted, now := d, false, s.db.Now()
	for _, a := range replies {
		r, ok := s.providers.reaction(l.Provider, a)
		if !ok {
			continue
		}
		enough := false
		if d, enough = d.count(r, a.String(), now); enough && r.Provider == "*" {
			if enough, err = joined.often(ctx, l, now, d.Hits); err != nil {
				return false, err
			}
		}
		if enough {
			d, acted = d.act(r, a.String(), now), true
		}
	}
	if d == was {
		return false, nil
	}
	_, err = tx.Exec(ctx, `INSERT INTO slowdowns (`+slowdownColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (lane) DO UPDATE SET rule = excluded.rule, reason = excluded.reason, hits = excluded.hits, window_at = excluded.window_at, since = excluded.since,
			until_at = excluded.until_at, recover_at = excluded.recover_at, per_minute = excluded.per_minute, times = excluded.times, connections = excluded.connections`,
		lane, d.Rule, d.Reason, d.Hits, d.WindowAt, d.Since, d.Until, d.Recover, d.PerMinute, d.Times, d.Connections)
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

// slowed are those that have not been written down as recovered.
func (s *Store) slowed(ctx context.Context) (rows []Slowdown, err error) {
	if err := s.q.Select(ctx, &rows, `SELECT `+slowdownColumns+` FROM slowdowns WHERE since > 0`); err != nil {
		return nil, fmt.Errorf("read the slowdowns: %w", err)
	}
	return rows, nil
}

// Slowdowns are those that may still be active, by lane: a row a lane at most.
func (s *Store) Slowdowns(ctx context.Context) (map[int64]Slowdown, error) {
	rows, err := s.slowed(ctx)
	if err != nil {
		return nil, err
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

// EndSlowdowns writes down which lanes have recovered by themselves, and names
// them; write is a transaction of the one process whose duty it is.
func (s *Store) EndSlowdowns(ctx context.Context, write func(context.Context, func(*database.Tx) error) error) (ended []Lane, err error) {
	rows, err := s.slowed(ctx)
	if err != nil {
		return nil, err
	}
	now := s.db.Now()
	rows = slices.DeleteFunc(rows, func(d Slowdown) bool {
		_, _, active := d.At(now)
		return active
	})
	if len(rows) == 0 {
		return nil, nil
	}
	err = write(ctx, func(tx *database.Tx) error {
		ended = nil
		for _, d := range rows {
			n, err := tx.Exec(ctx, `UPDATE slowdowns SET since = 0, times = 0 WHERE lane = ? AND since = ?`, d.Lane, d.Since)
			if err != nil {
				return fmt.Errorf("slowdown of lane %d: %w", d.Lane, err)
			}
			if n == 0 {
				continue // slowed anew, or lifted, since it was read
			}
			l, err := s.With(tx).Lane(ctx, d.Lane)
			if err != nil {
				return err
			}
			err = journal.Write(ctx, tx, "recover", "lane", d.Lane, map[string]any{"domain": l.Domain, "provider": l.Provider, "rule": d.Rule, "slowed_at": database.Time(d.Since).Format(time.RFC3339), "words": d.Words(now)})
			if err != nil {
				return err
			}
			ended = append(ended, l)
		}
		return nil
	})
	return ended, err
}

// Words say what holds at a moment.
func (d Slowdown) Words(now time.Time) string {
	switch limit, suspended, active := d.At(now); {
	case !active:
		return "at its own pace"
	case !suspended.IsZero():
		return fmt.Sprintf("suspended until %s, then %s, doubling every %s", suspended.Format(time.RFC3339), paceWords(limit), recoverStep)
	case now.UnixMilli() < d.Recover:
		return fmt.Sprintf("%s until %s, then doubling every %s", paceWords(limit), database.Time(d.Recover).Format(time.RFC3339), recoverStep)
	default:
		return fmt.Sprintf("%s, doubling every %s", paceWords(limit), recoverStep)
	}
}

func paceWords(l Limit) string {
	if l.PerMinute == 0 {
		return fmt.Sprintf("at most %d connections", l.Connections)
	}
	return fmt.Sprintf("at most %d a minute", l.PerMinute)
}
