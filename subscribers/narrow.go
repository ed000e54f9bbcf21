package subscribers

import (
	"context"
	"time"

	"facteur/internal/database"
	"facteur/subscribers/segment"
)

// OutsideSegment is why a [Member] is left out whom the segment does not mean.
const OutsideSegment = "segment"

// SentTo finds what campaigns sent to people, as far as a condition needs it.
type SentTo func(ctx context.Context, ids []int64, needs segment.Needs) (map[int64]segment.Sent, error)

// Narrow leaves out the members whom a condition does not mean at a moment; a
// page of some hundreds at once. sent owns what was mailed to them.
func (s *Store) Narrow(ctx context.Context, members []Member, c *segment.Condition, sent SentTo, now time.Time) error {
	ids := make([]int64, 0, len(members))
	for _, m := range members {
		if m.Excluded == "" {
			ids = append(ids, m.ID)
		}
	}
	people, err := s.segmentPeople(ctx, ids, c.Needs(), sent)
	if err != nil {
		return err
	}
	for i := range members {
		m := &members[i]
		if m.Excluded != "" {
			continue
		}
		p := people[m.ID]
		if p == nil || !c.Match(p, now) {
			m.Excluded = OutsideSegment
		}
	}
	return nil
}

// segmentPeople reads people as conditions see them.
func (s *Store) segmentPeople(ctx context.Context, ids []int64, needs segment.Needs, sent SentTo) (map[int64]*segment.Person, error) {
	found, err := s.People(ctx, ids)
	if err != nil {
		return nil, err
	}
	people := make(map[int64]*segment.Person, len(found))
	for i := range found {
		p := &found[i]
		people[p.ID] = &segment.Person{
			Email: p.Email, Name: p.Name, Locale: p.Locale, Timezone: p.Timezone, Domain: domainOf(p.Key), Attributes: p.Attributes, CreatedAt: p.CreatedAt,
		}
	}
	if needs.Subscriptions && len(ids) > 0 {
		query, args, err := database.In(`SELECT list_id, subscriber_id, status, confirmed_at FROM subscriptions WHERE subscriber_id IN (?)`, ids)
		if err != nil {
			return nil, err
		}
		var sub Subscription
		err = s.q.Scan(ctx, query, args, []any{&sub.ListID, &sub.SubscriberID, (*string)(&sub.Status), &sub.ConfirmedAt}, func() {
			if p := people[sub.SubscriberID]; p != nil {
				p.Subscriptions = append(p.Subscriptions, segment.Subscription{ListID: sub.ListID, Status: string(sub.Status), ConfirmedAt: sub.ConfirmedAt})
			}
		})
		if err != nil {
			return nil, err
		}
	}
	if (needs.Sent || len(needs.Campaigns) > 0) && len(ids) > 0 {
		mails, err := sent(ctx, ids, needs)
		if err != nil {
			return nil, err
		}
		for id, p := range people {
			p.Sent = mails[id]
		}
	}
	return people, nil
}
