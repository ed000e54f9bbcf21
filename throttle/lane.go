package throttle

import (
	"context"
	"errors"
	"fmt"

	"facteur/internal/database"
)

// Lane is the stretch between one sending domain and one mailbox provider:
// reputation, limits and warm-up belong to it.
type Lane struct {
	Domain   string `db:"domain"`
	Provider string `db:"provider"`
}

// LaneID is the id of a lane, which is made at its first use.
func (s *Store) LaneID(ctx context.Context, tx *database.Tx, l Lane) (int64, error) {
	s.lanes.mu.RLock()
	id, ok := s.lanes.byName[l]
	s.lanes.mu.RUnlock()
	if ok {
		return id, nil
	}
	_, err := tx.Exec(ctx, `INSERT INTO lanes (id, domain, provider) VALUES (?, ?, ?) ON CONFLICT (domain, provider) DO NOTHING`, s.db.NewID(), l.Domain, l.Provider)
	if err != nil {
		return 0, fmt.Errorf("lane %s/%s: %w", l.Domain, l.Provider, err)
	}
	// Not remembered yet: this transaction may still be rolled back.
	err = tx.Get(ctx, &id, `SELECT id FROM lanes WHERE domain = ? AND provider = ?`, l.Domain, l.Provider)
	return id, err
}

// Lane finds a lane by id.
func (s *Store) Lane(ctx context.Context, id int64) (Lane, error) {
	s.lanes.mu.RLock()
	l, ok := s.lanes.byID[id]
	s.lanes.mu.RUnlock()
	if ok {
		return l, nil
	}
	if err := s.q.Get(ctx, &l, `SELECT domain, provider FROM lanes WHERE id = ?`, id); err != nil {
		if errors.Is(err, database.ErrNotFound) {
			err = fmt.Errorf("lane %d: %w", id, err)
		}
		return Lane{}, err
	}
	s.lanes.mu.Lock()
	defer s.lanes.mu.Unlock()
	s.lanes.byID[id], s.lanes.byName[l] = l, id
	return l, nil
}
