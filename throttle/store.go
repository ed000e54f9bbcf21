package throttle

import (
	"sync"

	"facteur/internal/database"
)

// Store keeps this package's tables.
type Store struct {
	q     database.Queryer
	db    *database.DB
	lanes *laneCache
}

// NewStore reads and writes db.
func NewStore(db *database.DB) *Store {
	return &Store{q: db, db: db, lanes: &laneCache{byName: map[Lane]int64{}, byID: map[int64]Lane{}}}
}

// With is the store inside a transaction.
func (s *Store) With(tx *database.Tx) *Store { return &Store{q: tx, db: s.db, lanes: s.lanes} }

// laneCache remembers lanes, which never change.
type laneCache struct {
	mu     sync.RWMutex
	byName map[Lane]int64
	byID   map[int64]Lane
}
