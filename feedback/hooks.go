package feedback

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"

	"facteur/feedback/provider"
	"facteur/internal/database"
	"facteur/internal/journal"
)

// Hook is a door for a provider's webhook. Its address holds a secret; where
// the provider signs, the signature is checked besides.
type Hook struct {
	ID        int64  `db:"id"`
	Provider  string `db:"provider"`
	Secret    string `db:"secret"` // a hash
	Key       string `db:"key"`    // sealed; "": what comes in is not signed
	CreatedAt int64  `db:"created_at"`
	HeardAt   int64  `db:"heard_at"` // 0: never
}

const hookColumns = `id, provider, secret, key, created_at, heard_at`

// Hooks are all doors.
func (s *Store) Hooks(ctx context.Context) ([]Hook, error) {
	var all []Hook
	err := s.q.Select(ctx, &all, `SELECT `+hookColumns+` FROM feedback_hooks ORDER BY id`)
	return all, err
}

// DeleteHook closes a door.
func (s *Store) DeleteHook(ctx context.Context, tx *database.Tx, id int64) (Hook, error) {
	var h Hook
	if err := tx.Get(ctx, &h, `SELECT `+hookColumns+` FROM feedback_hooks WHERE id = ?`, id); err != nil {
		return h, fmt.Errorf("hook %d: %w", id, err)
	}
	if _, err := tx.Exec(ctx, `DELETE FROM feedback_hooks WHERE id = ?`, id); err != nil {
		return h, err
	}
	return h, journal.Write(ctx, tx, "delete", "hook", id, map[string]any{"provider": h.Provider})
}

// CreateHook opens a door. key is what the provider's signatures are checked
// with; the secret is shown only here.
func (p *Processor) CreateHook(ctx context.Context, tx *database.Tx, name, key string) (Hook, string, error) {
	if err := provider.CheckKey(name, key); err != nil {
		return Hook{}, "", &Invalid{"key", err.Error()}
	}
	raw := make([]byte, 24)
	_, _ = rand.Read(raw) // never fails (crypto/rand)
	secret := base64.RawURLEncoding.EncodeToString(raw)
	h := Hook{ID: p.DB.NewID(), Provider: name, Secret: hashed(secret), CreatedAt: p.DB.Now().UnixMilli()}
	if key != "" {
		var err error
		if h.Key, err = p.Keys.Seal(key); err != nil {
			return h, "", err
		}
	}
	_, err := tx.Exec(ctx, `INSERT INTO feedback_hooks (`+hookColumns+`) VALUES (?, ?, ?, ?, ?, 0)`, h.ID, h.Provider, h.Secret, h.Key, h.CreatedAt)
	if err != nil {
		return h, "", fmt.Errorf("hook: %w", err)
	}
	return h, secret, journal.Write(ctx, tx, "create", "hook", h.ID, map[string]any{"provider": name})
}

func hashed(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// Hook takes in what came to a provider's door. [database.ErrNotFound] when there
// is no such door, [provider.ErrSignature] when it is not signed as it must be,
// [provider.ErrBody] when it cannot be read.
func (p *Processor) Hook(ctx context.Context, name, secret string, header http.Header, body []byte) ([]Event, error) {
	var h Hook
	err := p.store.q.Get(ctx, &h, `SELECT `+hookColumns+` FROM feedback_hooks WHERE secret = ? AND provider = ?`, hashed(secret), name)
	if err != nil {
		return nil, fmt.Errorf("hook: %w", err)
	}
	key := ""
	if h.Key != "" {
		if key, err = p.Keys.Unseal(h.Key); err != nil {
			return nil, err
		}
	}
	notices, err := p.Providers.Read(ctx, name, key, header, body, p.DB.Now())
	if err != nil {
		return nil, err
	}
	var seen []Sighting
	for _, n := range notices {
		seen = append(seen, Sighting{
			Kind: Kind(n.Kind), Class: n.Class, Status: n.Status, Code: n.Code, Diagnostic: n.Diagnostic, Recipient: n.Recipient,
			Signs: Signs{Return: n.Return, MessageIDs: n.MessageIDs, Leave: n.Leave, FeedbackID: n.FeedbackID}, Once: name + ":" + n.ID,
		})
	}
	now := p.DB.Now().UnixMilli()
	if now-h.HeardAt > 60_000 {
		if _, err := p.DB.Exec(ctx, `UPDATE feedback_hooks SET heard_at = ? WHERE id = ?`, now, h.ID); err != nil {
			return nil, err
		}
	}
	if len(seen) == 0 {
		return nil, nil
	}
	return p.Take(ctx, name, seen)
}

// Invalid is a value that cannot be used.
type Invalid struct {
	Field  string
	Reason string
}

func (e *Invalid) Error() string { return e.Field + ": " + e.Reason }
