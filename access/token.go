package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"facteur/internal/database"
	"facteur/internal/journal"
)

// ErrToken is a bearer that is no token of ours, or a revoked one.
var ErrToken = errors.New("token is not valid")

// prefix makes a leaked token easy to find, for us and for scanners.
const prefix = "fct_"

// Token is what is known of a token once it has been shown.
type Token struct {
	ID        int64
	Name      string
	Scopes    []string
	CreatedAt int64 // Unix milliseconds
	RevokedAt int64 // 0: in force
}

type tokenRow struct {
	ID        int64  `db:"id"`
	Name      string `db:"name"`
	Scopes    string `db:"scopes"`
	CreatedAt int64  `db:"created_at"`
	RevokedAt int64  `db:"revoked_at"`
}

func (r tokenRow) token() Token {
	return Token{ID: r.ID, Name: r.Name, Scopes: strings.Fields(r.Scopes), CreatedAt: r.CreatedAt, RevokedAt: r.RevokedAt}
}

// CreateToken makes a token and returns it with its secret, which can never
// be had again. A scope that the maker does not have cannot be given on.
func (s *Store) CreateToken(ctx context.Context, tx *database.Tx, maker Actor, name string, scopes []string) (t Token, secret string, err error) {
	if name = strings.TrimSpace(name); name == "" {
		return Token{}, "", &Invalid{"name", "is empty: say what the token is for"}
	}
	if err := checkScopes(scopes); err != nil {
		return Token{}, "", err
	}
	for _, scope := range scopes {
		if !maker.May(scope) {
			return Token{}, "", &Invalid{"scopes", fmt.Sprintf("%s is not yours to give", scope)}
		}
	}
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails (crypto/rand)
	secret = prefix + base64.RawURLEncoding.EncodeToString(random[:])
	t = Token{ID: s.db.NewID(), Name: name, Scopes: scopes, CreatedAt: s.db.Now().UnixMilli()}
	_, err = tx.Exec(ctx, `INSERT INTO tokens (id, name, hash, scopes, created_at, revoked_at) VALUES (?, ?, ?, ?, ?, 0)`,
		t.ID, t.Name, digest(secret), strings.Join(scopes, " "), t.CreatedAt)
	if err != nil {
		return Token{}, "", fmt.Errorf("create token: %w", err)
	}
	return t, secret, journal.Write(ctx, tx, "create", "token", t.ID, map[string]any{"name": t.Name, "scopes": t.Scopes})
}

// RevokeToken ends a token from its commit on; a second time changes nothing.
func (s *Store) RevokeToken(ctx context.Context, tx *database.Tx, id int64) error {
	t, err := s.With(tx).Token(ctx, id)
	if err != nil || t.RevokedAt != 0 {
		return err
	}
	n, err := tx.Exec(ctx, `UPDATE tokens SET revoked_at = ? WHERE id = ? AND revoked_at = 0`, s.db.Now().UnixMilli(), id)
	if err != nil {
		return fmt.Errorf("revoke token %d: %w", id, err)
	}
	if n == 0 { // by somebody else this moment
		return nil
	}
	return journal.Write(ctx, tx, "revoke", "token", id, nil)
}

const tokenColumns = `id, name, scopes, created_at, revoked_at`

// Token finds a token by id, revoked or not.
func (s *Store) Token(ctx context.Context, id int64) (Token, error) {
	var row tokenRow
	if err := s.q.Get(ctx, &row, `SELECT `+tokenColumns+` FROM tokens WHERE id = ?`, id); err != nil {
		return Token{}, fmt.Errorf("token %d: %w", id, err)
	}
	return row.token(), nil
}

// Tokens pages through all tokens by id, after the given one, revoked ones too.
func (s *Store) Tokens(ctx context.Context, after int64, limit int) ([]Token, error) {
	var rows []tokenRow
	if err := s.q.Select(ctx, &rows, `SELECT `+tokenColumns+` FROM tokens WHERE id > ? ORDER BY id LIMIT ?`, after, limit); err != nil {
		return nil, err
	}
	all := make([]Token, len(rows))
	for i, row := range rows {
		all[i] = row.token()
	}
	return all, nil
}

// Check is who bears a token; [ErrToken] when nobody does.
func (s *Store) Check(ctx context.Context, bearer string) (Actor, error) {
	sum := sha256.Sum256([]byte(bearer)) // of one length, so that the comparison tells nothing
	if s.open && subtle.ConstantTimeCompare(sum[:], s.admin[:]) == 1 {
		return Actor{Name: "admin", Scopes: []string{All}}, nil
	}
	if !strings.HasPrefix(bearer, prefix) {
		return Actor{}, ErrToken
	}
	var row tokenRow
	err := s.q.Get(ctx, &row, `SELECT `+tokenColumns+` FROM tokens WHERE hash = ? AND revoked_at = 0`, hex.EncodeToString(sum[:]))
	if errors.Is(err, database.ErrNotFound) {
		return Actor{}, ErrToken
	}
	if err != nil {
		return Actor{}, fmt.Errorf("check token: %w", err)
	}
	return Actor{Name: fmt.Sprintf("token:%d", row.ID), Scopes: strings.Fields(row.Scopes)}, nil
}

func digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}
