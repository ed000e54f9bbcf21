package subscribers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"facteur/internal/database"
	"facteur/subscribers/consent"
)

// enrollNew is [Store.Enroll] for people most of whom are new: it adds them
// without looking for them first, and leaves to Enroll only those who were
// there already. Each address comes once; yes has been checked.
func (s *Store) enrollNew(ctx context.Context, tx *database.Tx, listID int64, people []Person, yes consent.Statement) ([]Enrolled, error) {
	if err := tx.Yes(ctx); err != nil {
		return nil, err
	}
	e := enrolment{
		store: s.With(tx), tx: tx, list: listID, people: people, out: make([]Enrolled, len(people)),
		keys: make([]string, len(people)), first: make(map[string]int, len(people)), stated: yes.At.UnixMilli(),
	}
	for i := range people {
		e.keys[i] = people[i].Address.Key()
		e.first[e.keys[i]] = i
	}
	say := func(ctx context.Context) error { return e.confirm(ctx, e.created(), yes, false) }
	for _, step := range []func(context.Context) error{e.refuseSuppressed, e.addUnknown, say} {
		if err := step(ctx); err != nil {
			return nil, fmt.Errorf("enrol %d people: %w", len(people), err)
		}
	}
	return e.out, e.enrollKnown(ctx, yes)
}

// addUnknown adds those whose key is not there yet and marks them as created.
func (e *enrolment) addUnknown(ctx context.Context) error {
	const row = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
	e.salts = consent.Salts(len(e.people))
	now := e.store.db.Now().UnixMilli()
	ids := make([]int64, 0, len(e.people))
	at := make([]int, 0, len(e.people))
	args := make([]any, 0, len(e.people)*strings.Count(row, "?"))
	for i := range e.people {
		if e.out[i].Err != nil {
			continue
		}
		p, id := &e.people[i], e.store.db.NewID()
		attributes := p.Attributes
		if attributes == "" {
			attributes = "{}"
		}
		ids, at = append(ids, id), append(at, i)
		args = append(args, id, p.Address.String(), p.Address.Key(), p.Name, p.Locale, p.Timezone, attributes, now, now, e.salts[i], e.stated)
	}
	if len(ids) == 0 {
		return nil
	}
	var added []int64
	err := e.tx.Select(ctx, &added, `INSERT INTO subscribers (`+subscriberColumns+`, salt, active_at) VALUES `+strings.Repeat(row+", ", len(ids)-1)+row+
		` ON CONFLICT (key) DO NOTHING RETURNING id`, args...)
	for _, id := range added {
		if n, ok := slices.BinarySearch(ids, id); ok { // ids never go back
			e.out[at[n]] = Enrolled{ID: id, Created: true}
		}
	}
	return err
}

// created are the people added a moment ago: they cannot have said anything
// about this list before.
func (e *enrolment) created() []int64 {
	ids := make([]int64, 0, len(e.out))
	for _, o := range e.out {
		if o.Created {
			ids = append(ids, o.ID)
		}
	}
	return ids
}

// enrollKnown hands on who is neither refused nor new.
func (e *enrolment) enrollKnown(ctx context.Context, yes consent.Statement) error {
	var known []Person
	var at []int
	for i, o := range e.out {
		if o.Err == nil && !o.Created {
			known, at = append(known, e.people[i]), append(at, i)
		}
	}
	if len(known) == 0 {
		return nil
	}
	enrolled, err := e.store.Enroll(ctx, e.tx, e.list, known, yes, false)
	for n, o := range enrolled {
		e.out[at[n]] = o
	}
	return err
}

// bring adds people without a yes: they are pending on the list and invited to
// give it. Who has said yes stays as they are; who has left is refused.
func (s *Store) bring(ctx context.Context, tx *database.Tx, listID int64, people []Person) ([]Enrolled, error) {
	if err := tx.Yes(ctx); err != nil {
		return nil, err
	}
	e := enrolment{store: s.With(tx), tx: tx, list: listID, people: people, out: make([]Enrolled, len(people)), first: make(map[string]int, len(people))}
	for i := range people {
		e.keys = append(e.keys, people[i].Address.Key())
		e.first[e.keys[i]] = i
	}
	left := func(ctx context.Context) error { return e.refuseLeft(ctx, consent.Statement{}, false) }
	await := func(ctx context.Context) error { return e.await(ctx, e.toConfirm()) }
	for _, step := range []func(context.Context) error{e.refuseSuppressed, e.find, left, e.updateKnown, e.addNew, await} {
		if err := step(ctx); err != nil {
			return nil, fmt.Errorf("bring %d people: %w", len(people), err)
		}
	}
	return e.out, nil
}

// await makes people pending and invites those who were not before.
func (e *enrolment) await(ctx context.Context, ids []int64) error {
	now := e.store.db.Now().UnixMilli()
	said, err := e.store.wishes(ctx, e.met(ids))
	if err != nil {
		return err
	}
	err = e.tx.Insert(ctx, `INSERT INTO subscriptions (list_id, subscriber_id, status, confirmed_at, changed_at, every_days, paused_until) VALUES (?, ?, 'pending', 0, ?, ?, ?)
		ON CONFLICT (list_id, subscriber_id) DO NOTHING`, len(ids), func(i int, p *database.Params) {
		w := said[ids[i]]
		p.Set(e.list, ids[i], now, w.everyDays, w.pausedUntil)
	})
	if err != nil {
		return err
	}
	return e.store.invite(ctx, e.tx, e.list, ids, byImport, LapseKeep)
}
