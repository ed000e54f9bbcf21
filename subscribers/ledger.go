package subscribers

import (
	"context"
	"errors"
	"time"

	"facteur/internal/database"
	"facteur/subscribers/consent"
)

// CheckLedger goes through the consent ledger and compares it with the people
// that are still there. trusted are our public keys, hex.
func (s *Store) CheckLedger(ctx context.Context, trusted []string) (consent.LedgerReport, error) {
	return consent.Check(ctx, s.q, trusted, s.persons)
}

// Proof shows what one person said, for somebody without the database. Of an
// erased person it shows the rows alone.
func (s *Store) Proof(ctx context.Context, subscriberID int64) (consent.Proof, error) {
	p, err := consent.Prove(ctx, s.q, subscriberID)
	if err != nil {
		return p, err
	}
	p.MadeAt = s.db.Now().UTC().Format(time.RFC3339)
	person, err := s.Subscriber(ctx, subscriberID)
	switch {
	case errors.Is(err, database.ErrNotFound) && len(p.Entries) > 0:
		return p, nil
	case err != nil:
		return p, err
	}
	who, err := s.persons(ctx, []int64{subscriberID})
	if err != nil {
		return p, err
	}
	p.Person = &consent.ProofPerson{SubscriberID: person.ID, Email: person.Email, Key: person.Key, Salt: who[person.ID].Salt}
	for i := range p.Entries {
		if l, err := s.List(ctx, p.Entries[i].ListID); err == nil {
			p.Entries[i].List = l.Name
		}
	}
	return p, nil
}
