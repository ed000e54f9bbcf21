package sending

import (
	"context"
	"fmt"
	"time"

	"facteur/internal/database"
	"facteur/internal/journal"
	"facteur/sending/dkim"
)

// KeyState is what a DKIM key is used for.
type KeyState string

// The states of a key, in their order.
const (
	NextKey    KeyState = "next"    // made, to be published; signs nothing yet
	ActiveKey  KeyState = "active"  // signs
	RetiredKey KeyState = "retired" // signs no more; stays published while its mails are on their way
)

// keyKept is how long a retired key should stay published: mail is tried for
// two days by us and up to five by others (RFC 5321 section 4.5.4.1).
const keyKept = 7 * 24 * time.Hour

// Key is a DKIM key of a domain, without its private half.
type Key struct {
	ID         int64          `db:"id"`
	DomainID   int64          `db:"domain_id"`
	Generation int64          `db:"generation"` // counted from 1
	Selector   string         `db:"selector"`
	Algorithm  dkim.Algorithm `db:"algorithm"`
	Public     string         `db:"public"` // the p= tag
	State      KeyState       `db:"state"`
	CreatedAt  int64          `db:"created_at"` // Unix milliseconds, as is the next
	ChangedAt  int64          `db:"changed_at"`
}

const keyColumns = `id, domain_id, generation, selector, algorithm, public, state, created_at, changed_at`

// Record is what must be published for the key; nil once nobody needs it.
func (k Key) Record(domain string, now time.Time) *Record {
	why := "DKIM: signs your mail"
	switch gone := database.Time(k.ChangedAt).Add(keyKept); {
	case k.State == NextKey:
		why = "DKIM: publish it, then POST /domains/ID/dkim/activate"
	case k.State == RetiredKey && now.After(gone):
		return nil
	case k.State == RetiredKey:
		why = "DKIM: signs no more; keep it until " + gone.UTC().Format(time.DateOnly) + " for mail on its way"
	}
	return &Record{Name: k.Selector + "._domainkey." + domain, Type: "TXT", Value: "v=DKIM1; k=" + string(k.Algorithm) + "; p=" + k.Public, Why: why}
}

// Keys lists a domain's keys, the newest generation first.
func (s *Store) Keys(ctx context.Context, domainID int64) ([]Key, error) {
	var all []Key
	err := s.q.Select(ctx, &all, `SELECT `+keyColumns+` FROM dkim_keys WHERE domain_id = ? ORDER BY generation DESC, algorithm DESC`, domainID)
	return all, err
}

// MakeKeys makes the next generation of a domain's keys; its first signs at
// once. [ErrInUse] when one is waiting to be published.
func (s *Store) MakeKeys(ctx context.Context, tx *database.Tx, d Domain) error {
	known, err := s.With(tx).Keys(ctx, d.ID)
	if err != nil {
		return err
	}
	state, generation := ActiveKey, int64(1)
	for _, k := range known {
		if k.State == NextKey {
			return fmt.Errorf("keys %s of %s wait to be published and activated: %w", k.Selector, d.Name, ErrInUse)
		}
		state, generation = NextKey, max(generation, k.Generation+1)
	}
	now := s.db.Now().UnixMilli()
	for _, a := range []dkim.Algorithm{dkim.RSA, dkim.Ed25519} {
		key, err := dkim.Generate(fmt.Sprintf("facteur%d-%s", generation, a), a)
		if err != nil {
			return err
		}
		private, err := key.Private()
		if err != nil {
			return err
		}
		public, err := key.Public()
		if err != nil {
			return err
		}
		sealed, err := s.keys.Seal(private)
		if err != nil {
			return fmt.Errorf("seal a DKIM key: %w", err)
		}
		_, err = tx.Exec(ctx, `INSERT INTO dkim_keys (id, domain_id, generation, selector, algorithm, private, public, state, created_at, changed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			s.db.NewID(), d.ID, generation, key.Selector, string(a), sealed, public, string(state), now, now)
		if err != nil {
			return fmt.Errorf("DKIM keys of %s: %w", d.Name, err)
		}
	}
	return journal.Write(ctx, tx, "make-keys", "domain", d.ID, map[string]any{"name": d.Name, "generation": generation, "state": state})
}

// ActivateKeys lets the next generation sign and retires what signed before.
// [database.ErrNotFound] when none is waiting.
func (s *Store) ActivateKeys(ctx context.Context, tx *database.Tx, d Domain) error {
	now := s.db.Now().UnixMilli()
	var waiting int64
	if err := tx.Get(ctx, &waiting, `SELECT COUNT(*) FROM dkim_keys WHERE domain_id = ? AND state = 'next'`, d.ID); err != nil {
		return err
	}
	if waiting == 0 {
		return fmt.Errorf("new keys of %s: %w", d.Name, database.ErrNotFound)
	}
	// What signs no more is not kept: nobody can steal it.
	if _, err := tx.Exec(ctx, `UPDATE dkim_keys SET state = 'retired', private = '', changed_at = ? WHERE domain_id = ? AND state = 'active'`, now, d.ID); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE dkim_keys SET state = 'active', changed_at = ? WHERE domain_id = ? AND state = 'next'`, now, d.ID); err != nil {
		return err
	}
	return journal.Write(ctx, tx, "activate-keys", "domain", d.ID, map[string]any{"name": d.Name})
}

// SetDKIM chooses whether we sign a domain's mail or its relays do.
func (s *Store) SetDKIM(ctx context.Context, tx *database.Tx, d Domain, on bool) (Domain, error) {
	if _, err := tx.Exec(ctx, `UPDATE domains SET dkim = ? WHERE id = ?`, on, d.ID); err != nil {
		return Domain{}, fmt.Errorf("domain %s: %w", d.Name, err)
	}
	d.DKIM = on
	if on {
		if err := s.completeKeys(ctx, tx, d); err != nil {
			return Domain{}, err
		}
	}
	return d, journal.Write(ctx, tx, "set-dkim", "domain", d.ID, map[string]any{"name": d.Name, "dkim": on})
}

// completeKeys makes a domain's first keys if it has none.
func (s *Store) completeKeys(ctx context.Context, tx *database.Tx, d Domain) error {
	if known, err := s.With(tx).Keys(ctx, d.ID); err != nil || len(known) > 0 {
		return err
	}
	return s.MakeKeys(ctx, tx, d)
}

// CompleteKeys makes the first keys of domains that have none.
func (s *Store) CompleteKeys(ctx context.Context) error {
	var bare []Domain
	err := s.q.Select(ctx, &bare, `SELECT `+domainColumns+` FROM domains d WHERE dkim AND NOT EXISTS (SELECT 1 FROM dkim_keys k WHERE k.domain_id = d.id)`)
	for _, d := range bare {
		if err == nil {
			err = s.db.Write(ctx, func(tx *database.Tx) error { return s.completeKeys(ctx, tx, d) })
		}
	}
	return err
}
