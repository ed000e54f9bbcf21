package campaign

import (
	"errors"
	"slices"

	"facteur/internal/database"
	"facteur/throttle"
)

// somebody is the one for whom a message begins at that moment, if there is one.
func (w *world) somebody() *person {
	if w.focus != nil {
		return w.focus.who
	}
	return pick(w, w.people, "person")
}

// leave ends a person's subscriptions, or one; when it was the last, that is a no.
func (w *world) leave() *act {
	p := w.somebody()
	if len(p.lists) == 0 || !w.rarely(2) {
		return nil
	}
	gone := p.lists // mostly all
	if w.rarely(2) && w.focus == nil {
		gone = p.lists[:1]
	}
	return &act{
		run: func() error {
			return w.db.Write(w.ctx, func(tx *database.Tx) error {
				_, err := w.store.people.Leave(w.ctx, tx, p.ID, gone, "test")
				return err
			})
		},
		then: func() {
			p.lists = slices.DeleteFunc(slices.Clone(p.lists), func(id int64) bool { return slices.Contains(gone, id) })
			p.no = p.no || len(p.lists) == 0
		},
	}
}

// complain brings a complaint from somewhere: their address is suppressed.
func (w *world) complain() *act {
	p := w.somebody()
	if !w.rarely(3) {
		return nil
	}
	return &act{
		run: func() error {
			return w.db.Write(w.ctx, func(tx *database.Tx) error {
				return w.store.people.Suppress(w.ctx, tx, p.address, 0, "complaint", "test")
			})
		},
		then: func() { p.no = true },
	}
}

func (w *world) erase() *act {
	p := w.somebody()
	if !w.rarely(3) {
		return nil
	}
	return &act{
		run: func() error {
			err := w.db.Write(w.ctx, func(tx *database.Tx) error { return w.store.Erase(w.ctx, tx, p.ID, "test") })
			if errors.Is(err, database.ErrNotFound) { // erased before
				return nil
			}
			return err
		},
		then: func() { p.no, p.lists = true, nil },
	}
}

// comeBack brings a report of a mail that was sent: it was, whatever became of its answer.
func (w *world) comeBack() *act {
	p := w.somebody()
	out := false
	for _, a := range p.attempts {
		out = out || a.answer.Code == 250 || a.answer.Code == 0
	}
	if !out {
		return nil
	}
	return &act{
		run: func() error {
			return w.db.Write(w.ctx, func(tx *database.Tx) error {
				d, err := w.store.With(tx).Delivery(w.ctx, w.campaign, p.ID)
				if err != nil {
					return err
				}
				lane, err := w.store.pace.With(tx).Lane(w.ctx, d.Lane)
				if err != nil {
					return err
				}
				tally := Tally{}
				changed, err := w.store.Returned(w.ctx, tx, d, lane.Provider, tally)
				if err != nil || !changed {
					return err
				}
				return w.store.Count(w.ctx, tx, tally)
			})
		},
		then: func() { // of several attempts nobody knows which it was
			d, err := w.store.Delivery(w.ctx, w.campaign, p.ID)
			w.must(err)
			p.reached = p.reached || d.Status == Accepted
		},
	}
}

// relane moves somebody who waits to the lane of a provider that was learned since.
func (w *world) relane() *act {
	p := w.somebody()
	return &act{run: func() error {
		return w.db.Write(w.ctx, func(tx *database.Tx) error {
			from, err := w.store.pace.LaneID(w.ctx, tx, throttle.Lane{Domain: modelDomain, Provider: throttle.Other})
			if err != nil {
				return err
			}
			_, err = w.scheduler.relane(w.ctx, tx, w.campaign, from, modelDomain, waitBatch, map[string][]int64{"google": {p.ID}})
			return err
		})
	}}
}
