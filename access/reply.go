package access

import (
	"context"
	"errors"
	"fmt"
	"time"

	"facteur/internal/database"
)

// How long an answer is kept, and after which time a claim without an answer
// is taken for one whose process has died.
const (
	repliesKept = 24 * time.Hour
	claimKept   = time.Hour
)

var (
	// ErrKeyReused is an Idempotency-Key that was used for another call or body.
	ErrKeyReused = errors.New("the key was used for another call")
	// ErrKeyBusy is one whose first call has not been answered yet.
	ErrKeyBusy = errors.New("the first call under this key is still under way")
)

// Reply is the answer to a call that was made under an Idempotency-Key. Keys
// belong to the actor.
type Reply struct {
	Actor    string `db:"actor"`
	Key      string `db:"key"`
	Call     string `db:"call"`      // method, path and query
	BodyHash string `db:"body_hash"` // of the request; "" while it is not known
	Status   int    `db:"status"`    // 0: not answered yet
	Answer   string `db:"answer"`    // JSON; sealed in the table
	At       int64  `db:"at"`
}

// Claim takes the key for the reply's call, in the transaction of the call's
// effect or before it, and reports true. If the key was taken it returns the
// kept answer, [ErrKeyReused] or [ErrKeyBusy]. Two transactions never both
// get a key: the second one waits for the first. An answer is kept until
// [Store.PruneReplies], so that a clock that jumps lets no call happen twice.
func (s *Store) Claim(ctx context.Context, tx *database.Tx, r Reply) (kept Reply, mine bool, err error) {
	now := s.db.Now()
	n, err := tx.Exec(ctx, `INSERT INTO replies (actor, key, call, body_hash, status, answer, at) VALUES (?, ?, ?, ?, 0, '', ?)
		ON CONFLICT (actor, key) DO UPDATE SET call = excluded.call, body_hash = excluded.body_hash, status = 0, answer = '', at = excluded.at
			WHERE replies.status = 0 AND (replies.at < ? OR replies.at > ?)`,
		r.Actor, r.Key, r.Call, r.BodyHash, now.UnixMilli(), now.Add(-claimKept).UnixMilli(), now.Add(claimKept).UnixMilli())
	if err != nil {
		return Reply{}, false, fmt.Errorf("claim key: %w", err)
	}
	if n == 1 {
		return r, true, nil
	}
	err = tx.Get(ctx, &kept, `SELECT actor, key, call, body_hash, status, answer, at FROM replies WHERE actor = ? AND key = ?`, r.Actor, r.Key)
	switch {
	case errors.Is(err, database.ErrNotFound): // let go this moment
		return Reply{}, false, ErrKeyBusy
	case err != nil:
		return Reply{}, false, fmt.Errorf("kept answer: %w", err)
	case kept.Call != r.Call, kept.BodyHash != r.BodyHash && kept.BodyHash != "" && r.BodyHash != "":
		return Reply{}, false, ErrKeyReused
	case kept.Status == 0:
		return Reply{}, false, ErrKeyBusy
	}
	if kept.Answer, err = s.keys.Unseal(kept.Answer); err != nil {
		return Reply{}, false, fmt.Errorf("kept answer: %w", err)
	}
	return kept, false, nil
}

// Keep stores the answer of a claimed key.
func (s *Store) Keep(ctx context.Context, tx *database.Tx, r Reply) error {
	sealed, err := s.keys.Seal(r.Answer)
	if err != nil {
		return fmt.Errorf("keep answer: %w", err)
	}
	_, err = tx.Exec(ctx, `UPDATE replies SET body_hash = ?, status = ?, answer = ? WHERE actor = ? AND key = ?`, r.BodyHash, r.Status, sealed, r.Actor, r.Key)
	if err != nil {
		return fmt.Errorf("keep answer: %w", err)
	}
	return nil
}

// LetGo frees a claimed key whose call came to nothing.
func (s *Store) LetGo(ctx context.Context, r Reply) error {
	_, err := s.db.Exec(ctx, `DELETE FROM replies WHERE actor = ? AND key = ? AND status = 0`, r.Actor, r.Key)
	return err
}

// PruneReplies forgets answers that are older than a day; call it now and then.
func (s *Store) PruneReplies(ctx context.Context) error {
	_, err := s.db.Exec(ctx, `DELETE FROM replies WHERE at < ?`, s.db.Now().Add(-repliesKept).UnixMilli())
	return err
}
