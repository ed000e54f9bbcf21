package worker

import (
	"context"
	"errors"

	"facteur/feedback"
	"facteur/internal/database"
	"facteur/sending"
	"facteur/subscribers"
	"facteur/throttle"
)

// settleLetters writes the answers to letters, and what follows for people who
// were asked for their yes: they have been once the letter is accepted.
func (r *Recorder) settleLetters(ctx context.Context, tx *database.Tx) error {
	if len(r.answered) == 0 {
		return nil
	}
	if err := r.senders.SettleLetters(ctx, tx, r.answered); err != nil {
		return err
	}
	var asked, missed []subscribers.Asking
	for _, v := range r.answered {
		if !v.Written {
			continue
		}
		who := subscribers.Asking{ListID: v.ListID, SubscriberID: v.SubscriberID}
		switch {
		case v.Asks() && v.Outcome.Verdict == sending.Sent:
			asked = append(asked, who)
		case v.Asks() && v.Outcome.Verdict == sending.Failed:
			missed = append(missed, who)
		}
		if v.Outcome.Verdict == sending.Failed && v.Outcome.Class.Hard() {
			r.refused = append(r.refused, feedback.Answer{SubscriberID: v.SubscriberID, LetterID: v.ID, RelayID: v.RelayID, Email: v.Email, Outcome: v.Outcome})
		}
	}
	if err := r.people.Asked(ctx, tx, asked); err != nil {
		return err
	}
	return r.people.NotAsked(ctx, tx, missed)
}

// lettersAllowed keeps the letters that nothing stops and whose addressee may
// be mailed, and skips those of the others for good.
func (r *Recorder) lettersAllowed(ctx context.Context, tx *database.Tx, letters []*turn, brakes throttle.Brakes) ([]*turn, error) {
	if len(letters) == 0 {
		return nil, nil
	}
	if _, err := r.campaigns.With(tx).Stopped(ctx); !errors.Is(err, database.ErrNotFound) {
		for _, t := range letters {
			t.why.reread = true
		}
		return nil, err
	}
	mails := make([]*letterMail, len(letters))
	for i, t := range letters {
		mails[i] = t.next.(*letterMail)
	}
	pass, err := r.letterGate(ctx, tx, mails)
	if err != nil {
		return nil, err
	}
	kept := letters[:0]
	for i, t := range letters {
		t.why.reread = !mails[i].letter.Urgent() && brakes.Held(mails[i].lane) != "" // nobody waits for it
		if pass[i] && !t.why.reread {
			kept = append(kept, t)
		}
	}
	return kept, nil
}

// letterGate is the last gate: it tells whose addressee may be mailed, by
// [passes], and skips the others for good. The caller holds [database.Tx.Gate].
func (r *Recorder) letterGate(ctx context.Context, tx *database.Tx, mails []*letterMail) ([]bool, error) {
	of := make([]subscribers.Addressee, len(mails))
	for i, m := range mails {
		of[i] = m.addressee()
	}
	standings, err := r.people.Standings(ctx, tx, of)
	if err != nil {
		return nil, err
	}
	pass := make([]bool, len(mails))
	var refused []sending.LetterAttempt
	var reasons []string
	var missed []subscribers.Asking
	now := r.patience.Watch.Sure(r.db.Now()) // a clock that jumps ends no letter
	for i, m := range mails {
		reason := refusal(m.letter, standings[i], now)
		if pass[i], m.skipped = reason == "", reason != ""; pass[i] {
			continue
		}
		refused, reasons = append(refused, m.attempt()), append(reasons, reason)
		if m.letter.Asks() && reason != answered {
			missed = append(missed, subscribers.Asking{ListID: m.letter.ListID, SubscriberID: m.letter.SubscriberID})
		}
	}
	if err := r.senders.SkipLetters(ctx, tx, refused, reasons); err != nil {
		return nil, err
	}
	return pass, r.people.NotAsked(ctx, tx, missed)
}

// beginLetters marks the attempts of those for whom the caps have room.
func (r *Recorder) beginLetters(ctx context.Context, tx *database.Tx, letters []*turn, caps *claims) error {
	var kept []*turn
	var attempts []sending.LetterAttempt
	for _, t := range letters {
		if m := t.next.(*letterMail); caps.pass(t, m) {
			kept, attempts = append(kept, t), append(attempts, m.attempt())
		}
	}
	begun, err := r.senders.BeginLetters(ctx, tx, attempts)
	if err != nil {
		return err
	}
	for i, t := range kept {
		if t.ok = begun[i]; t.ok {
			caps.begun(t.next.(*letterMail))
		}
	}
	return nil
}
