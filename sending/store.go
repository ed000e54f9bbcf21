package sending

import (
	"errors"
	"fmt"

	"facteur/internal/database"
	"facteur/internal/keyring"
)

// ErrInUse is an object that others still need.
var ErrInUse = errors.New("in use")

// Store keeps this package's tables.
type Store struct {
	q    database.Queryer
	db   *database.DB
	keys *keyring.Keyring
}

// NewStore reads and writes db; keys seal the relays' passwords.
func NewStore(db *database.DB, keys *keyring.Keyring) *Store {
	return &Store{q: db, db: db, keys: keys}
}

// With is the store inside a transaction.
func (s *Store) With(tx *database.Tx) *Store { return &Store{q: tx, db: s.db, keys: s.keys} }

// Invalid is a value that cannot be stored, with the field it came in.
type Invalid struct {
	Field  string
	Reason string
}

func (e *Invalid) Error() string { return e.Field + ": " + e.Reason }

func invalid(field, format string, args ...any) error {
	return &Invalid{Field: field, Reason: fmt.Sprintf(format, args...)}
}
