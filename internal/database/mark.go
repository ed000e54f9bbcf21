package database

import (
	"context"
	"errors"
)

// Mark counts the changes of something that is read all the time and seldom
// changed, whoever changes it: a reader keeps what it has read, and asks each
// time whether the mark is still the same.
type Mark string

// Terms are the limits, breakers and warm-ups by which mails begin.
const Terms Mark = "terms"

// Touch is called by each change, before its own statements: so changes that
// touch one mark wait for each other there, and nowhere else.
func (tx *Tx) Touch(ctx context.Context, m Mark) error {
	return tx.exec(ctx, `INSERT INTO marks (name, n) VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET n = marks.n + 1`, string(m))
}

// Mark is read before what it marks. What is read after it is as new or newer,
// so a reader whose mark is the same has nothing older than this transaction sees.
func (tx *Tx) Mark(ctx context.Context, m Mark) (n int64, err error) {
	if err = tx.Get(ctx, &n, `SELECT n FROM marks WHERE name = ?`, string(m)); errors.Is(err, ErrNotFound) {
		return 0, nil
	}
	return n, err
}
