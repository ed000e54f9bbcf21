package subscribers

import (
	"context"
	"fmt"
	"strings"

	"facteur/internal/database"
	"facteur/internal/journal"
)

// Wording is a version of the words that people agree to when they join a
// list. A version never changes: the ledger names it.
type Wording struct {
	Version   int64  `db:"version"` // from 1; 0: none of ours
	Locale    string `db:"locale"`  // such as fr; "": any
	Text      string `db:"text"`
	CreatedAt int64  `db:"created_at"` // Unix milliseconds
}

const longestWording = 5000

// AddWording makes the newest version of a list's words in a language.
func (s *Store) AddWording(ctx context.Context, tx *database.Tx, listID int64, locale, text string) (Wording, error) {
	if text = strings.TrimSpace(text); text == "" || len(text) > longestWording {
		return Wording{}, &Invalid{"text", fmt.Sprintf("want 1 to %d bytes", longestWording)}
	}
	st := s.With(tx)
	if _, err := st.List(ctx, listID); err != nil {
		return Wording{}, err
	}
	w := Wording{Locale: locale, Text: text, CreatedAt: s.db.Now().UnixMilli()}
	if err := tx.Get(ctx, &w.Version, `SELECT COALESCE(MAX(version), 0) + 1 FROM wordings WHERE list_id = ?`, listID); err != nil {
		return Wording{}, err
	}
	_, err := tx.Exec(ctx, `INSERT INTO wordings (list_id, version, locale, text, created_at) VALUES (?, ?, ?, ?, ?)`, listID, w.Version, w.Locale, w.Text, w.CreatedAt)
	if err != nil {
		return Wording{}, fmt.Errorf("add a wording: %w", err)
	}
	return w, journal.Write(ctx, tx, "word", "list", listID, map[string]any{"version": w.Version, "locale": locale})
}

// Wordings are all versions of a list's words, the newest first.
func (s *Store) Wordings(ctx context.Context, listID int64) ([]Wording, error) {
	var all []Wording
	err := s.q.Select(ctx, &all, `SELECT version, locale, text, created_at FROM wordings WHERE list_id = ? ORDER BY version DESC`, listID)
	return all, err
}

// WordingFor is the newest wording in a language, else in any; zero when the
// list has none.
func (s *Store) WordingFor(ctx context.Context, listID int64, locale string) (Wording, error) {
	all, err := s.Wordings(ctx, listID)
	if err != nil || len(all) == 0 {
		return Wording{}, err
	}
	for _, w := range all {
		if w.Locale == locale {
			return w, nil
		}
	}
	for _, w := range all {
		if w.Locale == "" {
			return w, nil
		}
	}
	return all[0], nil
}
