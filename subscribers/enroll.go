package subscribers

import (
	"context"
	"errors"
	"fmt"

	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/subscribers/consent"
)

// Person is somebody brought to a list, by API or import.
type Person struct {
	Address    address.Address
	Name       string
	Locale     string
	Timezone   string
	Attributes string // a JSON object; "" leaves those there are
}

// Enrolled is what became of a [Person].
type Enrolled struct {
	ID      int64
	Created bool  // the person was not known before
	Err     error // ErrSuppressed or ErrLeft: not enrolled
}

// Enroll brings people to a list whose yes was given elsewhere. They are
// confirmed at once; new facts are laid over the known ones. Who is
// suppressed, or has left this list, is refused, unless renewed says that the
// statement is the person's own new yes and it is younger than their leaving.
// At most a few hundred people a call: the transaction holds the writer.
func (s *Store) Enroll(ctx context.Context, tx *database.Tx, listID int64, people []Person, yes consent.Statement, renewed bool) ([]Enrolled, error) {
	if err := yes.Check(s.db.Now()); err != nil {
		return nil, err
	}
	if err := tx.Yes(ctx); err != nil {
		return nil, err
	}
	e := enrolment{store: s.With(tx), tx: tx, list: listID, people: people, out: make([]Enrolled, len(people)), first: map[string]int{}, stated: yes.At.UnixMilli()}
	for i, p := range people {
		if _, seen := e.first[p.Address.Key()]; !seen {
			e.first[p.Address.Key()] = i
			e.keys = append(e.keys, p.Address.Key())
		}
	}
	left := func(ctx context.Context) error { return e.refuseLeft(ctx, yes, renewed) }
	say := func(ctx context.Context) error { return e.confirm(ctx, e.toConfirm(), yes, renewed) }
	for _, step := range []func(context.Context) error{e.refuseSuppressed, e.find, left, e.updateKnown, e.addNew, say} {
		if err := step(ctx); err != nil {
			return nil, fmt.Errorf("enrol %d people: %w", len(people), err)
		}
	}
	for i, p := range people { // the same address twice in one page
		if j := e.first[p.Address.Key()]; j != i {
			e.out[i] = Enrolled{ID: e.out[j].ID, Err: e.out[j].Err}
		}
	}
	return e.out, nil
}

// enrolment is one call of Enroll under way.
type enrolment struct {
	store  *Store
	tx     *database.Tx
	list   int64
	people []Person
	out    []Enrolled
	keys   []string       // each address key once
	first  map[string]int // key → its first person
	known  []Subscriber   // those there were, as they are
	said   map[int64]bool // of the known: confirmed on this list already
	salts  []string       // of those who are added
	stated int64          // when they gave their yes, a sign of life; 0: not known
}

func (e *enrolment) refuseSuppressed(ctx context.Context) error {
	query, args, err := database.In(`SELECT key FROM suppressions WHERE key IN (?) AND list_id IN (0, ?)`, e.keys, e.list)
	if err != nil {
		return err
	}
	var keys []string
	if err := e.tx.Select(ctx, &keys, query, args...); err != nil {
		return err
	}
	erased, err := e.store.buried(ctx, e.keys)
	if err != nil {
		return err
	}
	for _, k := range append(keys, erased...) {
		e.out[e.first[k]].Err = ErrSuppressed
	}
	return nil
}

// find reads the people there are, and keeps others from saying something about
// them meanwhile.
func (e *enrolment) find(ctx context.Context) error {
	query, args, err := database.In(`SELECT id FROM subscribers WHERE key IN (?) ORDER BY id`, e.keys)
	if err != nil {
		return err
	}
	if err := e.tx.Lock(ctx, query, args...); err != nil {
		return err
	}
	query, args, err = database.In(`SELECT `+subscriberWhole+` FROM subscribers WHERE key IN (?)`, e.keys)
	if err != nil {
		return err
	}
	if err := e.tx.Select(ctx, &e.known, query, args...); err != nil {
		return err
	}
	for _, k := range e.known {
		e.out[e.first[k.Key]].ID = k.ID
	}
	return nil
}

// updateKnown lays what is new over what is known of those not refused.
func (e *enrolment) updateKnown(ctx context.Context) error {
	var changed []Subscriber
	for _, k := range e.known {
		i := e.first[k.Key]
		if e.out[i].Err == nil && k.overlay(&e.people[i]) {
			changed = append(changed, k)
		}
	}
	now := e.store.db.Now().UnixMilli()
	return e.tx.Each(ctx, `UPDATE subscribers SET name = ?, locale = ?, timezone = ?, attributes = ?, updated_at = ? WHERE id = ?`, len(changed),
		func(i int, p *database.Params) {
			c := changed[i]
			p.Set(c.Name, c.Locale, c.Timezone, c.Attributes, now, c.ID)
		}, nil)
}

// addNew adds those who were not there.
func (e *enrolment) addNew(ctx context.Context) error {
	now := e.store.db.Now().UnixMilli()
	e.salts = consent.Salts(len(e.people))
	var fresh []int
	for _, k := range e.keys {
		if i := e.first[k]; e.out[i].ID == 0 && e.out[i].Err == nil {
			fresh = append(fresh, i)
		}
	}
	err := e.tx.Insert(ctx, `INSERT INTO subscribers (`+subscriberColumns+`, salt, active_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, len(fresh), func(n int, row *database.Params) {
		i := fresh[n]
		p := &e.people[i]
		e.out[i] = Enrolled{ID: e.store.db.NewID(), Created: true}
		attributes := p.Attributes
		if attributes == "" {
			attributes = "{}"
		}
		row.Set(e.out[i].ID, p.Address.String(), p.Address.Key(), p.Name, p.Locale, p.Timezone, attributes, now, now, e.salts[i], e.stated)
	})
	if errors.Is(err, database.ErrConflict) { // somebody else added one this moment: the next try finds them
		return fmt.Errorf("%w: %w", database.ErrUnavailable, err)
	}
	return err
}

// overlay takes over what p says and reports whether anything is new.
func (k *Subscriber) overlay(p *Person) bool {
	before := *k
	if p.Name != "" {
		k.Name = p.Name
	}
	if p.Locale != "" {
		k.Locale = p.Locale
	}
	if p.Timezone != "" {
		k.Timezone = p.Timezone
	}
	k.Attributes = merge(k.Attributes, p.Attributes)
	return *k != before
}
