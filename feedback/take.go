package feedback

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"facteur/campaign"
	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/sending"
	"facteur/sending/reply"
	"facteur/subscribers"
	"facteur/throttle"
	"facteur/unsubscribe"
)

// subject is the mail that something is about.
type subject struct {
	ref      unsubscribe.Reference
	delivery campaign.Delivery // zero for a letter
	letter   sending.Letter    // zero for a delivery
	email    string            // "" when the person is erased
	key      string            // tells this mail from all others
}

func (s *subject) ofLetter() bool { return s.ref.CampaignID == 0 }

// take writes one sighting.
func (w *work) take(ctx context.Context, s Sighting) (Event, error) {
	e := Event{Kind: s.Kind, Class: string(s.Class), Source: w.source, Status: s.Status, Code: s.Code, Diagnostic: s.Diagnostic, Recipient: s.Recipient, Effect: Ignored}
	ref, by, ok := s.Signs.find(w.Keys)
	if ok {
		sub, err := w.load(ctx, ref)
		if err == nil {
			e.FoundBy = by
			return w.about(ctx, e, sub, s)
		}
		if !errors.Is(err, database.ErrNotFound) {
			return e, err
		}
	}
	if s.Kind != Bounce && s.Kind != Complaint {
		return e, nil
	}
	e.Effect, e.CampaignID = Unmatched, s.Signs.hint()
	if full, err := w.store.With(w.tx).full(ctx); err != nil || full {
		return e, err
	}
	fresh, err := w.store.insert(ctx, w.tx, "x:"+s.Once+":"+s.Recipient, &e)
	if err == nil && !fresh {
		e.Effect = Duplicate
	}
	return e, err
}

// load finds the delivery or letter; [database.ErrNotFound] for one that never left.
func (w *work) load(ctx context.Context, ref unsubscribe.Reference) (*subject, error) {
	s := &subject{ref: ref}
	if s.ofLetter() {
		var err error
		if s.letter, err = w.Sending.With(w.tx).Letter(ctx, ref.SubscriberID); err != nil {
			return nil, err
		}
		s.ref.SubscriberID, s.email, s.key = s.letter.SubscriberID, s.letter.Email, fmt.Sprintf("l:%d", s.letter.ID)
		return s, nil
	}
	d, err := w.Campaigns.With(w.tx).Delivery(ctx, ref.CampaignID, ref.SubscriberID)
	if err != nil {
		return nil, err
	}
	if d.Attempts == 0 {
		return nil, fmt.Errorf("delivery of campaign %d to %d has never left: %w", ref.CampaignID, ref.SubscriberID, database.ErrNotFound)
	}
	s.delivery, s.key = d, keyOf(d)
	p, err := w.People.With(w.tx).Subscriber(ctx, ref.SubscriberID)
	if err != nil && !errors.Is(err, database.ErrNotFound) {
		return nil, err
	}
	s.email = p.Email
	return s, nil
}

// keyOf tells a delivery from all others, and one that is sent anew from before.
func keyOf(d campaign.Delivery) string {
	return fmt.Sprintf("d:%d:%d:%d", d.CampaignID, d.SubscriberID, d.Run)
}

// about writes what is said about a mail that we know.
func (w *work) about(ctx context.Context, e Event, sub *subject, s Sighting) (Event, error) {
	e.CampaignID, e.SubscriberID, e.LetterID = sub.ref.CampaignID, sub.ref.SubscriberID, sub.letter.ID
	e.Diagnostic, e.Recipient = sending.Anonymous(sending.Anonymous(s.Diagnostic, s.Recipient), sub.email), ""
	settled, err := w.settle(ctx, sub)
	if err != nil {
		return e, err
	}
	if settled {
		e.Effect = Settled
	}
	class := s.Class
	if s.others && class.Hard() && !strings.EqualFold(s.Recipient, sub.email) {
		class = reply.Temporary // one of those whom the address stands for is gone, not the address
		e.Class = string(class)
	}
	switch s.Kind {
	case Bounce:
		return w.bounced(ctx, e, sub, class)
	case Complaint:
		return w.complained(ctx, e, sub)
	case Unsubscribe:
		return w.left(ctx, e, sub, s.Once)
	}
	return e, nil // automatic answers, and reports that it goes well
}

// settle ends the doubt about a delivery: what comes back was sent. So was one
// whose answer is still awaited, perhaps by a process that has died.
func (w *work) settle(ctx context.Context, sub *subject) (bool, error) {
	if sub.ofLetter() {
		settled, err := w.Sending.LetterReturned(ctx, w.tx, sub.letter.ID)
		if l := sub.letter; settled && l.Asks() {
			err = w.People.Asked(ctx, w.tx, []subscribers.Asking{{ListID: l.ListID, SubscriberID: l.SubscriberID}})
		}
		return settled, err
	}
	if sub.delivery.Archived {
		return false, nil
	}
	lane, err := w.Pace.With(w.tx).Lane(ctx, sub.delivery.Lane)
	if err != nil {
		return false, err
	}
	settled, err := w.Campaigns.Returned(ctx, w.tx, sub.delivery, lane.Provider, w.books)
	if settled {
		w.rates.Add(w.rated(sub), throttle.Outcomes{Accepted: 1})
	}
	return settled, err
}

// rate counts what came of a mail, where its lane and its day are still known.
func (w *work) rate(sub *subject, o throttle.Outcomes) {
	if !sub.ofLetter() && !sub.delivery.Archived {
		w.rates.Add(w.rated(sub), o)
	}
}

// rated is where the rates count this mail: on the day it was sent.
func (w *work) rated(sub *subject) throttle.Rated {
	at := w.DB.Now()
	if sub.delivery.Status == campaign.Accepted && sub.delivery.SettledAt > 0 {
		at = database.Time(sub.delivery.SettledAt)
	}
	return throttle.Rated{CampaignID: sub.ref.CampaignID, Lane: sub.delivery.Lane, Hour: throttle.Hour(at)}
}

// suppress makes the mail's address unmailable; false when it is erased.
func (w *work) suppress(ctx context.Context, sub *subject, reason string) (bool, error) {
	if sub.email == "" {
		return false, nil
	}
	if id := sub.ref.SubscriberID; id != 0 { // erased while their mail was on its way: nothing is held about them again
		_, err := w.People.With(w.tx).Subscriber(ctx, id)
		if errors.Is(err, database.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	a, err := address.Parse(sub.email)
	if err != nil {
		return false, err
	}
	if err := w.People.Suppress(ctx, w.tx, a, 0, reason, w.source); err != nil {
		return false, err
	}
	w.changed = append(w.changed, sub.ref.SubscriberID)
	return true, nil
}
