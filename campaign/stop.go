package campaign

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"facteur/internal/database"
	"facteur/internal/journal"
)

// Stop is the red button: while one is in force nothing begins anywhere.
type Stop struct {
	ID     int64  `db:"id"`
	Reason string `db:"reason"`
	Actor  string `db:"actor"`
	At     int64  `db:"at"`
}

// StopAll lets nothing begin anywhere from its commit on. It survives
// restarts. A second press changes nothing.
func (s *Store) StopAll(ctx context.Context, tx *database.Tx, reason string) (Stop, error) {
	if err := tx.Gate(ctx, true); err != nil {
		return Stop{}, err
	}
	if st, err := s.With(tx).Stopped(ctx); err == nil {
		return st, nil
	} else if !errors.Is(err, database.ErrNotFound) {
		return Stop{}, err
	}
	st := Stop{ID: s.db.NewID(), Reason: reason, Actor: journal.Actor(ctx), At: s.db.Now().UnixMilli()}
	_, err := tx.Exec(ctx, `INSERT INTO stops (id, reason, actor, at, lifted_at, lift_reason, lifted_by) VALUES (?, ?, ?, ?, 0, '', '')`, st.ID, st.Reason, st.Actor, st.At)
	if err != nil {
		return Stop{}, fmt.Errorf("stop: %w", err)
	}
	return st, journal.Write(ctx, tx, "stop", "installation", 0, map[string]any{"reason": reason})
}

// LiftStop lets mail go again; the reason is obligatory. [database.ErrNotFound] when nothing is stopped.
func (s *Store) LiftStop(ctx context.Context, tx *database.Tx, reason string) error {
	if strings.TrimSpace(reason) == "" {
		return &Invalid{"reason", "is empty: say why mail may go again"}
	}
	n, err := tx.Exec(ctx, `UPDATE stops SET lifted_at = ?, lift_reason = ?, lifted_by = ? WHERE lifted_at = 0`, s.db.Now().UnixMilli(), reason, journal.Actor(ctx))
	if err != nil {
		return fmt.Errorf("lift the stop: %w", err)
	}
	if n == 0 {
		return fmt.Errorf("stop: %w", database.ErrNotFound)
	}
	return journal.Write(ctx, tx, "lift-stop", "installation", 0, map[string]any{"reason": reason})
}

// Stopped is the stop in force, or [database.ErrNotFound].
func (s *Store) Stopped(ctx context.Context) (Stop, error) {
	var st Stop
	err := s.q.Get(ctx, &st, `SELECT id, reason, actor, at FROM stops WHERE lifted_at = 0 ORDER BY id LIMIT 1`)
	return st, err
}

// Halted lists the campaigns whose messages may not begin now, of those that
// were launched and not finished; all is true under a [Stop].
func (s *Store) Halted(ctx context.Context) (ids map[int64]bool, all bool, err error) {
	if _, err := s.Stopped(ctx); err == nil {
		return nil, true, nil
	} else if !errors.Is(err, database.ErrNotFound) {
		return nil, false, err
	}
	var rows []int64
	if err := s.q.Select(ctx, &rows, `SELECT c.id FROM campaigns c WHERE c.status IN ('paused', 'cancelled', 'blocked') AND EXISTS (SELECT 1 FROM batches b WHERE b.campaign_id = c.id)`); err != nil {
		return nil, false, err
	}
	ids = make(map[int64]bool, len(rows))
	for _, id := range rows {
		ids[id] = true
	}
	return ids, false, nil
}
