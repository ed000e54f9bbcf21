package worker

import (
	"errors"
	"testing"

	"facteur/campaign"
	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/sending"
	"facteur/throttle"
)

// letterAt is a letter to Ada that a door's process has taken and that asks to begin.
func (d *door) letterAt(kind string) *letterMail {
	d.Helper()
	b := d.delivery.batch
	l := sending.Letter{ID: d.db.NewID(), Kind: kind, SenderID: b.made.version.Sender.ID, Email: d.delivery.person.Email, Message: "Subject: hello\r\n\r\nHello.\r\n"}
	if kind == sending.InvitationLetter {
		l.SubscriberID, l.ListID = d.delivery.person.ID, d.list
		d.exec(`UPDATE subscriptions SET status = 'pending'`)
		d.exec(`INSERT INTO invitations (list_id, subscriber_id, kind, state, lapse, created_at, asked_at) VALUES (?, ?, 'import', 'written', 'keep', 0, 0)`, d.list, l.SubscriberID)
	}
	d.write(func(tx *database.Tx) error { return d.senders.WriteLetter(d.ctx, tx, l) })
	m := &letterMail{
		worker: d.Worker, sender: b.made.version.Sender, line: b.line, execution: d.db.NewID(), to: d.delivery.to,
		lane: b.lane, laneID: b.Lane, date: b.Date, result: make(chan bool, 1),
	}
	var ok bool
	var err error
	m.letter, ok, err = d.senders.TakeLetter(d.ctx, l.ID, d.process.Session(), m.execution)
	if d.must(err); !ok {
		d.Fatal("not taken")
	}
	return m
}

// Laws 3 and 9: a letter passes the same door as a delivery.
func TestBegin_EachGuardAloneRefusesALetter(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind   string
		forbid func(d *door, m *letterMail)
		passes bool
	}{
		"nothing":                   {kind: sending.TestLetter, passes: true},
		"nothing, to an invitation": {kind: sending.InvitationLetter, passes: true},
		"a stop": {kind: sending.AccessLetter, forbid: func(d *door, _ *letterMail) {
			d.write(func(tx *database.Tx) error {
				_, err := d.campaigns.StopAll(d.ctx, tx, "wrong price")
				return err
			})
		}},
		"a no since": {kind: sending.TestLetter, forbid: func(d *door, _ *letterMail) {
			d.write(func(tx *database.Tx) error {
				return d.people.Suppress(d.ctx, tx, d.delivery.to, 0, "complaint", "test")
			})
		}},
		"an invitation to one who left": {kind: sending.InvitationLetter, forbid: func(d *door, m *letterMail) {
			d.write(func(tx *database.Tx) error {
				_, err := d.people.Leave(d.ctx, tx, m.letter.SubscriberID, []int64{d.list}, "test")
				return err
			})
		}},
		"an invitation to one whom the list holds back": {kind: sending.InvitationLetter, forbid: func(d *door, _ *letterMail) {
			d.write(func(tx *database.Tx) error {
				return d.people.Suppress(d.ctx, tx, d.delivery.to, d.list, "manual", "test")
			})
		}},
		"an erasure": {kind: sending.TestLetter, forbid: func(d *door, _ *letterMail) {
			d.write(func(tx *database.Tx) error { return d.people.Erase(d.ctx, tx, d.delivery.person.ID, "test") })
		}},
		"an invitation that is answered": {kind: sending.InvitationLetter, forbid: func(d *door, _ *letterMail) { d.exec(`DELETE FROM invitations`) }},
		"an invitation to one who is gone": {kind: sending.InvitationLetter, forbid: func(d *door, _ *letterMail) {
			d.exec(`DELETE FROM subscriptions`)
		}},
		"a letter of a process that is written off": {kind: sending.AccessLetter, forbid: func(d *door, _ *letterMail) {
			d.write(func(tx *database.Tx) error {
				return d.senders.AbandonLetters(d.ctx, tx, d.process.Session(), d.db.Now().UnixMilli())
			})
		}},
		"another execution":        {kind: sending.AccessLetter, forbid: func(d *door, _ *letterMail) { d.exec(`UPDATE letters SET execution = execution + 1`) }},
		"a letter given back":      {kind: sending.AccessLetter, forbid: func(d *door, _ *letterMail) { d.exec(`UPDATE letters SET session = 0`) }},
		"a day that is spent":      {kind: sending.AccessLetter, forbid: func(d *door, _ *letterMail) { d.exec(`UPDATE warmup_days SET used = cap`) }},
		"a day it has no place in": {kind: sending.AccessLetter, forbid: func(_ *door, m *letterMail) { m.date = 0 }},
		"the invitations' share": {kind: sending.InvitationLetter, forbid: func(d *door, _ *letterMail) {
			d.exec(`UPDATE warmup_days SET used = cap / 2, invitations = cap / 2`)
		}},
		"that share, to a link":         {kind: sending.AccessLetter, passes: true, forbid: func(d *door, _ *letterMail) { d.exec(`UPDATE warmup_days SET used = cap / 2, invitations = cap / 2`) }},
		"a held lane, to an invitation": {kind: sending.InvitationLetter, forbid: func(d *door, _ *letterMail) { d.trip(d.delivery.batch.lane.Scope()) }},
		"a held lane, to a link":        {kind: sending.AccessLetter, passes: true, forbid: func(d *door, _ *letterMail) { d.trip(d.delivery.batch.lane.Scope()) }},
		"the invitations' share of an hour": {kind: sending.InvitationLetter, forbid: func(d *door, _ *letterMail) {
			d.write(func(tx *database.Tx) error {
				_, err := d.pace.SetLimit(d.ctx, tx, throttle.AllScope, throttle.Limit{PerHour: 20})
				d.must(err)
				begun := map[throttle.Begun]int64{{Lane: d.delivery.batch.Lane, CampaignID: throttle.Invitations}: throttle.InvitationsShare(20)}
				return d.pace.CountBegins(d.ctx, tx, begun)
			})
		}},
		"an hour's limit": {kind: sending.AccessLetter, forbid: func(d *door, _ *letterMail) {
			d.write(func(tx *database.Tx) error {
				_, err := d.pace.SetLimit(d.ctx, tx, throttle.AllScope, throttle.Limit{PerHour: 1})
				d.must(err)
				return d.pace.CountBegins(d.ctx, tx, map[throttle.Begun]int64{{Lane: d.delivery.batch.Lane}: 1})
			})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			databasetest.Each(t, func(t *testing.T, db *database.DB) {
				d := newDoor(t, db)
				m := d.letterAt(c.kind)
				if c.forbid != nil {
					c.forbid(d, m)
				}
				if ok := d.recorder.turn(m.line, nil, m); ok != c.passes {
					t.Errorf("begun: %v", ok)
				}
			})
		})
	}
}

// A refusal that was rolled back is none: the letter must not be taken for done.
func TestBegin_ARefusalOfALetterEndsWithItsTransaction(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		d := newDoor(t, db)
		m := d.letterAt(sending.InvitationLetter)
		d.exec(`UPDATE subscriptions SET status = 'unsubscribed', left_at = 1`)
		failed := errors.New("of another message")
		err := d.db.Write(d.ctx, func(tx *database.Tx) error {
			d.must(d.recorder.begin(d.ctx, tx, []*turn{{line: m.line, next: m}}, campaign.Tally{}))
			return failed
		})
		if !errors.Is(err, failed) || !m.skipped {
			t.Fatalf("%v, refused: %v", err, m.skipped)
		}
		d.write(func(tx *database.Tx) error {
			_, err := d.campaigns.StopAll(d.ctx, tx, "wrong price")
			return err
		})
		begun := d.recorder.turn(m.line, nil, m)
		l, err := d.senders.Letter(d.ctx, m.letter.ID)
		if d.must(err); begun || m.skipped != (l.Status == "skipped") {
			t.Errorf("begun: %v, taken for refused: %v, and is %s", begun, m.skipped, l.Status)
		}
	})
}
