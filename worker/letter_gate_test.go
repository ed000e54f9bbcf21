package worker_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/sending"
	"facteur/sending/sandbox"
)

// Each kind of letter goes out in spite of noes of its own, and of no other:
// the test's own copy of the table in worker/letter_gate.go.
func TestLetters_AskTheLastGate(t *testing.T) {
	t.Parallel()
	noes := []string{"", "complaint", "all_mail", "manual", "hard_bounce", "soft_bounce", "left", "erased", "complaint since", "all_mail since", "left since"}
	everything := strings.Join(noes[1:], ",")
	passes := map[string]string{
		sending.AccessLetter:       "complaint,all_mail,manual,soft_bounce,left,erased,complaint since,all_mail since,left since",
		sending.ConfirmationLetter: "complaint,all_mail,left,erased",
		sending.AlreadyLetter:      "",
		sending.InvitationLetter:   "",
		sending.TestLetter:         "left,left since", // of no list
		sending.SeedLetter:         "left,left since",
		sending.AlarmLetter:        everything,
		sending.ProbeLetter:        everything,
	}
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		e, s := start(t, db), box(t, sandbox.Options{PlainNames: true})
		sender := e.sender(s, 4)
		var emails []string
		for kind := range passes {
			for i := range noes {
				emails = append(emails, fmt.Sprintf("%s%d@example.org", kind, i))
			}
		}
		v := &verdicts{engine: e, list: e.list("all", emails...), sender: sender}
		ids := map[string]int64{}
		for kind := range passes {
			for i, no := range noes {
				email := fmt.Sprintf("%s%d@example.org", kind, i)
				ids[email] = v.write(kind, email, no)
			}
		}
		for kind, passed := range passes {
			for i, no := range noes {
				email := fmt.Sprintf("%s%d@example.org", kind, i)
				want := "skipped"
				if no == "" || strings.Contains(","+passed+",", ","+no+",") {
					want = "sent"
				}
				l := e.became(ids[email], func(l sending.Letter) bool { return l.Status == "sent" || l.Status == "skipped" })
				if l.Status != want || (l.Reason == "") != (want == "sent") || len(s.Of(email)) == 0 != (want == "skipped") {
					t.Errorf("%s to somebody with %q: %s (%s), want %s; arrived: %v", kind, no, l.Status, l.Reason, want, s.Of(email))
				}
				sub, err := e.people.Subscription(context.Background(), v.list, e.person(email))
				if err != nil || (sub.AskedAt > 0) != (l.Asks() && want == "sent") {
					t.Errorf("%s to somebody with %q: asked at %d, %v", kind, no, sub.AskedAt, err)
				}
			}
		}
		if waiting, asked, err := e.people.Invitations(context.Background(), v.list); err != nil || waiting != 0 || asked != 1 {
			t.Errorf("invitations: %d wait, %d were asked (%v); those of the refused are closed", waiting, asked, err)
		}
	})
}

// verdicts writes letters to people who have said no.
type verdicts struct {
	*engine
	list, sender int64
}

// write lets somebody say a no, before the letter is written or since.
func (v *verdicts) write(kind, email, no string) (letter int64) {
	v.t.Helper()
	person := v.person(email)
	said, since := strings.CutSuffix(no, " since")
	if !since {
		v.engine.write(func(ctx context.Context, tx *database.Tx) error {
			if err := v.say(ctx, tx, person, email, said); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `UPDATE suppressions SET at = at - 1000 WHERE key = ?`, parse(v.t, email).Key()); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `UPDATE subscriptions SET left_at = left_at - 1000 WHERE subscriber_id = ? AND left_at > 0`, person)
			return err
		})
	}
	l := sending.Letter{Kind: kind, SenderID: v.sender, Email: email, Message: "Subject: hello\r\n\r\nHello.\r\n"}
	switch kind {
	case sending.ConfirmationLetter, sending.AlreadyLetter, sending.InvitationLetter:
		l.ListID, l.SubscriberID = v.list, person
	case sending.AccessLetter:
		l.SubscriberID = person
	}
	v.engine.write(func(ctx context.Context, tx *database.Tx) error {
		var err error
		switch kind {
		case sending.ConfirmationLetter: // signed up by form since
			_, err = tx.Exec(ctx, `UPDATE subscriptions SET status = 'pending' WHERE list_id = ? AND subscriber_id = ?`, v.list, person)
		case sending.InvitationLetter:
			_, err = tx.Exec(ctx, `INSERT INTO invitations (list_id, subscriber_id, kind, state, lapse, created_at, asked_at) VALUES (?, ?, 'reconfirm', 'written', 'keep', 0, 0)`, v.list, person)
		}
		if err != nil {
			return err
		}
		l.ID = v.db.NewID()
		if err := v.senders.WriteLetter(ctx, tx, l); err != nil || !since {
			return err
		}
		return v.say(ctx, tx, person, email, said)
	})
	return l.ID
}

// say lets somebody say no.
func (v *verdicts) say(ctx context.Context, tx *database.Tx, person int64, email, no string) error {
	a := parse(v.t, email)
	var err error
	switch no {
	case "complaint", "all_mail", "manual", "hard_bounce", "soft_bounce":
		err = v.people.Suppress(ctx, tx, a, 0, no, "test")
	case "left":
		_, err = v.people.Leave(ctx, tx, person, []int64{v.list}, "test")
	case "erased": // somebody of this address, before
		_, err = tx.Exec(ctx, `INSERT INTO tombstones (hash, at) VALUES (?, 0)`, v.keys.Tombstone(a.Key()))
	}
	return err
}
