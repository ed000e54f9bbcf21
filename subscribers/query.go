package subscribers

import (
	"context"
	"fmt"
)

// Listed is a person as they stand with one list.
type Listed struct {
	Subscriber
	Status      Status `db:"status"`
	ConfirmedAt int64  `db:"confirmed_at"` // Unix milliseconds, 0: never
}

// Listed pages through the people of a list by id, after the given one;
// status "" is any.
func (s *Store) Listed(ctx context.Context, listID int64, status Status, after int64, limit int) ([]Listed, error) {
	query := `SELECT p.id, p.email, p.key, p.name, p.locale, p.timezone, p.attributes, p.created_at, p.updated_at, s.status, s.confirmed_at
		FROM subscriptions s JOIN subscribers p ON p.id = s.subscriber_id WHERE s.list_id = ? AND s.subscriber_id > ?`
	args := []any{listID, after}
	if status != "" {
		query += ` AND s.status = ?`
		args = append(args, string(status))
	}
	var people []Listed
	if err := s.q.Select(ctx, &people, query+` ORDER BY s.subscriber_id LIMIT ?`, append(args, limit)...); err != nil {
		return nil, fmt.Errorf("people of list %d: %w", listID, err)
	}
	return people, nil
}
