package subscribers

import (
	"context"
	"errors"
	"fmt"

	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/internal/journal"
)

// Suppression is an address that must not be mailed, for one list or for all.
type Suppression struct {
	Key    string `db:"key"`
	ListID int64  `db:"list_id"` // 0: every list
	Reason string `db:"reason"`  // such as complaint, hard_bounce, manual
	Source string `db:"source"`
	At     int64  `db:"at"`
}

// Suppress makes an address unmailable from this transaction on, whether it
// is known or not. A second suppression changes nothing.
func (s *Store) Suppress(ctx context.Context, tx *database.Tx, a address.Address, listID int64, reason, source string) error {
	if err := tx.Gate(ctx, true); err != nil {
		return err
	}
	n, err := tx.Exec(ctx, `INSERT INTO suppressions (key, list_id, reason, source, at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (key, list_id) DO NOTHING`,
		a.Key(), listID, reason, source, s.db.Now().UnixMilli())
	if err != nil {
		return fmt.Errorf("suppress: %w", err)
	}
	if n == 0 {
		return nil
	}
	p, err := s.With(tx).SubscriberByKey(ctx, a.Key())
	if errors.Is(err, database.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if listID != 0 {
		_, err = s.Leave(ctx, tx, p.ID, []int64{listID}, reason)
	} else {
		err = s.noted(ctx, tx, p.ID)
	}
	if err != nil {
		return err
	}
	return journal.Write(ctx, tx, "suppress", "subscriber", p.ID, map[string]any{"reason": reason, "source": source})
}
