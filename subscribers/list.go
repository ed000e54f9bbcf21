package subscribers

import (
	"context"
	"fmt"
	"strings"

	"facteur/internal/database"
	"facteur/internal/journal"
)

// OptIn is how one gets onto a list.
type OptIn string

// Double asks for a confirmation by mail, Single trusts the sign-up.
const (
	Double OptIn = "double"
	Single OptIn = "single"
)

// List is what people subscribe to.
type List struct {
	ID        int64  `db:"id"`
	Name      string `db:"name"`
	OptIn     OptIn  `db:"opt_in"`
	CreatedAt int64  `db:"created_at"` // Unix milliseconds
}

// CreateList adds a list; an empty OptIn means [Double].
func (s *Store) CreateList(ctx context.Context, tx *database.Tx, l List) (List, error) {
	if l.Name = strings.TrimSpace(l.Name); l.Name == "" {
		return List{}, fmt.Errorf("list: name is empty")
	}
	if strings.ContainsAny(l.Name, "\r\n\x00") {
		return List{}, fmt.Errorf("list: name has a line break")
	}
	switch l.OptIn {
	case "":
		l.OptIn = Double
	case Double, Single:
	default:
		return List{}, fmt.Errorf("list: opt_in %q is unknown: want double or single", l.OptIn)
	}
	l.ID, l.CreatedAt = s.db.NewID(), s.db.Now().UnixMilli()
	_, err := tx.Exec(ctx, `INSERT INTO lists (id, name, opt_in, created_at) VALUES (?, ?, ?, ?)`, l.ID, l.Name, string(l.OptIn), l.CreatedAt)
	if err != nil {
		return List{}, err
	}
	return l, journal.Write(ctx, tx, "create", "list", l.ID, map[string]any{"name": l.Name, "opt_in": l.OptIn})
}

// List finds a list by id.
func (s *Store) List(ctx context.Context, id int64) (List, error) {
	var l List
	err := s.q.Get(ctx, &l, `SELECT id, name, opt_in, created_at FROM lists WHERE id = ?`, id)
	if err != nil {
		return List{}, fmt.Errorf("list %d: %w", id, err)
	}
	return l, nil
}

// Lists pages through the lists by id, after the given one.
func (s *Store) Lists(ctx context.Context, after int64, limit int) ([]List, error) {
	var lists []List
	err := s.q.Select(ctx, &lists, `SELECT id, name, opt_in, created_at FROM lists WHERE id > ? ORDER BY id LIMIT ?`, after, limit)
	return lists, err
}

// Sizes counts the subscriptions of a list by status.
func (s *Store) Sizes(ctx context.Context, listID int64) (map[Status]int64, error) {
	var rows []struct {
		Status Status `db:"status"`
		N      int64  `db:"n"`
	}
	err := s.q.Select(ctx, &rows, `SELECT status, COUNT(*) AS n FROM subscriptions WHERE list_id = ? GROUP BY status`, listID)
	sizes := map[Status]int64{}
	for _, r := range rows {
		sizes[r.Status] = r.N
	}
	return sizes, err
}
