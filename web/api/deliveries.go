package api

import (
	"context"
	"time"

	"facteur/campaign"
)

// Delivery is one person's part of a campaign.
type Delivery struct {
	SubscriberID  ID         `json:"subscriber_id"`
	Email         string     `json:"email,omitempty" doc:"Only for tokens with subscribers:read."`
	Status        string     `json:"status" enum:"queued,sending,sent,deferred,failed,skipped,uncertain"`
	Provider      string     `json:"provider"`
	Reason        string     `json:"reason" doc:"Why it was deferred, failed or skipped."`
	Attempts      int        `json:"attempts"`
	Doubts        int        `json:"doubts" doc:"How often the answer was lost after the message had begun."`
	RelayID       *ID        `json:"relay_id"`
	Code          int        `json:"code" doc:"Of the last SMTP answer; 0: none yet."`
	Enhanced      string     `json:"enhanced"`
	Answer        string     `json:"answer" doc:"Its text, without the address."`
	NextAttemptAt *time.Time `json:"next_attempt_at"`
	FirstAt       *time.Time `json:"first_at" doc:"The first attempt."`
	BegunAt       *time.Time `json:"begun_at" doc:"The last attempt."`
	SettledAt     *time.Time `json:"settled_at"`
}

func (c *calls) deliveries(ctx context.Context, in *struct {
	ByID
	Paging
	Status  string `query:"status" enum:"queued,sending,sent,deferred,failed,skipped,uncertain"`
	Doubted bool   `query:"doubted" doc:"Only those that ever were in doubt."`
},
) (Page[Delivery], error) {
	if _, err := c.Campaigns.Campaign(ctx, in.id()); err != nil {
		return Page[Delivery]{}, err
	}
	found, err := c.Campaigns.Deliveries(ctx, in.id(), campaign.DeliveryStatus(in.Status), in.Doubted, in.Cursor.int(), in.Limit+1)
	if err != nil {
		return Page[Delivery]{}, err
	}
	emails, err := c.emails(ctx, found)
	if err != nil {
		return Page[Delivery]{}, err
	}
	page := pageOf(in.Paging, found, func(d campaign.Delivery) int64 { return d.SubscriberID }, deliveryOf)
	for i := range page.Items {
		lane, err := c.Pace.Lane(ctx, found[i].Lane)
		if err != nil {
			return Page[Delivery]{}, err
		}
		page.Items[i].Provider, page.Items[i].Email = lane.Provider, emails[found[i].SubscriberID]
	}
	return page, nil
}

// emails are the addresses of those who were mailed, for who may see them.
func (c *calls) emails(ctx context.Context, found []campaign.Delivery) (map[int64]string, error) {
	if !askedBy(ctx).actor.May("subscribers:read") {
		return nil, nil
	}
	ids := make([]int64, len(found))
	for i, d := range found {
		ids[i] = d.SubscriberID
	}
	people, err := c.People.People(ctx, ids)
	emails := make(map[int64]string, len(people))
	for _, p := range people {
		emails[p.ID] = p.Email
	}
	return emails, err
}

func deliveryOf(d campaign.Delivery) Delivery {
	out := Delivery{
		SubscriberID: idOf(d.SubscriberID), Status: string(d.Status), Reason: d.Reason, Attempts: d.Attempts, Doubts: d.Doubts,
		Code: d.Code, Enhanced: d.Enhanced, Answer: d.Answer, FirstAt: at(d.FirstAt), BegunAt: at(d.BegunAt), SettledAt: at(d.SettledAt),
	}
	if d.Status == campaign.Deferred || d.Status == campaign.Uncertain {
		out.NextAttemptAt = at(d.NotBefore)
	}
	if d.RelayID != 0 {
		id := idOf(d.RelayID)
		out.RelayID = &id
	}
	return out
}
