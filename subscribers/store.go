package subscribers

import (
	"errors"

	"facteur/internal/database"
)

// Sentinels of this package.
var (
	// ErrSuppressed is an address that must not be mailed, whoever asks.
	ErrSuppressed = errors.New("address is suppressed")
	// ErrLeft is a person who has left the list; only their own new yes brings them back.
	ErrLeft = errors.New("person has left this list")
	// ErrNoConsent is a person brought to a double opt-in list without a stated consent.
	ErrNoConsent = errors.New("consent is not stated")
)

// Store keeps this package's tables. Its methods that change something take
// the transaction they belong to.
type Store struct {
	q  database.Queryer
	db *database.DB
}

// NewStore reads and writes db.
func NewStore(db *database.DB) *Store { return &Store{q: db, db: db} }

// With is the store inside a transaction.
func (s *Store) With(tx *database.Tx) *Store { return &Store{q: tx, db: s.db} }
