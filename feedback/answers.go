package feedback

import (
	"context"
	"fmt"

	"facteur/campaign"
	"facteur/internal/database"
	"facteur/sending"
	"facteur/throttle"
	"facteur/unsubscribe"
)

// Answer is a refusal in the dialogue that ended a mail: of a delivery, or of a
// letter when the delivery is zero.
type Answer struct {
	Delivery     campaign.Delivery // zero for a letter
	SubscriberID int64             // 0: a letter to nobody on our lists
	LetterID     int64
	RelayID      int64
	Email        string
	Outcome      sending.Outcome
}

// Answered writes the answers of a commit that settles them, with what follows,
// and adds them to the rates, which the caller writes last of all. The events
// are for [Processor.Told] once they are durable.
func (p *Processor) Answered(ctx context.Context, tx *database.Tx, answers []Answer, rates throttle.RateTally) ([]Event, error) {
	w := p.work(tx, "")
	w.rates = rates
	var events []Event
	for _, a := range answers {
		w.source = fmt.Sprintf("relay:%d", a.RelayID)
		sub := &subject{ref: unsubscribe.Reference{CampaignID: a.Delivery.CampaignID, SubscriberID: a.SubscriberID}, delivery: a.Delivery, email: a.Email, key: keyOf(a.Delivery)}
		sub.delivery.Status = campaign.Failed
		if sub.ofLetter() {
			sub.key, sub.letter.ID = fmt.Sprintf("l:%d", a.LetterID), a.LetterID
		}
		o := a.Outcome
		e, err := w.bounced(ctx, Event{
			Kind: Bounce, Class: string(o.Class), CampaignID: a.Delivery.CampaignID, SubscriberID: a.SubscriberID, LetterID: a.LetterID, Source: w.source, FoundBy: ByAnswer,
			Status: o.Enhanced, Code: o.Code, Diagnostic: o.Text, Effect: Noted,
		}, sub, o.Class)
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}

// Told takes note of what [Processor.Answered] has written, once it is durable.
func (p *Processor) Told(events []Event) {
	for _, e := range events {
		if e.Effect == Suppressed {
			p.Noes.Add(e.SubscriberID)
		}
	}
	p.counted(events)
}
