package subscribers

import (
	"errors"

	"facteur/internal/database"
	"facteur/internal/keyring"
)

// Sentinels of this package.
var (
	// ErrSuppressed is an address that must not be mailed, whoever asks.
	ErrSuppressed = errors.New("address is suppressed")
	// ErrNoSender is a letter that nobody can be the sender of.
	ErrNoSender = errors.New("there is no sender to write as: add one with POST /senders, or name one as the list's sender_id")
	// ErrLeft is a person who has left the list; only their own new yes brings them back.
	ErrLeft = errors.New("person has left this list")
)

// Store keeps this package's tables. Its methods that change something take
// the transaction they belong to.
type Store struct {
	q    database.Queryer
	db   *database.DB
	keys *keyring.Keyring // nil: nobody can be erased
}

// NewStore reads and writes db.
func NewStore(db *database.DB) *Store { return &Store{q: db, db: db} }

// Keyed is the store with the keys under which erased addresses are remembered.
func (s *Store) Keyed(k *keyring.Keyring) *Store { return &Store{q: s.q, db: s.db, keys: k} }

// With is the store inside a transaction.
func (s *Store) With(tx *database.Tx) *Store { return &Store{q: tx, db: s.db, keys: s.keys} }
