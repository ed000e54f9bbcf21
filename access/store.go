package access

import (
	"crypto/sha256"

	"facteur/internal/database"
	"facteur/internal/keyring"
)

// Store keeps this package's tables.
type Store struct {
	q     database.Queryer
	db    *database.DB
	keys  *keyring.Keyring
	admin [sha256.Size]byte // of the token of the settings
	open  bool              // there is one
}

// NewStore reads and writes db. keys seal kept answers, which may hold a new
// token; admin is the token of the settings that has every scope, or "".
func NewStore(db *database.DB, keys *keyring.Keyring, admin string) *Store {
	return &Store{q: db, db: db, keys: keys, admin: sha256.Sum256([]byte(admin)), open: admin != ""}
}

// With is the store inside a transaction.
func (s *Store) With(tx *database.Tx) *Store {
	in := *s
	in.q = tx
	return &in
}
