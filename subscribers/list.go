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
	SenderID  int64  `db:"sender_id"`  // as whom its letters go out; 0: the oldest sender
	Form      bool   `db:"form"`       // its sign-up form is open
}

const listColumns = `id, name, opt_in, created_at, sender_id, form`

// CreateList adds a list; an empty OptIn means [Double].
func (s *Store) CreateList(ctx context.Context, tx *database.Tx, l List) (List, error) {
	if err := l.check(); err != nil {
		return List{}, err
	}
	l.ID, l.CreatedAt = s.db.NewID(), s.db.Now().UnixMilli()
	_, err := tx.Exec(ctx, `INSERT INTO lists (`+listColumns+`) VALUES (?, ?, ?, ?, ?, ?)`, l.ID, l.Name, string(l.OptIn), l.CreatedAt, l.SenderID, l.Form)
	if err != nil {
		return List{}, err
	}
	return l, journal.Write(ctx, tx, "create", "list", l.ID, map[string]any{"name": l.Name, "opt_in": l.OptIn})
}

// UpdateList replaces a list's settings.
func (s *Store) UpdateList(ctx context.Context, tx *database.Tx, l List) (List, error) {
	if err := l.check(); err != nil {
		return List{}, err
	}
	n, err := tx.Exec(ctx, `UPDATE lists SET name = ?, opt_in = ?, sender_id = ?, form = ? WHERE id = ?`, l.Name, string(l.OptIn), l.SenderID, l.Form, l.ID)
	if err == nil && n == 0 {
		err = database.ErrNotFound
	}
	if err != nil {
		return List{}, fmt.Errorf("list %d: %w", l.ID, err)
	}
	if err := journal.Write(ctx, tx, "update", "list", l.ID, map[string]any{"name": l.Name, "opt_in": l.OptIn, "form": l.Form}); err != nil {
		return List{}, err
	}
	return s.With(tx).List(ctx, l.ID)
}

// check sets what is left out and refuses what cannot be.
func (l *List) check() error {
	if l.Name = strings.TrimSpace(l.Name); l.Name == "" {
		return fmt.Errorf("list: name is empty")
	}
	if strings.ContainsAny(l.Name, "\r\n\x00") {
		return fmt.Errorf("list: name has a line break")
	}
	switch l.OptIn {
	case "":
		l.OptIn = Double
	case Double, Single:
	default:
		return fmt.Errorf("list: opt_in %q is unknown: want double or single", l.OptIn)
	}
	return nil
}

// List finds a list by id.
func (s *Store) List(ctx context.Context, id int64) (List, error) {
	var l List
	err := s.q.Get(ctx, &l, `SELECT `+listColumns+` FROM lists WHERE id = ?`, id)
	if err != nil {
		return List{}, fmt.Errorf("list %d: %w", id, err)
	}
	return l, nil
}

// Lists pages through the lists by id, after the given one.
func (s *Store) Lists(ctx context.Context, after int64, limit int) ([]List, error) {
	var lists []List
	err := s.q.Select(ctx, &lists, `SELECT `+listColumns+` FROM lists WHERE id > ? ORDER BY id LIMIT ?`, after, limit)
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
