package campaign

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"facteur/internal/database"
	"facteur/internal/panics"
)

// Fenced is a transaction of the leader: it is rolled back once another leads.
type Fenced func(ctx context.Context, change func(tx *database.Tx) error) error

// Duty is something that only the leader does beside scheduling. Each has a
// goroutine of its own, so that a long one holds up nothing.
type Duty struct {
	Name  string
	Every time.Duration
	// Do does it; what it returns is kept where the duty is daily.
	Do func(ctx context.Context, write Fenced) (result any, err error)
	// Daily duties are done once in 24 hours over all processes and restarts.
	Daily bool
	// Final duties do what cannot be taken back because a time has come: they
	// delete, expire, give people up. While the clock may be wrong they rest.
	Final bool
}

// dailyPoll is how often a daily duty looks whether it is time.
const dailyPoll = 10 * time.Minute

// Also gives the leader another duty; before [Scheduler.Run].
func (s *Scheduler) Also(d Duty) { s.duties = append(s.duties, d) }

// Duties are what the leader does beside scheduling.
func (s *Scheduler) Duties() []Duty { return slices.Clone(s.duties) }

// attend does a duty whenever it is time and this process leads.
func (s *Scheduler) attend(ctx context.Context, d Duty) {
	every := d.Every
	if d.Daily {
		every = dailyPoll
	}
	timer := time.NewTimer(min(every, time.Second))
	defer timer.Stop()
	rests := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if s.leads() {
			err := panics.Do(func() error { return s.do(ctx, d) })
			s.mishaps.Note("duty", err)
			unsteady := errors.Is(err, database.ErrUnsteady)
			switch {
			case err == nil || ctx.Err() != nil || errors.Is(err, database.ErrStale) || unsteady && rests:
			case unsteady:
				s.log.Warn("a duty rests", "duty", d.Name, "why", err)
			default:
				s.log.Error("duty", "duty", d.Name, "error", err)
			}
			rests = unsteady
		}
		timer.Reset(every)
	}
}

func (s *Scheduler) do(ctx context.Context, d Duty) error {
	write := Fenced(s.write)
	if d.Final {
		write = s.writeSteady
		if err := s.watch.Steady(); err != nil {
			return err
		}
	}
	if !d.Daily {
		_, err := d.Do(ctx, write)
		return err
	}
	started := s.store.db.Now()
	last, err := s.store.LastChore(ctx, d.Name)
	if err != nil && !errors.Is(err, database.ErrNotFound) {
		return err
	}
	if started.Sub(database.Time(last.StartedAt)).Abs() < 24*time.Hour { // a run of the far future says that a clock was ahead
		return nil
	}
	result, err := d.Do(ctx, write)
	if err != nil {
		return err
	}
	text, err := json.Marshal(result)
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO chores (id, name, started_at, ended_at, result) VALUES (?, ?, ?, ?, ?)`,
			s.store.db.NewID(), d.Name, started.UnixMilli(), s.store.db.Now().UnixMilli(), string(text))
		return err
	})
}

// writeSteady is a fenced transaction that is undone when the clock jumps
// under it: what it was to remove was found by a time that was not now.
func (s *Scheduler) writeSteady(ctx context.Context, change func(tx *database.Tx) error) error {
	return s.write(ctx, func(tx *database.Tx) error {
		if err := s.watch.Steady(); err != nil {
			return err
		}
		if err := change(tx); err != nil {
			return err
		}
		return s.watch.Steady()
	})
}

// Chore is one run of a daily duty.
type Chore struct {
	ID        int64  `db:"id"`
	Name      string `db:"name"`
	StartedAt int64  `db:"started_at"` // Unix milliseconds
	EndedAt   int64  `db:"ended_at"`
	Result    string `db:"result"` // a JSON object
}

// LastChore is the latest run of a daily duty; [database.ErrNotFound] if there was none.
func (s *Store) LastChore(ctx context.Context, name string) (Chore, error) {
	var c Chore
	err := s.q.Get(ctx, &c, `SELECT id, name, started_at, ended_at, result FROM chores WHERE name = ? ORDER BY id DESC LIMIT 1`, name)
	return c, err
}

// Chores lists the runs of a daily duty, newest first.
func (s *Store) Chores(ctx context.Context, name string, limit int) ([]Chore, error) {
	var all []Chore
	err := s.q.Select(ctx, &all, `SELECT id, name, started_at, ended_at, result FROM chores WHERE name = ? ORDER BY id DESC LIMIT ?`, name, limit)
	if err != nil {
		return nil, fmt.Errorf("runs of %s: %w", name, err)
	}
	return all, nil
}

// ForgetReports removes what daily duties did, and what was found of campaigns
// that ended, before a time (Unix milliseconds), at most limit of each, and
// returns how many.
func (s *Store) ForgetReports(ctx context.Context, tx *database.Tx, before int64, limit int) (int64, error) {
	chores, err := tx.Exec(ctx, `DELETE FROM chores WHERE id IN (SELECT id FROM (SELECT id, started_at FROM chores ORDER BY id LIMIT ?) AS oldest WHERE started_at < ?)`, limit, before)
	if err != nil {
		return 0, fmt.Errorf("forget reports: %w", err)
	}
	checks, err := tx.Exec(ctx, `DELETE FROM preflights WHERE campaign_id IN (SELECT p.campaign_id FROM preflights p JOIN campaigns c ON c.id = p.campaign_id
		WHERE p.at < ? AND c.finished_at > 0 AND c.finished_at < ? LIMIT ?)`, before, before, limit)
	return chores + checks, err
}
