package sending

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"facteur/internal/database"
	"facteur/sending/dkim"
)

// signerAge is how long a signer is used before the keys are looked at again.
const signerAge = 5 * time.Second

// Signers are the sending domains' signers, kept ready.
type Signers struct {
	store *Store

	mu   sync.Mutex
	held map[string]heldSigner // by domain
}

type heldSigner struct {
	signer *dkim.Signer
	until  time.Time
}

// NewSigners reads the keys from a store when they are needed.
func NewSigners(store *Store) *Signers { return &Signers{store: store, held: map[string]heldSigner{}} }

// Of signs for a domain; nil where its relays do, or where it is not known.
func (s *Signers) Of(ctx context.Context, domain string) (*dkim.Signer, error) {
	s.mu.Lock()
	held, ok := s.held[domain]
	s.mu.Unlock()
	if ok && time.Now().Before(held.until) {
		return held.signer, nil
	}
	signer, err := s.store.signer(ctx, domain)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[domain] = heldSigner{signer, time.Now().Add(signerAge)}
	return signer, nil
}

func (s *Store) signer(ctx context.Context, name string) (*dkim.Signer, error) {
	d, err := s.DomainByName(ctx, name)
	if errors.Is(err, database.ErrNotFound) || err == nil && !d.DKIM {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("signer of %s: %w", name, err)
	}
	var rows []struct {
		Selector string `db:"selector"`
		Private  string `db:"private"`
	}
	err = s.q.Select(ctx, &rows, `SELECT selector, private FROM dkim_keys WHERE domain_id = ? AND state = 'active' ORDER BY algorithm DESC`, d.ID)
	if err != nil {
		return nil, fmt.Errorf("keys of %s: %w", name, err)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("keys of %s: %w", name, database.ErrNotFound)
	}
	var keys []dkim.Key
	for _, r := range rows {
		private, err := s.keys.Unseal(r.Private)
		if err != nil {
			return nil, fmt.Errorf("DKIM key %s of %s: %w", r.Selector, name, err)
		}
		key, err := dkim.Open(r.Selector, private)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return dkim.NewSigner(d.Name, keys...), nil
}
