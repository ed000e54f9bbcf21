package subscribers

import (
	"context"
	"sync"
	"time"

	"facteur/internal/database"
)

// Ask is a question to the last gate: may this person be mailed, having been
// reached through these lists?
type Ask struct {
	SubscriberID int64
	Key          string
	Lists        []int64
}

// The gate's answers besides [Mailable].
const (
	Mailable   = ""
	Suppressed = "suppressed"
	Left       = "unsubscribed"
)

// Mailable answers each ask with [Mailable] or the reason why not. Inside the
// transaction that begins the message, after [database.Tx.Gate], this is the
// authority: an opt-out that has committed wins.
func (s *Store) Mailable(ctx context.Context, tx *database.Tx, asks []Ask) ([]string, error) {
	answers := make([]string, len(asks))
	type pair struct{ ask, list int }
	pairs := make([]pair, 0, len(asks))
	for i, a := range asks {
		answers[i] = Left
		for l := range a.Lists {
			pairs = append(pairs, pair{i, l})
		}
	}
	var status string
	err := tx.Find(ctx, `SELECT CASE WHEN EXISTS (SELECT 1 FROM suppressions WHERE key = ? AND list_id = 0) THEN 'suppressed' ELSE status END
		FROM subscriptions WHERE list_id = ? AND subscriber_id = ?`, len(pairs),
		func(i int, p *database.Params) {
			a := &asks[pairs[i].ask]
			p.Set(a.Key, a.Lists[pairs[i].list], a.SubscriberID)
		}, []any{&status},
		func(i int, ok bool) {
			if !ok {
				return
			}
			switch status {
			case string(Confirmed):
				answers[pairs[i].ask] = Mailable
			case Suppressed:
				answers[pairs[i].ask] = Suppressed
			}
		})
	return answers, err
}

// noted leaves word of a no for the senders' [Noes].
func (s *Store) noted(ctx context.Context, tx *database.Tx, subscriberID int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO noes (id, subscriber_id, at) VALUES (?, ?, ?)`, s.db.NewID(), subscriberID, s.db.Now().UnixMilli())
	return err
}

// noesKept is how long a no is kept in memory: longer than any batch is in work.
const noesKept = 10 * time.Minute

// Noes remembers who lately said no to anything. It is a courtesy that saves
// the sender from opening an envelope in vain; the gate is [Store.Mailable].
// Whoever says no in this process is in it at once, others within a poll.
type Noes struct {
	store *Store
	mu    sync.Mutex
	seen  map[int64]int64 // subscriber → Unix milliseconds
}

// NewNoes starts empty; call [Noes.Poll] every quarter of a second or so.
func NewNoes(s *Store) *Noes { return &Noes{store: s, seen: map[int64]int64{}} }

// Add remembers a no of this process.
func (n *Noes) Add(subscriberID int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seen[subscriberID] = n.store.db.Now().UnixMilli()
}

// Has tells whether this person lately said some no; ask the gate which.
func (n *Noes) Has(subscriberID int64) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, ok := n.seen[subscriberID]
	return ok
}

// Poll reads the noes of other processes. It goes back a minute each time,
// as commits do not become visible in the order of their times.
func (n *Noes) Poll(ctx context.Context) error {
	now := n.store.db.Now()
	var rows []struct {
		SubscriberID int64 `db:"subscriber_id"`
		At           int64 `db:"at"`
	}
	err := n.store.q.Select(ctx, &rows, `SELECT subscriber_id, at FROM noes WHERE at > ?`, now.Add(-time.Minute).UnixMilli())
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range rows {
		n.seen[r.SubscriberID] = max(n.seen[r.SubscriberID], r.At)
	}
	for id, at := range n.seen {
		if at < now.Add(-noesKept).UnixMilli() {
			delete(n.seen, id)
		}
	}
	return nil
}

// PruneNoes forgets noes that every sender has read long ago.
func (s *Store) PruneNoes(ctx context.Context) error {
	_, err := s.db.Exec(ctx, `DELETE FROM noes WHERE at < ?`, s.db.Now().Add(-noesKept).UnixMilli())
	return err
}
