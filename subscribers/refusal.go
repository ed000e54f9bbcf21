package subscribers

import (
	"context"
	"fmt"

	"facteur/internal/database"
)

// refusal is a row of a file that was refused.
type refusal struct {
	ImportProblem
	key string // of the address, where it could be read
}

// keepRefusals stores refused rows whole, in the transaction of their page.
func (s *Store) keepRefusals(ctx context.Context, tx *database.Tx, importID int64, page *importPage, refusals []refusal) error {
	if len(refusals) == 0 {
		return nil
	}
	contents := make(map[int]*importContent, len(page.contents))
	for i := range page.contents {
		contents[page.contents[i].line] = &page.contents[i]
	}
	err := tx.Insert(ctx, `INSERT INTO refusals (import_id, line, address, field, reason, detail, content) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (import_id, line) DO NOTHING`, len(refusals), func(i int, p *database.Params) {
		r, content := &refusals[i], "[]"
		if c := contents[r.Line]; c != nil {
			content = c.json()
		}
		p.Set(importID, r.Line, r.key, r.Column, r.Reason, r.Detail, content)
	})
	if err != nil {
		return fmt.Errorf("keep refused rows: %w", err)
	}
	return nil
}

// RefusedRow is a row of an imported file that was refused.
type RefusedRow struct {
	Line    int64  `db:"line"`
	Column  string `db:"field"`
	Reason  string `db:"reason"`
	Detail  string `db:"detail"`
	Content string `db:"content"` // JSON: an array of fields, or of JSON Lines the object
}

// Refusals pages through an import's refused rows by line, after the given one.
func (s *Store) Refusals(ctx context.Context, importID, after int64, limit int) ([]RefusedRow, error) {
	var rows []RefusedRow
	err := s.q.Select(ctx, &rows, `SELECT line, field, reason, detail, content FROM refusals WHERE import_id = ? AND line > ? ORDER BY line LIMIT ?`, importID, after, limit)
	return rows, err
}

// ForgetRefusals removes refused rows of imports that ended before a time
// (Unix milliseconds), at most limit of them, and returns how many.
func (s *Store) ForgetRefusals(ctx context.Context, tx *database.Tx, before int64, limit int) (int64, error) {
	var rows []struct {
		ImportID int64 `db:"import_id"`
		Line     int64 `db:"line"`
	}
	err := tx.Select(ctx, &rows, `SELECT import_id, line FROM refusals WHERE import_id = (SELECT i.id FROM imports i WHERE i.finished_at > 0 AND i.finished_at < ?
			AND EXISTS (SELECT 1 FROM refusals r WHERE r.import_id = i.id) ORDER BY i.id LIMIT 1) ORDER BY line LIMIT ?`, before, limit)
	if err != nil {
		return 0, err
	}
	return int64(len(rows)), tx.Each(ctx, `DELETE FROM refusals WHERE import_id = ? AND line = ?`, len(rows), func(i int, p *database.Params) { p.Set(rows[i].ImportID, rows[i].Line) }, nil)
}
