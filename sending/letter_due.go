package sending

import (
	"context"
	"errors"

	"facteur/internal/database"
)

// duePage is how many letters of one sender and rank are offered at once. It
// also bounds what lies in the queue when nobody takes it: the same are
// offered again until they are taken.
const duePage = 200

// DueLetters lists letters that may be sent now, the first ranks first: of
// every sender by whose relays something can go, and of every rank, those that
// are due for longest. So no letter waits behind those of another sender or of
// a lower rank, however many they are. idle says that there are no campaigns
// whose mail could show whether a relay answers again: a doubt then tries it.
func (s *Store) DueLetters(ctx context.Context, idle bool) ([]Letter, error) {
	var pages [ranks][]Letter
	var ways *ways
	for sender, rank := int64(0), 0; ; rank++ {
		var err error
		if sender, rank, err = s.nextDue(ctx, sender, rank); errors.Is(err, database.ErrNotFound) {
			break
		} else if err != nil {
			return nil, err
		}
		if ways == nil {
			if ways, err = s.ways(ctx); err != nil {
				return nil, err
			}
		}
		if !ways.open(sender) {
			rank = ranks // on to the next sender
			continue
		}
		page, err := s.duePage(ctx, sender, rank, ways, idle)
		if err != nil {
			return nil, err
		}
		pages[rank] = append(pages[rank], page...)
	}
	var due []Letter
	for _, page := range pages {
		due = append(due, page...)
	}
	return due, nil
}

// nextDue is the next sender and rank of which letters wait for their time.
func (s *Store) nextDue(ctx context.Context, sender int64, rank int) (int64, int, error) {
	var next Letter
	err := s.q.Get(ctx, &next, `SELECT sender_id, rank FROM letters WHERE wait = 2 AND (sender_id, rank) >= (?, ?) ORDER BY sender_id, rank LIMIT 1`, sender, rank)
	return next.SenderID, next.Rank, err
}

// duePage are the letters of one sender and rank that are due for longest. Of
// those in doubt, only those whose relay answers plainly.
func (s *Store) duePage(ctx context.Context, sender int64, rank int, w *ways, idle bool) ([]Letter, error) {
	now := s.db.Now().UnixMilli()
	var page []Letter
	err := s.q.Select(ctx, &page, `SELECT `+letterFacts+` FROM letters WHERE wait = 2 AND sender_id = ? AND rank = ? AND not_before <= ? ORDER BY not_before, id LIMIT ?`,
		sender, rank, now, duePage)
	if err != nil {
		return nil, err
	}
	kept, doubtful := page[:0], []int64(nil)
	for _, l := range page {
		switch {
		case l.Status != string(Doubted) || w.plain(l.RelayID):
			kept = append(kept, l)
			w.try(w.senders[sender]...)
		case idle && w.usable(l.RelayID) && !w.tried[l.RelayID]:
			kept = append(kept, l)
			w.try(l.RelayID)
		default:
			doubtful = append(doubtful, l.ID)
		}
	}
	if len(doubtful) == 0 {
		return kept, nil
	}
	return kept, s.db.Write(ctx, func(tx *database.Tx) error { // they make room for others
		return tx.Each(ctx, `UPDATE letters SET not_before = ? WHERE id = ? AND wait = 2 AND status = 'uncertain'`, len(doubtful),
			func(i int, p *database.Params) { p.Set(now+DoubtPause.Milliseconds(), doubtful[i]) }, nil)
	})
}

// ways are the relays by which senders send, as they are now.
type ways struct {
	relays  map[int64]Relay
	senders map[int64][]int64
	tried   map[int64]bool // relays to which something goes that will show how they answer
	now     int64
}

func (s *Store) ways(ctx context.Context) (*ways, error) {
	w := &ways{relays: map[int64]Relay{}, senders: map[int64][]int64{}, tried: map[int64]bool{}, now: s.db.Now().UnixMilli()}
	relays, err := s.Relays(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range relays {
		w.relays[r.ID] = r
	}
	senders, err := s.Senders(ctx)
	for _, v := range senders {
		w.senders[v.ID] = v.RelayIDs
	}
	return w, err
}

// open tells whether a sender's mail can go by some relay now.
func (w *ways) open(sender int64) bool {
	for _, id := range w.senders[sender] {
		if w.usable(id) {
			return true
		}
	}
	return false
}

func (w *ways) try(relays ...int64) {
	for _, id := range relays {
		w.tried[id] = true
	}
}

func (w *ways) usable(relay int64) bool {
	r, ok := w.relays[relay]
	return ok && r.Usable(w.now)
}

// plain tells whether nothing is doubtful about a relay's answers. One that is
// gone has none to wait for.
func (w *ways) plain(relay int64) bool {
	r, ok := w.relays[relay]
	return !ok || r.State == Healthy && !r.Doubting
}
