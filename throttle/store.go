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
	usage *usage

	providers *Providers
	learned   *learned
}

// NewStore reads and writes db.
func NewStore(db *database.DB) *Store {
	return &Store{q: db, db: db, lanes: &laneCache{byName: map[Lane]int64{}, byID: map[int64]Lane{}}, usage: &usage{}, providers: DefaultProviders(), learned: &learned{}}
}

// Knowing is the store with providers of the operator's own.
func (s *Store) Knowing(p *Providers) *Store {
	other := *s
	other.providers = p
	return &other
}

// Providers are those that the store knows.
func (s *Store) Providers() *Providers { return s.providers }

// With is the store inside a transaction.
func (s *Store) With(tx *database.Tx) *Store {
	joined := *s
	joined.q = tx
	return &joined
}

// laneCache remembers lanes, which never change.
type laneCache struct {
	mu     sync.RWMutex
	byName map[Lane]int64
	byID   map[int64]Lane
}
