package throttle

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

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

// Other is the provider of domains that no name tells.
const Other = "other"

//go:embed providers.txt
var providersFile string

type providerTable struct {
	byDomain map[string]string
	silent   []string
}

var providers = sync.OnceValue(func() providerTable {
	t := providerTable{byDomain: map[string]string{}}
	for line := range strings.Lines(providersFile) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		name, silent := strings.CutSuffix(fields[0], "-")
		if silent {
			t.silent = append(t.silent, name)
		}
		for _, domain := range fields[1:] {
			t.byDomain[domain] = name
		}
	}
	return t
})

// silentProviders never report complaints: their mails tell nothing of them.
func silentProviders() []string { return providers().silent }

// Reports tells whether a provider reports complaints, as far as is known.
func Reports(provider string) bool { return !slices.Contains(silentProviders(), provider) }

// Providers are the names in the table, and [Other].
func Providers() []string {
	names := []string{Other}
	for _, name := range providers().byDomain {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// ProviderOf names the mailbox provider of a recipient domain (an A-label) by
// the table of names; [Other] when it is not in it.
func ProviderOf(domain string) string {
	if p, ok := providers().byDomain[domain]; ok {
		return p
	}
	return Other
}
