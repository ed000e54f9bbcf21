package database

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Lease is the right to be the one doer of a thing, such as scheduling. Its
// fence grows with each new holder, so an old holder's transactions fail.
type Lease struct {
	name   string
	holder int64
	fence  int64
	ttl    time.Duration
}

// Acquire takes the lease called name for holder (a process's session) when
// nobody holds it; [ErrConflict] when somebody does.
func (db *DB) Acquire(ctx context.Context, name string, holder int64, ttl time.Duration) (*Lease, error) {
	l := &Lease{name: name, holder: holder, ttl: ttl}
	err := db.Write(ctx, func(tx *Tx) error {
		now, err := tx.Clock(ctx)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO leases (name, holder, fence, until_ms) VALUES (?, 0, 0, 0) ON CONFLICT (name) DO NOTHING`, name)
		if err != nil {
			return err
		}
		err = tx.Get(ctx, &l.fence, `UPDATE leases SET holder = ?, fence = fence + 1, until_ms = ?
			WHERE name = ? AND (until_ms <= ? OR holder = ?) RETURNING fence`, holder, now+ttl.Milliseconds(), name, now, holder)
		if errors.Is(err, ErrNotFound) {
			return fmt.Errorf("lease %s: %w", name, ErrConflict)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return l, nil
}

// Renew is the first statement of every transaction that acts by the lease:
// it extends it, and fails with [ErrStale] once another holder has taken it.
// Its row lock keeps a successor waiting until this transaction has ended.
func (l *Lease) Renew(ctx context.Context, tx *Tx) error {
	now, err := tx.Clock(ctx)
	if err != nil {
		return err
	}
	n, err := tx.Exec(ctx, `UPDATE leases SET until_ms = ? WHERE name = ? AND holder = ? AND fence = ?`,
		now+l.ttl.Milliseconds(), l.name, l.holder, l.fence)
	if err == nil && n == 0 {
		err = fmt.Errorf("lease %s: %w", l.name, ErrStale)
	}
	return err
}

// Release gives the lease back, so that a successor need not wait for its end.
func (l *Lease) Release(ctx context.Context, db *DB) error {
	_, err := db.Exec(ctx, `UPDATE leases SET until_ms = 0 WHERE name = ? AND holder = ? AND fence = ?`, l.name, l.holder, l.fence)
	return err
}
