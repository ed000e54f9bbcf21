package sending_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/sending"
	"facteur/sending/smtp"
)

// mailbag is a house with a sender, whose letters it writes.
type mailbag struct {
	*house
	sender, relay int64
}

func eachBag(t *testing.T, test func(b *mailbag)) {
	each(t, func(h *house) {
		if _, err := h.createDomain(sending.Domain{Name: "news.test"}); err != nil {
			h.Fatal(err)
		}
		relay := h.createRelay(sending.Relay{Host: "relay.test"}).ID
		s, err := h.createSender(sending.Sender{FromEmail: "ann@news.test", PostalAddress: "1 Road", RelayIDs: []int64{relay}})
		if err != nil {
			h.Fatal(err)
		}
		test(&mailbag{h, s.ID, relay})
	})
}

const (
	campaignID = 77
	process    = 3
	execution  = 300
)

func (b *mailbag) post() int64 {
	b.Helper()
	id := b.db.NewID()
	b.do(func(ctx context.Context, tx *database.Tx) error {
		return b.WriteLetter(ctx, tx, sending.Letter{ID: id, Kind: sending.TestLetter, CampaignID: campaignID, SenderID: b.sender, Email: "bob@example.test", Message: "Subject: x\r\n\r\n"})
	})
	return id
}

func (b *mailbag) take(id, session, execution int64) bool {
	b.Helper()
	l, ok, err := b.TakeLetter(b.Context(), id, session, execution)
	if err != nil {
		b.Fatal(err)
	}
	if ok && (l.ID != id || l.Status != "queued" || l.Email != "bob@example.test" || !strings.HasPrefix(l.Message, "Subject")) {
		b.Errorf("took %+v", l)
	}
	return ok
}

func (b *mailbag) begin(id, execution int64, attempt int) (ok bool) {
	b.Helper()
	b.do(func(ctx context.Context, tx *database.Tx) (err error) {
		begun, err := b.BeginLetters(ctx, tx, []sending.LetterAttempt{{ID: id, Execution: execution, Number: attempt, RelayID: b.relay}})
		ok = err == nil && begun[0]
		return err
	})
	return ok
}

// settle tells what became of an attempt whose body had begun.
func (b *mailbag) settle(id int64, attempt int, o sending.Outcome, nextTry int64) (written bool) {
	b.Helper()
	return b.tell(sending.SettledLetter{Letter: sending.Letter{ID: id, Attempts: attempt - 1}, Outcome: o, NextTry: nextTry})
}

func (b *mailbag) tell(v sending.SettledLetter) bool {
	b.Helper()
	told := []sending.SettledLetter{v}
	b.do(func(ctx context.Context, tx *database.Tx) error { return b.SettleLetters(ctx, tx, told) })
	return told[0].Written
}

// abandon hands on what a session has left; begun letters are sent again at a time.
func (b *mailbag) abandon(session, again int64) {
	b.Helper()
	b.do(func(ctx context.Context, tx *database.Tx) error { return b.AbandonLetters(ctx, tx, session, again) })
}

// is checks a letter's status, attempts and doubts.
func (b *mailbag) is(id int64, status string, attempts, doubts int) sending.Letter {
	b.Helper()
	all, err := b.Letters(b.Context(), campaignID, 100)
	if err != nil {
		b.Fatal(err)
	}
	for _, l := range all {
		if l.ID == id {
			if l.Status != status || l.Attempts != attempts || l.Doubts != doubts {
				b.Fatalf("%s with %d attempts and %d doubts, want %s with %d and %d", l.Status, l.Attempts, l.Doubts, status, attempts, doubts)
			}
			return l
		}
	}
	b.Fatalf("letter %d is not there", id)
	return sending.Letter{}
}

// due are the letters that may be sent now.
func (b *mailbag) due() (ids []int64) {
	b.Helper()
	due, err := b.DueLetters(b.Context(), false)
	if err != nil {
		b.Fatal(err)
	}
	for _, l := range due {
		ids = append(ids, l.ID)
	}
	return ids
}

var laterOutcome = sending.Outcome{Verdict: sending.Deferred, Class: sending.Temporary, Stage: smtp.Rcpt, Code: 451, Enhanced: "4.7.1", Text: "greylisted"}

func TestLetter_IsSentOnce(t *testing.T) {
	eachBag(t, func(b *mailbag) {
		id := b.post()
		if l := b.is(id, "queued", 0, 0); l.CreatedAt != b.ms() || l.Kind != sending.TestLetter || l.SenderID != b.sender {
			b.Errorf("written: %+v", l)
		}
		if got := b.due(); len(got) != 1 || got[0] != id {
			b.Fatalf("due: %v", got)
		}
		for range 2 { // again, after a commit without an answer
			if !b.take(id, process, execution) {
				b.Fatal("not taken")
			}
		}
		if b.take(id, process+1, execution+1) || len(b.due()) != 0 {
			b.Error("taken by two")
		}
		if b.begin(id, execution+1, 1) {
			b.Error("begun by one who has not taken it")
		}
		for range 2 {
			if !b.begin(id, execution, 1) {
				b.Fatal("not begun")
			}
		}
		if b.begin(id, execution, 2) {
			b.Error("begun again while it is under way")
		}
		b.is(id, "sending", 1, 0)
		b.now = b.now.Add(time.Second)
		b.settle(id, 1, good, 0)
		if l := b.is(id, "sent", 1, 0); l.Code != 250 || l.SettledAt != b.ms() || l.RelayID != b.relay {
			b.Errorf("settled: %+v", l)
		}
		b.settle(id, 1, doubt, 0)
		b.is(id, "sent", 1, 0)
		if b.take(id, process, execution) || b.begin(id, execution, 1) || b.begin(id, execution, 2) || len(b.due()) != 0 {
			b.Error("a sent letter goes again")
		}
	})
}

func TestLetter_IsTriedAgainWhenItWasDeferred(t *testing.T) {
	eachBag(t, func(b *mailbag) {
		id := b.post()
		b.take(id, process, execution)
		refused := sending.SettledLetter{Letter: sending.Letter{ID: id}, Execution: execution + 1, Unbegun: true, Outcome: laterOutcome, NextTry: b.ms() + 60_000, Reason: "temporary"}
		if b.tell(refused) {
			b.Error("an execution that has not taken it settles it")
		}
		if refused.Execution = execution; !b.tell(refused) { // the envelope was refused: it never began
			b.Error("not settled")
		}
		if l := b.is(id, "deferred", 1, 0); l.Answer != "greylisted" || l.Enhanced != "4.7.1" {
			b.Errorf("%+v", l)
		}
		if b.begin(id, execution, 2) {
			b.Error("begun by the execution that has settled it")
		}
		if got := b.due(); len(got) != 0 {
			b.Errorf("due too early: %v", got)
		}
		b.now = b.now.Add(time.Minute)
		if got := b.due(); len(got) != 1 {
			b.Fatalf("due: %v", got)
		}
		if !b.take(id, process, execution+1) || !b.begin(id, execution+1, 2) {
			b.Fatal("not tried again")
		}
		b.settle(id, 1, doubt, 0) // of the first attempt
		b.is(id, "sending", 2, 0)
		b.settle(id, 2, dead, 0)
		b.is(id, "failed", 2, 0)
	})
}

func TestLetter_IsGivenBack(t *testing.T) {
	eachBag(t, func(b *mailbag) {
		id := b.post()
		b.take(id, process, execution)
		back := func(execution int64) {
			b.Helper()
			if err := b.GiveBackLetter(b.Context(), id, execution, b.ms()+1000); err != nil {
				b.Fatal(err)
			}
		}
		back(execution + 1) // not its
		if b.take(id, process, execution+1) {
			b.Fatal("given back by another")
		}
		back(execution)
		if b.begin(id, execution, 1) || len(b.due()) != 0 {
			b.Error("begun after it was given back, or due too early")
		}
		b.now = b.now.Add(time.Second)
		if len(b.due()) != 1 || !b.take(id, process, execution+1) || !b.begin(id, execution+1, 1) {
			b.Fatal("not tried again")
		}
		back(execution + 1) // Begin's commit answered too late: not a byte was sent
		b.is(id, "queued", 1, 0)
	})
}

func TestLetter_InDoubtIsSentAgainOnce(t *testing.T) {
	eachBag(t, func(b *mailbag) {
		id := b.post()
		b.take(id, process, execution)
		b.begin(id, execution, 1)
		b.settle(id, 1, doubt, b.ms()+5000)
		b.is(id, "uncertain", 1, 1)
		if len(b.due()) != 0 || b.take(id, process, execution+1) || b.begin(id, execution, 1) || b.begin(id, execution, 2) {
			b.Error("it goes again at once")
		}
		b.now = b.now.Add(5 * time.Second)
		if len(b.due()) != 1 || !b.take(id, process, execution+1) || !b.begin(id, execution+1, 2) {
			b.Fatal("its second try is not due")
		}
		if b.settle(id, 1, doubt, b.ms()+5000); b.is(id, "sending", 2, 1).Held() {
			b.Error("held by what is known")
		}
		b.settle(id, 2, doubt, 0)
		b.now = b.now.Add(time.Hour)
		if l := b.is(id, "uncertain", 2, 2); !l.Held() || len(b.due()) != 0 || b.take(id, process, execution+2) {
			b.Errorf("sent again by machine: %+v", l)
		}
		b.settle(id, 2, good, 0) // the answer was only late
		b.is(id, "sent", 2, 2)
	})
}

// A late 250 settles a doubt wherever it waits; the second try then never begins.
func TestLetter_IsSettledByALateAnswer(t *testing.T) {
	for _, c := range []struct {
		name string
		wait func(b *mailbag, id int64)
	}{
		{"that is in doubt", func(*mailbag, int64) {}},
		{"whose second try was taken", func(b *mailbag, id int64) { b.take(id, process, execution+1) }},
		{"whose second try was put off", func(b *mailbag, id int64) {
			b.take(id, process, execution+1)
			b.tell(sending.SettledLetter{Letter: sending.Letter{ID: id, Attempts: 1}, Execution: execution + 1, Unbegun: true, Outcome: laterOutcome, NextTry: b.ms() + 1000})
		}},
		{"whose second try is in doubt as well", func(b *mailbag, id int64) {
			b.take(id, process, execution+1)
			b.begin(id, execution+1, 2)
			b.settle(id, 2, doubt, 0)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachBag(t, func(b *mailbag) {
				id := b.post()
				b.take(id, process, execution)
				b.begin(id, execution, 1)
				b.settle(id, 1, doubt, b.ms())
				c.wait(b, id)
				if !b.settle(id, 1, good, 0) {
					b.Error("refused")
				}
				b.now = b.now.Add(time.Minute)
				if l := b.is(id, "sent", b.attempts(id), b.doubts(id)); l.Wait != 0 || len(b.due()) != 0 || b.take(id, process, execution+2) || b.begin(id, execution+1, 2) {
					b.Errorf("it goes again: %+v", l)
				}
			})
		})
	}
}

func (b *mailbag) attempts(id int64) int { l, _ := b.Letter(b.Context(), id); return l.Attempts }
func (b *mailbag) doubts(id int64) int   { l, _ := b.Letter(b.Context(), id); return l.Doubts }

func TestLetter_OfAProcessThatEndedIsHandedOn(t *testing.T) {
	eachBag(t, func(b *mailbag) {
		begun, taken, others := b.post(), b.post(), b.post()
		b.take(begun, process, execution)
		b.begin(begun, execution, 1)
		b.take(taken, process, execution+1)
		b.take(others, process+1, execution+2)
		b.abandon(process, b.ms()+1000)
		if l := b.is(begun, "uncertain", 1, 1); l.Answer == "" || l.Reason == "" {
			b.Error("it does not say why it is in doubt")
		}
		b.is(taken, "queued", 0, 0)
		if got := b.due(); len(got) != 1 || got[0] != taken {
			b.Errorf("due: %v, want the one that had not begun", got)
		}
		if b.begin(taken, execution+1, 1) {
			b.Error("a process that was given up begins")
		}
		if !b.begin(others, execution+2, 1) {
			b.Error("another process's letter was abandoned")
		}
		b.now = b.now.Add(time.Second)
		if got := b.due(); len(got) != 2 {
			b.Errorf("due: %v, want the second try too", got)
		}
		b.take(begun, process+1, execution+3)
		b.begin(begun, execution+3, 2)
		b.abandon(process+1, b.ms())
		if l := b.is(begun, "uncertain", 2, 2); !l.Held() {
			b.Errorf("a second doubt is sent again by machine: %+v", l)
		}
		b.settle(begun, 1, good, 0) // law 4: knowledge is never refused
		b.is(begun, "sent", 2, 2)
	})
}

func TestLetter_GoesToAnAddressOnly(t *testing.T) {
	eachBag(t, func(b *mailbag) {
		err := b.write(func(ctx context.Context, tx *database.Tx) error {
			return b.WriteLetter(ctx, tx, sending.Letter{ID: 1, SenderID: b.sender, Email: "nobody"})
		})
		if got := refusedField(b.T, err); got != "to" {
			b.Errorf("%v, want to blame to", err)
		}
	})
}

func TestAnonymous_TakesTheAddressOutOfAnAnswer(t *testing.T) {
	for _, c := range []struct{ text, email, want string }{
		{"no such user bob@example.test", "bob@example.test", "no such user (recipient)"},
		{"<Bob@Example.TEST>: <bob@example.test> unknown", "bob@example.test", "<(recipient)>: <(recipient)> unknown"},
		{"<bob@example.test> unknown", "BOB@example.test", "<(recipient)> unknown"},
		{"Zoé@example.test? zoé@example.test!", "zoé@example.test", "(recipient)? (recipient)!"},
		{"ok", "bob@example.test", "ok"},
		{"", "bob@example.test", ""},
		{"no user", "", "no user"},
		{"no user straße@example.test", "straẞe@example.test", "no user (recipient)"},
		{"İstanbul refuses bob@example.test", "bob@example.test", "İstanbul refuses (recipient)"},
	} {
		if got := sending.Anonymous(c.text, c.email); got != c.want {
			t.Errorf("%q without %q: %q, want %q", c.text, c.email, got, c.want)
		}
	}
}

// Letters are offered for each sender and rank by itself, the first ranks
// first; those of a sender whose relays take nothing are not offered.
func TestDueLetters_AreFair(t *testing.T) {
	eachBag(t, func(b *mailbag) {
		muted := b.createRelay(sending.Relay{Host: "muted.test"}).ID
		other, err := b.createSender(sending.Sender{FromEmail: "bob@news.test", PostalAddress: "1 Road", RelayIDs: []int64{muted}})
		if err != nil {
			b.Fatal(err)
		}
		var alarm, access int64
		b.do(func(ctx context.Context, tx *database.Tx) error {
			post := func(sender int64, kind string) (id int64, err error) {
				id = b.db.NewID()
				return id, b.WriteLetter(ctx, tx, sending.Letter{ID: id, Kind: kind, SenderID: sender, Email: "bob@example.test"})
			}
			for range 250 {
				for _, sender := range []int64{other.ID, b.sender} {
					if _, err := post(sender, sending.InvitationLetter); err != nil {
						return err
					}
				}
			}
			if alarm, err = post(b.sender, sending.AlarmLetter); err != nil {
				return err
			}
			access, err = post(b.sender, sending.AccessLetter)
			return err
		})
		b.do(func(ctx context.Context, tx *database.Tx) error {
			_, err := b.Rest(ctx, tx, muted, sending.Trouble{Reason: "of the test", Refused: true})
			return err
		})
		due := b.due()
		if len(due) != 202 || due[0] != access || due[1] != alarm {
			b.Errorf("%d are due, want the access link, the alarm and a page of invitations", len(due))
		}
	})
}

// A doubt waits until its relay answers plainly; where nothing else shows
// that, one doubt does. Those of a relay that swallows wait for a person.
func TestDueLetters_InDoubtWaitForTheirRelay(t *testing.T) {
	eachBag(t, func(b *mailbag) {
		ids := []int64{b.post(), b.post(), b.post()}
		for i, id := range ids {
			b.take(id, process, execution+int64(i))
			b.begin(id, execution+int64(i), 1)
			b.settle(id, 1, doubt, b.ms())
		}
		b.do(func(ctx context.Context, tx *database.Tx) error {
			_, err := b.Rest(ctx, tx, b.relay, sending.Trouble{Reason: "of the test", Doubts: true})
			return err
		})
		b.now = b.now.Add(time.Minute) // it may be tried again
		if got := b.due(); len(got) != 0 {
			b.Errorf("due: %v, though a campaign's mail can show how the relay answers", got)
		}
		b.now = b.now.Add(time.Minute)
		if due, err := b.DueLetters(b.Context(), true); err != nil || len(due) != 1 {
			b.Errorf("due: %d (%v), want one that tries the relay", len(due), err)
		}
		b.do(func(ctx context.Context, tx *database.Tx) error { return b.HoldLetterDoubts(ctx, tx, b.relay) })
		for _, id := range ids {
			if l := b.is(id, "uncertain", 1, 1); !l.Held() {
				b.Errorf("not held: %+v", l)
			}
		}
	})
}

// What is held goes once more at a person's word, and is held again if its
// answer is lost again.
func TestLetter_HeldIsSentAgainByAPerson(t *testing.T) {
	eachBag(t, func(b *mailbag) {
		id := b.post()
		resend := func() error {
			return b.db.Write(b.Context(), func(tx *database.Tx) error { _, err := b.ResendLetter(b.Context(), tx, id); return err })
		}
		if err := resend(); !errors.Is(err, database.ErrConflict) {
			b.Errorf("a letter that is not held: %v", err)
		}
		for n := 1; n <= 3; n++ {
			b.now = b.now.Add(time.Minute)
			if !b.take(id, process, execution+int64(n)) || !b.begin(id, execution+int64(n), n) {
				b.Fatal("not sent")
			}
			next := b.ms()
			if n > 1 {
				next = 0
			}
			b.settle(id, n, doubt, next)
			held, err := b.HeldLetters(b.Context(), 0, 10)
			if err != nil || len(held) != min(n-1, 1) {
				b.Fatalf("%d held after %d doubts, %v", len(held), n, err)
			}
			if n == 2 {
				if err := resend(); err != nil {
					b.Fatal(err)
				}
			}
			if wrong, err := b.CheckLetters(b.Context()); err != nil || len(wrong) > 0 {
				b.Errorf("%+v, %v", wrong, err)
			}
		}
	})
}

// A state that contradicts itself is named.
func TestCheckLetters_NamesWhatWouldWaitForEver(t *testing.T) {
	eachBag(t, func(b *mailbag) {
		id := b.post()
		for _, broken := range []string{
			`wait = 0`, `session = 7`, `status = 'sending'`, `status = 'sent'`, `status = 'deferred', wait = 0`, `status = 'uncertain'`, `status = 'skipped', wait = 0`, `doubts = 1`, `status = 'lost'`,
		} {
			b.do(func(ctx context.Context, tx *database.Tx) error {
				_, err := tx.Exec(ctx, `UPDATE letters SET `+broken)
				return err
			})
			if wrong, err := b.CheckLetters(b.Context()); err != nil || len(wrong) != 1 || wrong[0].ID != id {
				b.Errorf("%s: %+v, %v", broken, wrong, err)
			}
			b.do(func(ctx context.Context, tx *database.Tx) error {
				_, err := tx.Exec(ctx, `UPDATE letters SET status = 'queued', wait = 2, session = 0, doubts = 0, attempts = 0`)
				return err
			})
		}
	})
}
