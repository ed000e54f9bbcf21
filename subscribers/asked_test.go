package subscribers_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/sending"
	"facteur/subscribers"
)

const month = 31 * 24 * time.Hour

// Silence counts of those alone whom a mail has asked: not while it waits, not
// when it failed, was not let out, or came back.
func TestAsked_SilenceCountsFromTheAcceptedMail(t *testing.T) {
	eachParish(t, "", func(p *parish) {
		emails := []string{"asked@example.org", "waits@example.org", "failed@example.org", "returned@example.org"}
		for _, e := range emails {
			enroll(t, p.db, p.list, subscribers.Person{Address: parse(t, e)})
		}
		p.clock.move(time.Hour)
		p.do(func(ctx context.Context, tx *database.Tx) error {
			_, _, err := p.store.Reconfirm(ctx, tx, p.list, p.db.Now().UnixMilli(), 0, subscribers.LapseUnsubscribe)
			return err
		})
		forms := []string{"form-asked@example.org", "form-waits@example.org", "form-failed@example.org", "form-returned@example.org"}
		p.fill(forms...)
		invite := func() {
			t.Helper()
			if err := errors.Join(p.greeter.Invite(t.Context(), 100, p.db.Write), p.greeter.Lapse(t.Context(), p.db.Write)); err != nil {
				t.Fatal(err)
			}
		}
		invite()
		of := func(email string) []subscribers.Asking {
			return []subscribers.Asking{{ListID: p.list, SubscriberID: p.person(email).ID}}
		}
		for _, kind := range []string{"", "form-"} {
			p.do(func(ctx context.Context, tx *database.Tx) error {
				for _, who := range []string{"asked", "returned"} {
					if err := p.store.Asked(ctx, tx, of(kind+who+"@example.org")); err != nil {
						return err
					}
				}
				for _, who := range []string{"failed", "returned"} {
					if err := p.store.NotAsked(ctx, tx, of(kind+who+"@example.org")); err != nil {
						return err
					}
				}
				return nil
			})
		}
		p.clock.move(month)
		invite()
		if n := p.expire(); n != 1 {
			t.Errorf("%d expired, want the one that was asked", n)
		}
		for email, want := range map[string]string{
			emails[0]: "unsubscribed", emails[1]: "confirmed", emails[2]: "confirmed", emails[3]: "confirmed",
			forms[0]: "", forms[1]: "pending", forms[2]: "pending", forms[3]: "pending",
		} {
			if got := p.status(email); got != want {
				t.Errorf("%s is %q, want %q", email, got, want)
			}
		}
		if got := p.answer("form-waits@example.org", p.db.Now().Add(-month)); got != subscribers.NotAwaited {
			t.Errorf("a link that is older than a month: %s", got)
		}
		p.do(func(ctx context.Context, tx *database.Tx) error { // at last it is accepted
			return p.store.Asked(ctx, tx, append(of("waits@example.org"), of("form-waits@example.org")...))
		})
		written := p.db.Now().Add(-29 * 24 * time.Hour)
		p.clock.move(29 * 24 * time.Hour)
		if got := p.answer("form-waits@example.org", written); got != subscribers.NowConfirmed {
			t.Errorf("a link of which the mail was accepted 29 days ago: %s", got)
		}
		p.clock.move(2 * 24 * time.Hour)
		invite()
		if got := p.status("waits@example.org"); got != "unsubscribed" {
			t.Errorf("asked and silent for 31 days: %s", got)
		}
		p.clock.move(month)
		if n := p.expire(); n != 2 || p.person("form-failed@example.org").ID != 0 {
			t.Errorf("%d forgotten whom no mail could ask in 90 days", n)
		}
	})
}

// answer is a person's yes to what was written at a time.
func (p *parish) answer(email string, written time.Time) (became string) {
	p.Helper()
	id := p.person(email).ID
	p.do(func(ctx context.Context, tx *database.Tx) (err error) {
		became, err = p.store.Confirm(ctx, tx, subscribers.Confirmation{ListID: p.list, SubscriberID: id, AskedAt: written})
		return err
	})
	return became
}

// A list that cannot write keeps no other waiting, and invitations that do not
// go are not piled up.
func TestInvitations_OfAListThatCannotWriteStarveNoOther(t *testing.T) {
	eachParish(t, "", func(p *parish) {
		mute := newList(t, p.db)
		emails := make([]subscribers.Person, 600)
		for i := range emails {
			emails[i] = subscribers.Person{Address: parse(t, fmt.Sprintf("p%d@example.org", i))}
		}
		for _, list := range []int64{mute, p.list} {
			for at := 0; at < len(emails); at += 300 {
				enroll(t, p.db, list, emails[at:at+300]...)
			}
			p.clock.move(time.Hour)
			p.do(func(ctx context.Context, tx *database.Tx) error {
				if _, err := tx.Exec(ctx, `UPDATE lists SET sender_id = 99 WHERE id = ?`, mute); err != nil { // it is gone
					return err
				}
				_, _, err := p.store.Reconfirm(ctx, tx, list, p.db.Now().UnixMilli(), 0, subscribers.LapseKeep)
				return err
			})
		}
		for range 15 {
			_ = p.greeter.Invite(t.Context(), 10_000, p.db.Write) // it says what is wrong with the other
		}
		var written []sending.Letter
		if err := p.db.Select(t.Context(), &written, `SELECT kind, list_id FROM letters`); err != nil {
			t.Fatal(err)
		}
		for _, l := range written {
			if l.Kind != sending.InvitationLetter || l.ListID != p.list {
				t.Fatalf("wrote %+v", l)
			}
		}
		if len(written) != 500 {
			t.Errorf("%d invitations are written and have not gone, want 500", len(written))
		}
	})
}
