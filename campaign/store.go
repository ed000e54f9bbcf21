package campaign

import (
	"context"
	"time"

	"facteur/campaign/markup"
	"facteur/internal/database"
	"facteur/sending"
	"facteur/subscribers"
	"facteur/throttle"
)

// Store keeps this package's tables. What changes something takes the
// transaction it belongs to, or says that it makes its own.
type Store struct {
	q       database.Queryer
	db      *database.DB
	people  *subscribers.Store
	senders *sending.Store
	pace    *throttle.Store
	cap     Cap
	erasers []Eraser
	alarmed []Alarmed
	gate    Gate // nil: none
	started []Started
	zones   *zones
	mjml    *markup.Compiler
}

// NewStore reads and writes db; the other stores own what campaigns refer to.
func NewStore(db *database.DB, people *subscribers.Store, senders *sending.Store, pace *throttle.Store) *Store {
	return &Store{q: db, db: db, people: people, senders: senders, pace: pace, zones: &zones{}, mjml: markup.NewCompiler()}
}

// With is the store inside a transaction, with the stores that it asks.
func (s *Store) With(tx *database.Tx) *Store {
	joined := *s
	joined.q, joined.people, joined.senders, joined.pace = tx, s.people.With(tx), s.senders.With(tx), s.pace.With(tx)
	return &joined
}

// Sender is as whom a campaign would be sent now.
func (s *Store) Sender(ctx context.Context, id int64) (sending.Sender, error) {
	return s.senders.Sender(ctx, id)
}

// Domain is a sender's domain as it stands now.
func (s *Store) Domain(ctx context.Context, v sending.Sender) (sending.Domain, error) {
	return s.senders.Domain(ctx, v.DomainID)
}

// NewID is an id that nothing has yet.
func (s *Store) NewID() int64 { return s.db.NewID() }

// Now is the database's clock.
func (s *Store) Now() time.Time { return s.db.Now() }
