package feedback

import (
	"context"
	"fmt"
	"time"

	"facteur/internal/journal"
	"facteur/sending/reply"
	"facteur/subscribers"
	"facteur/throttle"
)

// A mailbox that could not be reached is given up when this many campaigns
// failed in a row, over at least so long, within the time after which a failure
// is forgotten.
const (
	softCampaigns = 3
	softSpan      = 21 * 24 * time.Hour
	softMemory    = 90 * 24 * time.Hour
)

// reported is how long a report takes at most: a mail accepted longer ago, of
// which nothing came back, has arrived.
const reported = 3 * 24 * time.Hour

// bounced: dead addresses at once, full mailboxes when they stay so, and never
// for what is about us.
func (w *work) bounced(ctx context.Context, e Event, sub *subject, class reply.Class) (Event, error) {
	what := string(class)
	soft := class == reply.MailboxFull || class == reply.Temporary
	switch {
	case class.Hard():
		what = "hard"
	case soft:
		what = "soft" // one of a campaign counts
	}
	fresh, err := w.store.insert(ctx, w.tx, sub.key+":"+what, &e)
	if err != nil {
		return e, err
	}
	if !fresh {
		e.Effect = Duplicate
		return e, nil
	}
	if l := sub.letter; l.Asks() {
		// It did not reach the person: their silence will mean nothing.
		if err := w.People.NotAsked(ctx, w.tx, []subscribers.Asking{{ListID: l.ListID, SubscriberID: l.SubscriberID}}); err != nil {
			return e, err
		}
	}
	e.Effect = Noted
	switch {
	case class.Hard():
		ok, err := w.suppress(ctx, sub, subscribers.HardBounce)
		if err != nil {
			return e, err
		}
		if ok {
			e.Effect = Suppressed
		}
		w.hard(e, sub)
	case soft && !sub.ofLetter():
		if e.Effect, err = w.soften(ctx, sub); err != nil {
			return e, err
		}
		w.rate(sub, throttle.Outcomes{Soft: 1})
	}
	return e, w.tell(ctx, e)
}

func (w *work) hard(e Event, sub *subject) {
	if e.FoundBy == ByAnswer {
		w.rate(sub, throttle.Outcomes{Refused: 1})
		return
	}
	w.rate(sub, throttle.Outcomes{Returned: 1})
}

// soften counts the campaigns that could not reach a person lately, since the
// last that did.
func (w *work) soften(ctx context.Context, sub *subject) (Effect, error) {
	now := w.DB.Now()
	since := now.Add(-softMemory).UnixMilli()
	failed, err := w.store.With(w.tx).failures(ctx, sub.ref.SubscriberID, since)
	if err != nil {
		return Counted, err
	}
	arrived, err := w.Campaigns.With(w.tx).SentSince(ctx, sub.ref.SubscriberID, since)
	if err != nil {
		return Counted, err
	}
	var last int64 // of the mails that arrived
	for id, at := range arrived {
		if _, came := failed[id]; !came && at < now.Add(-reported).UnixMilli() {
			last = max(last, at)
		}
	}
	first, newest, n := int64(0), int64(0), 0
	for _, at := range failed {
		if at < last {
			continue
		}
		if n++; first == 0 || at < first {
			first = at
		}
		newest = max(newest, at)
	}
	if n < softCampaigns || newest-first < softSpan.Milliseconds() {
		return Counted, nil
	}
	ok, err := w.suppress(ctx, sub, subscribers.SoftBounce)
	if err != nil || !ok {
		return Counted, err
	}
	return Suppressed, nil
}

// failures are the campaigns that bounced for somebody, with the time.
func (s *Store) failures(ctx context.Context, subscriberID, since int64) (map[int64]int64, error) {
	var rows []struct {
		CampaignID int64 `db:"campaign_id"`
		At         int64 `db:"at"`
	}
	err := s.q.Select(ctx, &rows, `SELECT campaign_id, MAX(at) AS at FROM feedback WHERE subscriber_id = ? AND kind = 'bounce' AND class IN ('mailbox_full', 'temporary')
		AND campaign_id <> 0 AND at > ? GROUP BY campaign_id`, subscriberID, since)
	found := make(map[int64]int64, len(rows))
	for _, r := range rows {
		found[r.CampaignID] = r.At
	}
	return found, err
}

// complained ends all mail to the person, whatever is known already: they have
// said so again.
func (w *work) complained(ctx context.Context, e Event, sub *subject) (Event, error) {
	fresh, err := w.store.insert(ctx, w.tx, sub.key+":complaint", &e)
	if err != nil {
		return e, err
	}
	ok, err := w.suppress(ctx, sub, subscribers.Complaint)
	if err != nil {
		return e, err
	}
	if !fresh {
		e.Effect = Duplicate
		return e, nil
	}
	if e.Effect = Noted; ok {
		e.Effect = Suppressed
	}
	w.rate(sub, throttle.Outcomes{Complained: 1})
	return e, w.tell(ctx, e)
}

// left ends the subscriptions by which the mail came, however often it is said:
// the person may have come back in between.
func (w *work) left(ctx context.Context, e Event, sub *subject, once string) (Event, error) {
	if sub.ofLetter() {
		return e, nil // letters come by no list
	}
	lists, err := w.Campaigns.With(w.tx).ReachedBy(ctx, sub.ref.CampaignID, sub.ref.SubscriberID)
	if err != nil {
		return e, err
	}
	word := subscribers.Leaving{SubscriberID: sub.ref.SubscriberID, CampaignID: sub.ref.CampaignID, Source: "mailto", AskedAt: w.DB.Now().UnixMilli()}
	if err := w.People.LeaveBy(ctx, w.tx, word, lists, false); err != nil {
		return e, err
	}
	w.changed = append(w.changed, sub.ref.SubscriberID)
	fresh, err := w.store.insert(ctx, w.tx, sub.key+":unsubscribe:"+once, &e)
	if err != nil {
		return e, err
	}
	if e.Effect = Unsubscribed; !fresh {
		e.Effect = Duplicate
		return e, nil
	}
	return e, w.tell(ctx, e)
}

// tell writes what has followed, to the event and to the journal: the person's
// history, and what is told to others.
func (w *work) tell(ctx context.Context, e Event) error {
	if err := w.store.affect(ctx, w.tx, e); err != nil {
		return err
	}
	object, id := "subscriber", e.SubscriberID
	if id == 0 {
		object, id = "letter", e.LetterID
	}
	details := map[string]any{"event": fmt.Sprint(e.ID), "effect": e.Effect, "source": e.Source}
	for name, value := range map[string]string{"class": e.Class, "status": e.Status, "answer": e.Diagnostic} {
		if value != "" {
			details[name] = value
		}
	}
	if e.CampaignID != 0 {
		details["campaign"] = fmt.Sprint(e.CampaignID)
	}
	return journal.Write(ctx, w.tx, string(e.Kind), object, id, details)
}
