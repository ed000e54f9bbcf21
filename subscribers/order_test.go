package subscribers_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"facteur/campaign"
	"facteur/feedback"
	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/sending"
	"facteur/subscribers"
	"facteur/subscribers/consent"
	"facteur/throttle"
)

// change is one half of a pair.
type change = func(ctx context.Context, tx *database.Tx) error

// overlap runs two changes side by side; neither may fail.
func (p *parish) overlap(first, second change) {
	p.Helper()
	one, two := databasetest.OverlapBoth(p.T, p.db, first, second)
	if err := errors.Join(one, two); err != nil {
		p.Fatal(err)
	}
}

// agree holds the ledger against the subscriptions, and those against the suppressions.
func (p *parish) agree(email string) {
	p.Helper()
	person := p.person(email)
	subs, err := p.store.Subscriptions(p.Context(), person.ID)
	if err != nil {
		p.Fatal(err)
	}
	acts, err := consent.Of(p.Context(), p.db, person.ID)
	if err != nil {
		p.Fatal(err)
	}
	last := map[int64]consent.Act{}
	for _, a := range acts {
		last[a.ListID] = a.Act
	}
	for _, s := range subs {
		given := last[s.ListID] == consent.Given || last[s.ListID] == consent.Restored
		if (s.Status == subscribers.Confirmed) != given {
			p.Errorf("list %d is %s, and the last act of the ledger is %s", s.ListID, s.Status, last[s.ListID])
		}
		noes, err := p.store.Suppressions(p.Context(), subscribers.SuppressionFilter{Key: person.Key, ListID: s.ListID}, "", 0, 1)
		if err != nil {
			p.Fatal(err)
		}
		if s.Status == subscribers.Confirmed && len(noes) > 0 {
			p.Errorf("list %d is confirmed and suppressed", s.ListID)
		}
	}
}

// enrol brings somebody to a list, as a page of an import does.
func (p *parish) enrol(list int64, email string, into *[]subscribers.Enrolled) change {
	return func(ctx context.Context, tx *database.Tx) error {
		done, err := p.store.Enroll(ctx, tx, list, []subscribers.Person{{Address: parse(p.T, email)}}, stated(), false)
		if into != nil {
			*into = done
		}
		return err
	}
}

func (p *parish) suppress(list int64, email, reason string) change {
	return func(ctx context.Context, tx *database.Tx) error {
		return p.store.Suppress(ctx, tx, parse(p.T, email), list, reason, "test")
	}
}

func (p *parish) leave(email string) change {
	return func(ctx context.Context, tx *database.Tx) error {
		return p.store.LeaveBy(ctx, tx, subscribers.Leaving{SubscriberID: p.person(email).ID, Source: "page", AskedAt: p.db.Now().UnixMilli()}, []int64{p.list}, false)
	}
}

// yes is a confirmation, of a letter that was written at a time.
func (p *parish) yes(email string, asked time.Time, became *string) change {
	return func(ctx context.Context, tx *database.Tx) (err error) {
		*became, err = p.store.Confirm(ctx, tx, subscribers.Confirmation{ListID: p.list, SubscriberID: p.person(email).ID, AskedAt: asked})
		return err
	}
}

const ada = "ada@example.org"

// A list's suppression and an import of the same address: whoever commits
// first, the person is not mailed by that list.
func TestOrder_AListsSuppressionAndAnImport(t *testing.T) {
	for name, reason := range map[string]string{"by a person": subscribers.Manual, "by a machine": subscribers.HardBounce, "a complaint": subscribers.Complaint} {
		t.Run(name, func(t *testing.T) {
			eachParish(t, "", func(p *parish) {
				p.overlap(p.enrol(p.list, ada, nil), p.suppress(p.list, ada, reason))
				p.agree(ada)
				const bob = "bob@example.org"
				var done []subscribers.Enrolled
				p.overlap(p.suppress(p.list, bob, reason), p.enrol(p.list, bob, &done))
				if !errors.Is(done[0].Err, subscribers.ErrSuppressed) {
					p.Errorf("%+v", done)
				}
			})
		})
	}
}

// The last gate asks for the suppressions of the lists too, and one list's does
// not end the others.
func TestMailable_AsksForAListsSuppression(t *testing.T) {
	eachParish(t, "", func(p *parish) {
		second := newList(t, p.db)
		p.do(p.enrol(p.list, ada, nil))
		p.do(p.enrol(second, ada, nil))
		p.do(func(ctx context.Context, tx *database.Tx) error { // as if it had come in a moment ago
			_, err := tx.Exec(ctx, `INSERT INTO suppressions (key, list_id, reason, source, at) VALUES (?, ?, 'manual', 'test', 1)`, ada, p.list)
			return err
		})
		for want, lists := range map[string][]int64{subscribers.Suppressed: {p.list}, subscribers.Mailable: {second, p.list}} {
			p.do(func(ctx context.Context, tx *database.Tx) error {
				got, err := p.store.Mailable(ctx, tx, []subscribers.Ask{{SubscriberID: p.person(ada).ID, Key: ada, Lists: lists}})
				if err == nil && got[0] != want {
					p.Errorf("by %d lists: %q, want %q", len(lists), got[0], want)
				}
				return err
			})
		}
	})
}

// The ledger never says given after withdrawn of a person who has left.
func TestOrder_ALeavingAndAYesFromBeforeIt(t *testing.T) {
	eachParish(t, "", func(p *parish) {
		p.fill(ada)
		asked := p.db.Now()
		p.clock.move(time.Minute)
		var became string
		p.overlap(p.leave(ada), p.yes(ada, asked, &became))
		if p.agree(ada); became != subscribers.NotAwaited || p.status(ada) != "unsubscribed" {
			p.Errorf("%s, and it became %s", became, p.status(ada))
		}
		const bob = "bob@example.org"
		p.fill(bob)
		var done []subscribers.Enrolled
		p.overlap(p.leave(bob), p.enrol(p.list, bob, &done))
		if p.agree(bob); !errors.Is(done[0].Err, subscribers.ErrLeft) || p.status(bob) != "unsubscribed" {
			p.Errorf("%+v, and it became %s", done, p.status(bob))
		}
		const eve = "eve@example.org"
		p.fill(eve)
		p.overlap(p.yes(eve, p.db.Now(), &became), p.leave(eve))
		if p.agree(eve); p.status(eve) != "unsubscribed" {
			p.Error(p.status(eve))
		}
	})
}

func TestOrder_TwoConfirmationsAreOneYes(t *testing.T) {
	eachParish(t, "", func(p *parish) {
		p.fill(ada)
		var first, second string
		p.overlap(p.yes(ada, p.db.Now(), &first), p.yes(ada, p.db.Now(), &second))
		acts, err := consent.Of(t.Context(), p.db, p.person(ada).ID)
		if err != nil || len(acts) != 2 || first != subscribers.NowConfirmed || second != subscribers.WasConfirmed {
			p.Errorf("%s, %s; %d acts, want requested and given; %v", first, second, len(acts), err)
		}
		p.do(p.enrol(newList(t, p.db), ada, nil)) // is known
		list := newList(t, p.db)
		p.overlap(p.enrol(list, ada, nil), p.enrol(list, ada, nil))
		if acts, err = consent.Of(t.Context(), p.db, p.person(ada).ID); err != nil || len(acts) != 4 {
			p.Errorf("%d acts, want one more for each list; %v", len(acts), err)
		}
	})
}

// A person who is being erased is not brought back by what reads them meanwhile.
func TestOrder_AnErasureAndWhatBringsPeople(t *testing.T) {
	eachParish(t, "", func(p *parish) {
		erase := func(email string) change {
			return func(ctx context.Context, tx *database.Tx) error {
				return p.campaigns.Erase(ctx, tx, p.person(email).ID, "test")
			}
		}
		p.do(p.enrol(p.list, ada, nil))
		id := p.person(ada).ID
		var done []subscribers.Enrolled
		p.overlap(erase(ada), p.enrol(newList(t, p.db), ada, &done))
		if !errors.Is(done[0].Err, subscribers.ErrSuppressed) || p.person(ada).ID != 0 {
			p.Errorf("%+v", done)
		}
		const cyd = "cyd@example.org"
		p.do(p.enrol(p.list, cyd, nil))
		p.overlap(func(ctx context.Context, tx *database.Tx) error { // by this package alone
			return p.store.Erase(ctx, tx, p.person(cyd).ID, "test")
		}, p.enrol(newList(t, p.db), cyd, &done))
		if !errors.Is(done[0].Err, subscribers.ErrSuppressed) || p.person(cyd).ID != 0 {
			p.Errorf("%+v", done)
		}
		const bob = "bob@example.org"
		p.do(p.enrol(newList(t, p.db), bob, nil))
		p.overlap(erase(bob), func(ctx context.Context, tx *database.Tx) error {
			_, err := p.store.SignUp(ctx, tx, subscribers.SignUp{ListID: p.list, Person: subscribers.Person{Address: parse(t, bob)}, Source: "form", At: p.db.Now(), Confirmer: nobody{}})
			return err
		})
		if letters, err := p.senders.LettersTo(t.Context(), id); err != nil || len(letters) != 0 {
			p.Errorf("%d letters to an erased person; %v", len(letters), err)
		}
		subs, err := p.store.Subscriptions(t.Context(), p.person(bob).ID)
		if err != nil || len(subs) != 1 || subs[0].Status != subscribers.Pending {
			p.Errorf("who signs up after an erasure is new: %+v %v", subs, err)
		}
	})
}

// nobody is a confirmer without letters.
type nobody struct{}

func (nobody) Ready(context.Context, *database.Tx, subscribers.List) error { return nil }
func (nobody) Confirm(context.Context, *database.Tx, subscribers.List, subscribers.Subscriber) error {
	return nil
}

func (nobody) Already(context.Context, *database.Tx, subscribers.List, subscribers.Subscriber) error {
	return nil
}

func (nobody) Invite(context.Context, *database.Tx, subscribers.List, subscribers.Subscriber, subscribers.Invited) error {
	return nil
}
func (nobody) Access(context.Context, *database.Tx, subscribers.Subscriber) error { return nil }

func TestOrder_AYesInTheLastSecondAndItsExpiry(t *testing.T) {
	eachParish(t, "", func(p *parish) {
		p.fill(ada)
		p.accepted()
		asked := p.db.Now()
		p.clock.move(subscribers.PendingFor - time.Second)
		var became string
		p.overlap(p.yes(ada, asked, &became), func(ctx context.Context, tx *database.Tx) error {
			p.clock.move(2 * time.Second)
			_, err := p.store.ExpirePending(ctx, tx, 10)
			return err
		})
		if p.agree(ada); p.status(ada) != "confirmed" {
			p.Error(p.status(ada))
		}
	})
}

// A wish for fewer mails is about all lists, those that are being joined too.
func TestOrder_AWishAndAnImport(t *testing.T) {
	eachParish(t, "", func(p *parish) {
		p.do(p.enrol(p.list, ada, nil))
		wish := func(days int64) change {
			return func(ctx context.Context, tx *database.Tx) error {
				return p.store.Frequency(ctx, tx, p.person(ada).ID, days)
			}
		}
		p.overlap(p.enrol(newList(t, p.db), ada, nil), wish(7))
		p.expectWish(ada, 7, 0)
		p.overlap(wish(14), p.enrol(newList(t, p.db), ada, nil))
		p.expectWish(ada, 14, 0)
		p.overlap(wish(0), p.enrol(newList(t, p.db), ada, nil))
		p.expectWish(ada, 0, 0)
	})
}

// expectWish wants every subscription of a person to say the same.
func (p *parish) expectWish(email string, days, paused int64) {
	p.Helper()
	subs, err := p.store.Subscriptions(p.Context(), p.person(email).ID)
	if err != nil {
		p.Fatal(err)
	}
	for _, s := range subs {
		if s.EveryDays != days || s.PausedUntil != paused {
			p.Errorf("list %d: at most one in %d days, paused until %d; want %d and %d", s.ListID, s.EveryDays, s.PausedUntil, days, paused)
		}
	}
}

// watchedCampaign is a launched one with a link.
func (p *parish) watchedCampaign() (id int64) {
	p.Helper()
	senders, err := p.senders.Senders(p.Context())
	if err != nil {
		p.Fatal(err)
	}
	p.do(func(ctx context.Context, tx *database.Tx) error {
		c, err := p.campaigns.Create(ctx, tx, campaign.Campaign{
			Name: "Menu", Subject: "The menu", Tracking: true, SenderID: senders[0].ID, ListIDs: []int64{p.list},
			HTML: `<p><a href="https://shop.example.com/menu">Menu</a> <a href="{{ unsubscribe_url }}">Leave</a></p>`,
		})
		if err == nil {
			_, err = p.campaigns.Launch(ctx, tx, c.ID, time.Time{}, campaign.Canary{}, campaign.Clearance{})
		}
		id = c.ID
		return err
	})
	return id
}

// What somebody follows while they take back their agreement to be watched is not kept.
func TestOrder_UnwatchedWhileALinkIsFollowed(t *testing.T) {
	eachParish(t, "", func(p *parish) {
		c := p.watchedCampaign()
		p.do(p.enrol(p.list, ada, nil))
		id := p.person(ada).ID
		p.do(func(ctx context.Context, tx *database.Tx) error {
			return p.store.Track(ctx, tx, id, true, "test", "yes")
		})
		one, two := databasetest.Overlap(t, p.db, func(ctx context.Context, tx *database.Tx) error { return p.campaigns.Unwatch(ctx, tx, id, "test") }, func() error {
			_, err := p.campaigns.Follow(t.Context(), c, id, 1)
			return err
		})
		var rows int64
		if err := errors.Join(one, two, p.db.Get(t.Context(), &rows, `SELECT COUNT(*) FROM interactions`)); err != nil || rows != 0 {
			p.Errorf("%d rows of somebody who is not watched; %v", rows, err)
		}
	})
}

// Who was erased while their mail was under way is not written down again by
// the answer to it.
func TestErase_IsNotUndoneByAnAnswer(t *testing.T) {
	eachParish(t, "", func(p *parish) {
		p.do(p.enrol(p.list, ada, nil))
		id := p.person(ada).ID
		processor := feedback.NewProcessor(feedback.Options{DB: p.db, People: p.store, Campaigns: p.campaigns, Sending: p.senders, Pace: throttle.NewStore(p.db), Noes: subscribers.NewNoes(p.store), Log: quiet()})
		p.do(func(ctx context.Context, tx *database.Tx) error { return p.campaigns.Erase(ctx, tx, id, "test") })
		p.do(func(ctx context.Context, tx *database.Tx) error {
			_, err := processor.Answered(ctx, tx, []feedback.Answer{{
				Delivery: campaign.Delivery{CampaignID: 1, SubscriberID: id}, SubscriberID: id, Email: ada,
				Outcome: sending.Outcome{Verdict: sending.Failed, Class: "dead_address", Code: 550, Enhanced: "5.1.1", Text: "no such user"},
			}}, throttle.RateTally{})
			return err
		})
		all, err := p.store.Suppressions(t.Context(), subscribers.SuppressionFilter{ListID: -1}, "", 0, 10)
		if err != nil || len(all) != 0 {
			p.Errorf("%+v %v", all, err)
		}
	})
}

// All kinds of changes at once, about few people: nobody waits for somebody who
// waits for them.
func TestOrder_NobodyWaitsInACircle(t *testing.T) {
	eachParish(t, "address=100000/24h", func(p *parish) {
		second := newList(t, p.db)
		lists, emails := []int64{p.list, second}, []string{ada, "bob@example.org", "eve@example.org", "dan@example.org"}
		var page []subscribers.Person
		for _, e := range emails {
			page = append(page, subscribers.Person{Address: parse(t, e), Attributes: `{"n": 1}`})
		}
		var turn atomic.Int64
		draw := func(n int) int { return int(turn.Add(7)+turn.Load()/3) % n }
		id := func() int64 { return p.person(emails[draw(len(emails))]).ID }
		changes := []change{
			func(ctx context.Context, tx *database.Tx) error {
				_, err := p.store.Enroll(ctx, tx, lists[draw(2)], page, stated(), true)
				return err
			},
			func(ctx context.Context, tx *database.Tx) error {
				_, _, err := p.greeter.SignUp(ctx, tx, subscribers.SignUp{ListID: lists[draw(2)], Person: page[draw(len(page))], Source: "api", At: p.db.Now()})
				return err
			},
			func(ctx context.Context, tx *database.Tx) error {
				_, err := p.store.Confirm(ctx, tx, subscribers.Confirmation{ListID: lists[draw(2)], SubscriberID: id(), AskedAt: p.db.Now()})
				return err
			},
			func(ctx context.Context, tx *database.Tx) error {
				return p.store.LeaveBy(ctx, tx, subscribers.Leaving{SubscriberID: id(), Source: "page"}, lists, draw(2) == 0)
			},
			func(ctx context.Context, tx *database.Tx) error {
				return p.store.Suppress(ctx, tx, page[draw(len(page))].Address, []int64{0, p.list, second}[draw(3)], []string{subscribers.Complaint, subscribers.HardBounce}[draw(2)], "test")
			},
			func(ctx context.Context, tx *database.Tx) error {
				return p.store.Frequency(ctx, tx, id(), int64(draw(30)))
			},
			func(ctx context.Context, tx *database.Tx) error { return p.campaigns.Erase(ctx, tx, id(), "test") },
			func(ctx context.Context, tx *database.Tx) error {
				_, err := p.store.Undo(ctx, tx, id(), 0)
				return err
			},
			func(ctx context.Context, tx *database.Tx) error { // as the recorder does
				if err := tx.Gate(ctx, false); err != nil {
					return err
				}
				if err := p.store.Hold(ctx, tx, []int64{id(), id()}); err != nil {
					return err
				}
				return p.store.Suppress(ctx, tx, page[draw(len(page))].Address, 0, subscribers.HardBounce, "test")
			},
		}
		var all sync.WaitGroup
		for worker := range 6 {
			all.Go(func() {
				for n := range 25 {
					err := p.db.Write(t.Context(), func(tx *database.Tx) error { return changes[(worker+n)%len(changes)](t.Context(), tx) })
					if err != nil && strings.Contains(err.Error(), "deadlock") {
						p.Error(err)
					}
				}
			})
		}
		all.Wait()
		for _, e := range emails {
			p.agree(e)
		}
	})
}

// A yes in the last second before silence would have meant a no.
func TestOrder_AnAnswerAndItsLapse(t *testing.T) {
	eachParish(t, "", func(p *parish) {
		p.do(p.enrol(p.list, ada, nil))
		id, asked := p.person(ada).ID, p.db.Now()
		p.do(func(ctx context.Context, tx *database.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO invitations (list_id, subscriber_id, kind, state, lapse, created_at, asked_at) VALUES (?, ?, 'reconfirm', 'asked', 'unsubscribe', ?, ?)`,
				p.list, id, asked.UnixMilli(), asked.UnixMilli())
			return err
		})
		p.clock.move(subscribers.PendingFor - time.Second)
		var became string
		one, two := databasetest.Overlap(p.T, p.db, p.yes(ada, asked, &became), func() error {
			p.clock.move(2 * time.Second)
			return p.greeter.Lapse(context.WithoutCancel(t.Context()), p.db.Write)
		})
		if err := errors.Join(one, two); err != nil || p.status(ada) != "confirmed" {
			p.Errorf("%s, and it became %s; %v", became, p.status(ada), err)
		}
		p.agree(ada)
	})
}
