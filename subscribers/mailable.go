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

	// EveryDays is part of the answer: the person wants at most one campaign
	// in so many days; 0: they have not said.
	EveryDays int64
}

// The gate's answers besides [Mailable].
const (
	Mailable   = ""
	Suppressed = "suppressed"
	Left       = "unsubscribed"
	OnPause    = "paused"    // at their wish, for a while
	TooOften   = "frequency" // they, or the installation, want fewer mails; see campaign.Store.TooSoon
)

// Mailable answers each ask with [Mailable] or the reason why not, and fills in
// its EveryDays. Inside the transaction that begins the message, after
// [database.Tx.Gate], this is the authority: an opt-out that has committed wins.
func (s *Store) Mailable(ctx context.Context, tx *database.Tx, asks []Ask) ([]string, error) {
	answers := make([]string, len(asks))
	type pair struct{ ask, list int }
	pairs := make([]pair, 0, len(asks))
	for i, a := range asks {
		answers[i], asks[i].EveryDays = Left, 0
		for l := range a.Lists {
			pairs = append(pairs, pair{i, l})
		}
	}
	var status string
	var every int64
	now := s.db.Now().UnixMilli()
	err := tx.Find(ctx, `SELECT CASE WHEN EXISTS (SELECT 1 FROM suppressions WHERE key = ? AND list_id IN (0, ?)) THEN 'suppressed'
			WHEN status = 'confirmed' AND paused_until > ? THEN 'paused' ELSE status END, every_days
		FROM subscriptions WHERE list_id = ? AND subscriber_id = ?`, len(pairs),
		func(i int, p *database.Params) {
			a := &asks[pairs[i].ask]
			list := a.Lists[pairs[i].list]
			p.Set(a.Key, list, now, list, a.SubscriberID)
		}, []any{&status, &every},
		func(i int, ok bool) {
			if !ok {
				return
			}
			at := pairs[i].ask
			asks[at].EveryDays = max(asks[at].EveryDays, every)
			switch {
			case status == string(Confirmed):
				answers[at] = Mailable
			case status == Suppressed && answers[at] != Mailable: // by this list, or by all
				answers[at] = Suppressed
			case status == OnPause && answers[at] == Left:
				answers[at] = OnPause
			}
		})
	return answers, err
}

// Hold keeps everybody else from counting these people's mails, and from
// changing the people, until the transaction ends.
func (s *Store) Hold(ctx context.Context, tx *database.Tx, ids []int64) error {
	query, args, err := database.In(`SELECT id FROM subscribers WHERE id IN (?) ORDER BY id`, ids)
	if err != nil {
		return err
	}
	return tx.Lock(ctx, query, args...)
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
	_, err := s.db.Exec(ctx, `DELETE FROM noes WHERE at < ? OR at > ?`, s.db.Now().Add(-noesKept).UnixMilli(), s.db.Now().Add(noesKept).UnixMilli())
	return err
}
