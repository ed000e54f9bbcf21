package subscribers_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/subscribers"
	"facteur/subscribers/consent"
)

// A person's wish holds for the lists they join later, in whatever way that
// happens, and so does a pause of all their lists.
func TestWish_HoldsForListsJoinedLater(t *testing.T) {
	ways := map[string]func(p *parish, list int64){
		"API": func(p *parish, list int64) { p.do(p.enrol(list, ada, nil)) },
		"import": func(p *parish, list int64) {
			importBody(p.T, p.db, list, []byte("email\nada@example.org\nnew@example.org\n"))
		},
		"import that asks":             func(p *parish, list int64) { p.importAsking(list, "email\nada@example.org\n") },
		"form":                         func(p *parish, list int64) { p.wantsOn(list) },
		"form, and then API":           func(p *parish, list int64) { p.wantsOn(list); p.do(p.enrol(list, ada, nil)) },
		"API, after leaving the first": func(p *parish, list int64) { p.do(p.leave(ada)); p.do(p.enrol(list, ada, nil)) },
	}
	for name, join := range ways {
		t.Run(name, func(t *testing.T) {
			eachParish(t, "", func(p *parish) {
				p.do(p.enrol(p.list, ada, nil))
				id := p.person(ada).ID
				until := p.db.Now().Add(subscribers.PauseFor).UnixMilli()
				p.do(func(ctx context.Context, tx *database.Tx) error {
					if err := p.store.Frequency(ctx, tx, id, 7); err != nil {
						return err
					}
					return p.store.Pause(ctx, tx, id, []int64{p.list}) // all that she is on
				})
				join(p, newList(t, p.db))
				p.expectWish(ada, 7, until)
			})
		})
	}
}

// importAsking brings a file of people who are to be asked for their yes.
func (p *parish) importAsking(list int64, body string) {
	p.Helper()
	dir := p.TempDir()
	terms := subscribers.ImportTerms{Statement: consent.Statement{Source: "an old shop"}, Confirm: true}
	accepted, err := subscribers.NewImporter(p.db, p.store, dir, quiet()).Accept(p.Context(), list, terms, strings.NewReader(body), 1<<20)
	if err != nil {
		p.Fatal(err)
	}
	if done := finish(p.T, p.db, dir, accepted.ID); done.Updated != 1 {
		p.Fatalf("%+v", done)
	}
}

// wantsOn is Ada's form for a list.
func (p *parish) wantsOn(list int64) {
	p.Helper()
	if err := p.greeter.Accept(p.Context(), subscribers.Form{ListID: list, Email: ada, IP: "192.0.2.1"}); err != nil {
		p.Fatal(err)
	}
	if err := p.greeter.Greet(p.Context()); err != nil {
		p.Fatal(err)
	}
}

// Who lets one of their lists rest has said nothing about the others, and a yes
// of their own ends the pause of its list, not the wish for fewer mails.
func TestWish_APauseOfOneListIsNoneOfTheOthers(t *testing.T) {
	eachParish(t, "", func(p *parish) {
		second, third := newList(t, p.db), newList(t, p.db)
		p.do(p.enrol(p.list, ada, nil))
		p.do(p.enrol(second, ada, nil))
		id := p.person(ada).ID
		p.do(func(ctx context.Context, tx *database.Tx) error { return p.store.Pause(ctx, tx, id, []int64{p.list}) })
		p.do(p.enrol(third, ada, nil))
		if s, err := p.store.Subscription(t.Context(), third, id); err != nil || s.PausedUntil != 0 {
			p.Errorf("%+v %v", s, err)
		}
		fourth := newList(t, p.db)
		p.do(func(ctx context.Context, tx *database.Tx) error {
			if err := p.store.Frequency(ctx, tx, id, 30); err != nil {
				return err
			}
			return p.store.Pause(ctx, tx, id, []int64{p.list, second, third})
		})
		p.wantsOn(fourth)
		p.clock.move(time.Minute)
		p.do(func(ctx context.Context, tx *database.Tx) error {
			_, err := p.store.Confirm(ctx, tx, subscribers.Confirmation{ListID: fourth, SubscriberID: id, AskedAt: p.db.Now()})
			return err
		})
		p.do(func(ctx context.Context, tx *database.Tx) error {
			asks := []subscribers.Ask{{SubscriberID: id, Key: ada, Lists: []int64{fourth}}, {SubscriberID: id, Key: ada, Lists: []int64{third}}}
			got, err := p.store.Mailable(ctx, tx, asks)
			if err == nil && (got[0] != subscribers.Mailable || asks[0].EveryDays != 30 || got[1] != subscribers.OnPause) {
				p.Errorf("%v, at most one in %d days", got, asks[0].EveryDays)
			}
			return err
		})
	})
}
