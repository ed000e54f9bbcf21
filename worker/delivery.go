package worker

import (
	"errors"
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

// delivery is one person's message of a batch on its way; a [smtp.Mail].
type delivery struct {
	batch  *batch
	row    campaign.Delivery // as loaded; attempts are those before this one
	person subscribers.Subscriber
	to     address.Address
	lists  []int64   // those by which the message came
	at     time.Time // the Date of every attempt
	tries  int       // connections lost before its body
	ended  bool      // settled or skipped: nothing to return
	asked  int64     // when the gate was last asked about this person, Unix nanoseconds

	release func() // of the places it takes among limited connections; nil: none

	permitted, begun time.Time               // for the metrics, as is the next
	became           campaign.DeliveryStatus // by its answer
}

func (d *delivery) ref() unsubscribe.Reference {
	return unsubscribe.Reference{CampaignID: d.row.CampaignID, SubscriberID: d.row.SubscriberID}
}

// Envelope is the delivery's own return path (VERP), or the sender's address.
func (d *delivery) Envelope() (from, to string, utf8 bool) {
	v := &d.batch.made.version.Sender
	from = v.FromEmail
	if d.batch.line.relay.Envelope == sending.VERP {
		from = d.ref().ReturnAddress(d.batch.worker.composer.keys, v.ReturnPath)
	}
	return from, d.to.Wire(), !d.to.ASCII()
}

// Ready asks, before the envelope is written, what would make the begin be
// refused. It is a courtesy: an open envelope can only be taken back by
// closing the connection.
func (d *delivery) Ready() bool {
	w := d.batch.worker
	if !d.batch.goOn() {
		d.batch.give(d)
		return false
	}
	if now := w.db.Now(); d.batch.hours.Next(now, d.person.Timezone).After(now) {
		d.batch.give(d) // their quiet hours have begun: the next batch lets them wait
		return false
	}
	if (w.noes.Has(d.row.SubscriberID) || w.recorder.refusals.people.Load() > d.asked) && w.recorder.left(d) {
		d.batch.end(d)
		return false
	}
	return true
}

func (d *delivery) Compose(dst []byte) ([]byte, error) {
	c := d.batch.worker.composer
	s := c.scratch.Get().(*scratch)
	defer c.scratch.Put(s)
	c.recipient(s, d.batch.made, d.ref(), &d.person, d.to.Wire(), d.row.Lists, d.at)
	if field := d.batch.line.mark; field != "" {
		s.Headers = append(append(append(append(append(s.Headers, field...), ": "...), s.MessageID...), '\r'), '\n')
		s.headers = s.Headers
	}
	message := d.batch.made.whole(&d.person)
	if d.batch.signer == nil {
		return message.Append(dst, &s.Recipient)
	}
	var err error
	if s.message, err = message.Append(s.message[:0], &s.Recipient); err != nil {
		return dst, err
	}
	return signed(dst, d.batch.signer, s.message, d.batch.worker.db.Now())
}

// signed writes a message behind dst with its DKIM signatures before it.
func signed(dst []byte, signer *dkim.Signer, message []byte, now time.Time) ([]byte, error) {
	out, err := signer.Append(dst, message, now)
	if err != nil {
		return dst, err
	}
	return append(out, message...), nil
}

// Return takes the delivery back: its body never began. A begin that we
// refused is no connection lost.
func (d *delivery) Return(why error) {
	if d.ended {
		d.batch.end(d)
		return
	}
	if !errors.Is(why, smtp.ErrRefused) {
		d.tries++
	}
	d.batch.give(d)
}

// free gives its places among limited connections to others.
func (d *delivery) free() {
	if d.release != nil {
		d.release()
		d.release = nil
	}
}

// passage names the scopes whose limits it passes: its batch's.
func (d *delivery) passage() throttle.Passage { return d.batch.passage() }

// claim is the day of a warm-up's cap in which it is reserved.
func (d *delivery) claim() claim { return claim{d.batch.Lane, d.batch.Date} }

// attempt is the begin of this delivery.
func (d *delivery) attempt() campaign.Attempt {
	b := d.batch
	return campaign.Attempt{
		CampaignID: d.row.CampaignID, SubscriberID: d.row.SubscriberID, BatchID: b.ID, Execution: b.Execution,
		Number: d.row.Attempts + 1, RelayID: b.line.relay.ID, Provider: b.lane.Provider, FirstAt: d.at.UnixMilli(),
	}
}

// ask is the last gate's question about this delivery.
func (d *delivery) ask() subscribers.Ask {
	return subscribers.Ask{SubscriberID: d.row.SubscriberID, Key: d.person.Key, Lists: d.lists}
}

// settled is what the answer makes of this attempt.
func (d *delivery) settled(begun bool, o sending.Outcome, patience campaign.Patience, now time.Time, rested int64) campaign.Settled {
	row := d.row
	row.Attempts++
	next := patience.Settle(d.row, o, d.batch.onUncertain, now, rested)
	d.became = next.Status
	o.Text = sending.Anonymous(sending.Anonymous(o.Text, d.to.Wire()), d.person.Email)
	return campaign.Settled{
		CampaignID: row.CampaignID, SubscriberID: row.SubscriberID, BatchID: d.batch.ID, Attempt: row.Attempts, Unbegun: !begun,
		RelayID: d.batch.line.relay.ID, Provider: d.batch.lane.Provider, First: row.Attempts == 1, Doubts: row.Doubts, Outcome: o,
		Next: next,
	}
}
