package subscribers

import (
	"context"

	"facteur/internal/database"
)

// Addressee is whom a one-off mail goes to.
type Addressee struct {
	Key          string // of the address
	SubscriberID int64  // 0: nobody of ours
	ListID       int64  // whose yes the mail asks for; 0: none
	WrittenAt    int64  // the mail, Unix milliseconds
}

// No is something said against mailing an addressee: a suppression's reason,
// [Left], [Erased] or [Gone].
type No struct {
	Reason string
	Since  bool // it was said after the mail was written
}

// The noes besides the reasons of suppressions.
const (
	Erased = "erased" // whose address it was is erased
	Gone   = "gone"   // the person is not known any more, or not on the list that asks
)

// Standing is how an addressee stands.
type Standing struct {
	Noes    []No
	Status  Status // with the list that asks; "": there is none
	Invited bool   // an invitation of that list is not answered yet
}

// Standings says of each addressee what is said against mailing them. Inside
// the transaction that begins a mail, after [database.Tx.Gate], this is the
// authority, as [Store.Mailable] is for campaigns: what has committed counts.
// Which noes hold back which mail is the caller's to say.
func (s *Store) Standings(ctx context.Context, tx *database.Tx, of []Addressee) ([]Standing, error) {
	out := make([]Standing, len(of))
	if err := s.suppressionsOf(ctx, tx, of, out); err != nil {
		return nil, err
	}
	if err := s.buriedOf(ctx, tx, of, out); err != nil {
		return nil, err
	}
	var people, asked []int
	for i, a := range of {
		if a.SubscriberID != 0 {
			people = append(people, i)
		}
		if a.ListID != 0 {
			asked = append(asked, i)
		}
	}
	var n int64
	err := tx.Find(ctx, `SELECT 1 FROM subscribers WHERE id = ?`, len(people), func(i int, p *database.Params) { p.Set(of[people[i]].SubscriberID) }, []any{&n},
		func(i int, found bool) {
			if !found {
				out[people[i]].add(Gone, true)
			}
		})
	if err != nil {
		return nil, err
	}
	var status string
	var left int64
	err = tx.Find(ctx, `SELECT status, left_at FROM subscriptions WHERE list_id = ? AND subscriber_id = ?`, len(asked),
		func(i int, p *database.Params) { p.Set(of[asked[i]].ListID, of[asked[i]].SubscriberID) }, []any{&status, &left},
		func(i int, found bool) {
			at := &out[asked[i]]
			since := left >= of[asked[i]].WrittenAt
			switch {
			case !found:
				at.add(Gone, true)
			case status == string(Unsubscribed) || left > 0 && since && status != string(Confirmed):
				at.add(Left, true) // its link does nothing any more
			case left > 0 && status != string(Confirmed):
				at.add(Left, false)
			}
			if found {
				at.Status = Status(status)
			}
		})
	if err != nil {
		return nil, err
	}
	return out, tx.Find(ctx, `SELECT 1 FROM invitations WHERE list_id = ? AND subscriber_id = ?`, len(asked),
		func(i int, p *database.Params) { p.Set(of[asked[i]].ListID, of[asked[i]].SubscriberID) }, []any{&n},
		func(i int, found bool) { out[asked[i]].Invited = found })
}

func (s *Standing) add(reason string, since bool) { s.Noes = append(s.Noes, No{reason, since}) }

// suppressionsOf adds the suppressions of all lists and of the list that asks.
func (s *Store) suppressionsOf(ctx context.Context, tx *database.Tx, of []Addressee, out []Standing) error {
	type pair struct {
		at   int
		list int64
	}
	pairs := make([]pair, 0, 2*len(of))
	for i, a := range of {
		if pairs = append(pairs, pair{i, 0}); a.ListID != 0 {
			pairs = append(pairs, pair{i, a.ListID})
		}
	}
	var reason string
	var at int64
	return tx.Find(ctx, `SELECT reason, at FROM suppressions WHERE key = ? AND list_id = ?`, len(pairs),
		func(i int, p *database.Params) { p.Set(of[pairs[i].at].Key, pairs[i].list) }, []any{&reason, &at},
		func(i int, found bool) {
			if found {
				out[pairs[i].at].add(reason, at >= of[pairs[i].at].WrittenAt)
			}
		})
}

// buriedOf adds the addresses whose people were erased.
func (s *Store) buriedOf(ctx context.Context, tx *database.Tx, of []Addressee, out []Standing) error {
	keys := make([]string, len(of))
	for i, a := range of {
		keys[i] = a.Key
	}
	buried, err := s.With(tx).buried(ctx, keys)
	for _, key := range buried {
		for i := range of {
			if of[i].Key == key {
				out[i].add(Erased, false)
			}
		}
	}
	return err
}
