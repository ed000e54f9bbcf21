package throttle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/internal/panics"
)

// How providers are learned: so many domains in one go, so many at once, kept
// for so long, and asked again after a failure.
const (
	learnPage    = 50
	learnAtOnce  = 16
	learnKeep    = 7 * 24 * time.Hour
	learnAgain   = 10 * time.Minute
	learnLongest = 24 * time.Hour
)

// learned remembers what recipient domains are known to be: what was read a
// while ago is read again.
type learned struct {
	mu       sync.Mutex
	byDomain map[string]string
	readAt   time.Time
}

// mostLearned bounds the memory; after learnedFor it is forgotten.
const (
	mostLearned = 200_000
	learnedFor  = 10 * time.Second
)

// ProvidersOf names the providers of recipient domains: by the data file's
// names, by what was learned of their exchangers, or [Other]. Whose an exchanger
// is, the present data file says. Those that nothing is known of are written
// down to be learned. DNS is never asked here.
func (s *Store) ProvidersOf(ctx context.Context, tx *database.Tx, domains []string) (map[string]string, error) {
	known := make(map[string]string, len(domains))
	var ask []string
	s.learned.mu.Lock()
	if time.Since(s.learned.readAt) > learnedFor || len(s.learned.byDomain) > mostLearned {
		s.learned.byDomain, s.learned.readAt = map[string]string{}, time.Now()
	}
	for _, d := range domains {
		if _, ok := known[d]; ok {
			continue
		}
		if known[d] = s.providers.OfDomain(d); known[d] != Other {
			continue
		}
		if p, ok := s.learned.byDomain[d]; ok {
			known[d] = p
		} else {
			ask = append(ask, d)
		}
	}
	s.learned.mu.Unlock()
	if len(ask) == 0 {
		return known, nil
	}
	slices.Sort(ask) // one order for all
	var mx string
	var written, unknown []string
	err := tx.Find(ctx, `SELECT mx FROM recipient_domains WHERE domain = ?`, len(ask), func(i int, p *database.Params) { p.Set(ask[i]) }, []any{&mx},
		func(i int, found bool) {
			if found {
				known[ask[i]] = s.providers.OfMX(mx)
				written = append(written, ask[i])
			} else {
				unknown = append(unknown, ask[i])
			}
		})
	if err != nil {
		return nil, fmt.Errorf("providers of domains: %w", err)
	}
	err = tx.Each(ctx, `INSERT INTO recipient_domains (domain, provider, mx, learned_at, next_at, failures) VALUES (?, 'other', '', 0, 0, 0) ON CONFLICT (domain) DO NOTHING`,
		len(unknown), func(i int, p *database.Params) { p.Set(unknown[i]) }, nil)
	if err != nil {
		return nil, fmt.Errorf("note domains to learn: %w", err)
	}
	s.learned.mu.Lock()
	defer s.learned.mu.Unlock()
	for _, d := range written { // the others are not remembered yet: this transaction may still be rolled back
		s.learned.byDomain[d] = known[d]
	}
	return known, nil
}

// Known is [Store.ProvidersOf] for those who only look: nothing is written down.
func (s *Store) Known(ctx context.Context, domains []string) (map[string]string, error) {
	known := make(map[string]string, len(domains))
	var ask []string
	for _, d := range domains {
		if _, ok := known[d]; ok {
			continue
		}
		if known[d] = s.providers.OfDomain(d); known[d] == Other {
			ask = append(ask, d)
		}
	}
	if len(ask) == 0 {
		return known, nil
	}
	query, args, err := database.In(`SELECT domain, mx FROM recipient_domains WHERE domain IN (?)`, ask)
	if err != nil {
		return nil, err
	}
	var rows []struct {
		Domain string `db:"domain"`
		MX     string `db:"mx"`
	}
	if err := s.q.Select(ctx, &rows, query, args...); err != nil {
		return nil, fmt.Errorf("providers of domains: %w", err)
	}
	for _, r := range rows {
		known[r.Domain] = s.providers.OfMX(r.MX)
	}
	return known, nil
}

// LearnedSince tells whether anything new was learned after a time (Unix
// milliseconds), or shortly before it: what [Store.ProvidersOf] remembers may
// be as old.
func (s *Store) LearnedSince(ctx context.Context, at int64) (bool, error) {
	var one string
	err := s.q.Get(ctx, &one, `SELECT domain FROM recipient_domains WHERE provider <> 'other' AND learned_at >= ? LIMIT 1`, at-2*learnedFor.Milliseconds())
	if errors.Is(err, database.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// reserved names are nobody's (RFC 2606): they are asked only by a resolver of one's own.
func reserved(domain string) bool {
	for _, end := range []string{".example", ".test", ".invalid", ".localhost", ".local", ".example.com", ".example.org", ".example.net"} {
		if strings.HasSuffix("."+domain, end) {
			return true
		}
	}
	return false
}

// Learn looks up the exchangers of a few recipient domains that are due. It is
// a duty of one process; write is its transaction. own says that the resolver
// was set by the operator, and may know names that are nobody's.
func (s *Store) Learn(ctx context.Context, r *address.Resolver, own bool, write func(context.Context, func(*database.Tx) error) error) error {
	var due []struct {
		Domain   string `db:"domain"`
		Failures int64  `db:"failures"`
	}
	now := s.db.Now()
	err := s.q.Select(ctx, &due, `SELECT domain, failures FROM recipient_domains WHERE next_at <= ? ORDER BY next_at LIMIT ?`, now.UnixMilli(), learnPage)
	if err != nil || len(due) == 0 {
		return err
	}
	type answer struct {
		mx  string
		err error
	}
	answers := make([]answer, len(due))
	slots := make(chan struct{}, learnAtOnce)
	var all panics.Group
	for i, d := range due {
		if !own && reserved(d.Domain) || s.providers.OfDomain(d.Domain) != Other {
			continue // the data file may have come to name it
		}
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			found, err := r.MX(ctx, d.Domain)
			if len(found) > 0 {
				answers[i].mx = found[0].Host
			}
			if errors.Is(err, address.ErrNoAnswer) { // the others are answers too: it has none
				answers[i].err = err
			}
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return write(ctx, func(tx *database.Tx) error {
		return tx.Each(ctx, `UPDATE recipient_domains SET provider = CASE WHEN ? THEN provider ELSE ? END, mx = CASE WHEN ? THEN mx ELSE ? END,
			learned_at = CASE WHEN ? OR provider = ? AND learned_at > 0 THEN learned_at ELSE ? END, next_at = ?, failures = ? WHERE domain = ?`, len(due),
			func(i int, p *database.Params) {
				d, a := due[i], answers[i]
				failed, failures, next := a.err != nil, int64(0), now.Add(learnKeep)
				provider := Other
				if a.mx != "" {
					provider = s.providers.OfMX(a.mx)
				}
				if failed { // what is known stays, and it is asked again
					failures = d.Failures + 1
					next = now.Add(min(learnLongest, learnAgain<<min(d.Failures, 10)))
				}
				p.Set(failed, provider, failed, a.mx, failed, provider, now.UnixMilli(), next.UnixMilli(), failures, d.Domain)
			}, nil)
	})
}
