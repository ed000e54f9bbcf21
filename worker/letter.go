package worker

import (
	"time"

	"facteur/campaign"
	"facteur/internal/address"
	"facteur/sending"
	"facteur/sending/dkim"
	"facteur/sending/smtp"
	"facteur/subscribers"
	"facteur/throttle"
	"facteur/unsubscribe"
)

// letterMail is a letter on its way; a [smtp.Mail].
type letterMail struct {
	worker    *Worker
	letter    sending.Letter // as taken; attempts are those before this one
	sender    sending.Sender
	line      *line
	signer    *dkim.Signer // nil: the relay signs
	execution int64
	to        address.Address
	lane      throttle.Lane
	laneID    int64
	date      int64     // the day of a warm-up's cap that it counts in; 0: none
	release   func()    // of the places it takes among limited connections; nil: none
	unsure    bool      // its answer could not be written
	skipped   bool      // the gate has refused it for good
	result    chan bool // true: it has an answer; false: its body never began
}

func (m *letterMail) Envelope() (from, to string, utf8 bool) {
	from = m.sender.FromEmail
	if m.line.relay.Envelope == sending.VERP {
		// Campaign 0 stands for letters.
		from = unsubscribe.Reference{SubscriberID: m.letter.ID}.ReturnAddress(m.worker.composer.keys, m.sender.ReturnPath)
	}
	return from, m.to.Wire(), !m.to.ASCII()
}

func (m *letterMail) Ready() bool {
	w := m.worker
	if !w.process.Alive() || w.draining.Err() != nil || w.recorder.failing.Load() != 0 || w.halted(0) || m.spent() {
		m.Return(nil)
		return false
	}
	return true
}

func (m *letterMail) Compose(dst []byte) ([]byte, error) {
	if m.signer == nil {
		return append(dst, m.letter.Message...), nil
	}
	return signed(dst, m.signer, []byte(m.letter.Message), m.worker.db.Now())
}

// Return takes the letter back: its body never began.
func (m *letterMail) Return(error) {
	m.free()
	m.result <- false
}

// end notes that it has an answer.
func (m *letterMail) end() {
	m.free()
	m.result <- true
}

// free gives its places among limited connections to others.
func (m *letterMail) free() {
	if m.release != nil {
		m.release()
		m.release = nil
	}
}

// attempt is the begin of this letter.
func (m *letterMail) attempt() sending.LetterAttempt {
	return sending.LetterAttempt{ID: m.letter.ID, Execution: m.execution, Number: m.letter.Attempts + 1, RelayID: m.line.relay.ID}
}

// addressee is the last gate's question about this letter.
func (m *letterMail) addressee() subscribers.Addressee {
	l := m.letter
	return subscribers.Addressee{Key: m.to.Key(), SubscriberID: l.SubscriberID, ListID: l.ListID, WrittenAt: l.CreatedAt}
}

// settled is what the answer makes of this attempt: as of a delivery.
func (m *letterMail) settled(begun bool, o sending.Outcome, p campaign.Patience, now time.Time, rested int64) sending.SettledLetter {
	l := m.letter
	next := p.Settle(campaign.Delivery{Attempts: l.Attempts, Doubts: l.Doubts, DeferredAt: l.DeferredAt}, o, "resend", now, rested)
	o.Verdict = sending.Verdict(next.Status)
	o.Text = sending.Anonymous(o.Text, l.Email)
	return sending.SettledLetter{
		Letter: l, Execution: m.execution, Unbegun: !begun, Outcome: o, NextTry: next.NotBefore, DeferredAt: next.DeferredAt, Reason: next.Reason,
	}
}

// passage names the scopes whose limits it passes.
func (m *letterMail) passage() throttle.Passage {
	p := throttle.Passage{Lane: m.lane, RelayID: m.line.relay.ID}
	if !m.letter.Urgent() {
		p.CampaignID = throttle.Invitations
	}
	return p
}

// spent tells whether a limit or a cap that it passes, or its share of one, is
// known to be spent.
func (m *letterMail) spent() bool {
	return m.worker.recorder.refusals.isSpent(func(yield func(string) bool) {
		say := func(scope string) bool {
			return yield(scope) && (m.letter.Urgent() || yield(shareOf(scope)))
		}
		if k := m.claim(); k.date != 0 && !say(k.scope()) {
			return
		}
		for _, g := range m.worker.limits().Gates(m.passage()) {
			if g.Counted() && !say(g.Scope) {
				return
			}
		}
	})
}

// claim is the day of a warm-up's cap that it counts in.
func (m *letterMail) claim() claim { return claim{m.laneID, m.date} }

var (
	_ smtp.Mail = (*letterMail)(nil)
	_ smtp.Mail = (*delivery)(nil)
)
