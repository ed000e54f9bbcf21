package api

import (
	"context"
	"time"

	"facteur/internal/database"
	"facteur/subscribers"
)

// NewReach asks whom a segment means.
type NewReach struct {
	ListIDs []ID   `json:"list_ids" minItems:"1" maxItems:"60"`
	Segment string `json:"segment,omitempty" maxLength:"10000" example:"attributes.city = \"Lyon\" and locale = \"fr\""`
	Sample  int    `json:"sample,omitempty" minimum:"0" maximum:"100" default:"10" doc:"How many of the people to show."`
}

// Reach is whom a campaign would go to now.
type Reach struct {
	Recipients int64            `json:"recipients"`
	Excluded   map[string]int64 `json:"excluded" doc:"How many of the lists are left out, by reason; segment: those whom it does not mean."`
	Sample     []Subscriber     `json:"sample"`
}

func (c *calls) reach(ctx context.Context, in *struct{ Body NewReach }) (*kept[Reach], error) {
	r, err := c.Campaigns.Reach(ctx, ints(in.Body.ListIDs), in.Body.Segment, in.Body.Sample)
	if err != nil {
		return nil, err
	}
	out := Reach{Recipients: r.Recipients, Excluded: r.Excluded, Sample: make([]Subscriber, len(r.Sample))}
	for i, p := range r.Sample {
		out.Sample[i] = subscriberOf(p)
	}
	return encode(200, out)
}

// NewPreview says for whom.
type NewPreview struct {
	SubscriberID ID `json:"subscriber_id,omitempty" doc:"As this person would get it; none: somebody of whom nothing is known."`
}

// Preview is a campaign as a person would get it. Its links lead nowhere.
type Preview struct {
	Subject string `json:"subject"`
	HTML    string `json:"html"`
	Text    string `json:"text"`
	Locale  string `json:"locale" doc:"The person's, which chose the language."`
}

func (c *calls) preview(ctx context.Context, in *struct {
	ByID
	Body NewPreview
},
) (*kept[Preview], error) {
	mail, err := c.Campaigns.Campaign(ctx, in.id())
	if err != nil {
		return nil, err
	}
	if in.Body.SubscriberID != "" {
		if _, err := c.People.Subscriber(ctx, in.Body.SubscriberID.int()); err != nil {
			return nil, onField("subscriber_id", err)
		}
	}
	p, err := c.Preview(ctx, mail, in.Body.SubscriberID.int())
	if err != nil {
		return nil, err
	}
	return encode(200, Preview{p.Subject, p.HTML, p.Text, p.Locale})
}

// Left is a leaving.
type Left struct {
	ID           ID         `json:"id"`
	SubscriberID ID         `json:"subscriber_id"`
	CampaignID   *ID        `json:"campaign_id" doc:"Whose mail the way out was in."`
	ListIDs      []ID       `json:"list_ids"`
	Source       string     `json:"source"`
	Reason       string     `json:"reason"`
	Note         string     `json:"note"`
	LeftAt       *time.Time `json:"left_at"`
	HonouredMS   int64      `json:"honoured_ms" doc:"From the request's arrival until nothing could begin any more."`
	UndoneAt     *time.Time `json:"undone_at"`
}

// LeftPage is a part of the leavings, newest first, with the sum of all.
type LeftPage struct {
	Items   []Left  `json:"items"`
	Next    *ID     `json:"next"`
	Summary Summary `json:"summary" doc:"Of all that the query means, over the last 30 days."`
}

// Summary sums leavings up.
type Summary struct {
	Leavings          int64            `json:"leavings"`
	Undone            int64            `json:"undone"`
	HonouredLongestMS int64            `json:"honoured_longest_ms"`
	HonouredMeanMS    float64          `json:"honoured_mean_ms"`
	Reasons           map[string]int64 `json:"reasons" doc:"\"\": none was given."`
}

func (c *calls) leavings(ctx context.Context, in *struct {
	Paging
	CampaignID ID `query:"campaign_id"`
},
) (LeftPage, error) {
	found, err := c.People.Leavings(ctx, subscribers.LeavingFilter{CampaignID: in.CampaignID.int()}, in.Cursor.int(), in.Limit+1)
	if err != nil {
		return LeftPage{}, err
	}
	page := pageOf(in.Paging, found, func(l subscribers.Leaving) int64 { return l.ID }, func(l subscribers.Leaving) Left {
		out := Left{
			ID: idOf(l.ID), SubscriberID: idOf(l.SubscriberID), ListIDs: idsOf(l.Lists()), Source: l.Source, Reason: l.Reason, Note: l.Note,
			LeftAt: at(l.LeftAt), HonouredMS: l.LeftAt - l.AskedAt, UndoneAt: at(l.UndoneAt),
		}
		if l.CampaignID != 0 {
			id := idOf(l.CampaignID)
			out.CampaignID = &id
		}
		return out
	})
	sum, err := c.People.SumLeavings(ctx, in.CampaignID.int(), c.DB.Now().AddDate(0, 0, -30).UnixMilli())
	return LeftPage{page.Items, page.Next, Summary{sum.Leavings, sum.Undone, sum.LongestMS, sum.MeanMS, sum.Reasons}}, err
}

// HygieneReport says how a list is.
type HygieneReport struct {
	ID         ID                    `json:"id"`
	ListID     ID                    `json:"list_id"`
	Status     string                `json:"status" enum:"running,done,failed"`
	Error      string                `json:"error"`
	People     int64                 `json:"people" doc:"Confirmed ones that were looked at."`
	Unknown    int64                 `json:"unknown" doc:"Those whose domain DNS did not tell about."`
	Findings   []subscribers.Finding `json:"findings" doc:"role, typo, disposable, no_mail, never_sent, silent, three_years."`
	CreatedAt  *time.Time            `json:"created_at"`
	FinishedAt *time.Time            `json:"finished_at"`
}

func hygieneOf(r subscribers.HygieneReport) HygieneReport {
	out := HygieneReport{
		ID: idOf(r.ID), ListID: idOf(r.ListID), Status: r.Status, Error: r.Error, People: r.People, Unknown: r.Unknown, Findings: r.Findings,
		CreatedAt: at(r.CreatedAt), FinishedAt: at(r.FinishedAt),
	}
	if out.Findings == nil {
		out.Findings = []subscribers.Finding{}
	}
	return out
}

func (c *calls) examine(ctx context.Context, tx *database.Tx, in *ByID) (HygieneReport, error) {
	r, err := c.People.AskHygiene(ctx, tx, in.id())
	return hygieneOf(r), err
}

func (c *calls) hygiene(ctx context.Context, in *ByID) (HygieneReport, error) {
	r, err := c.People.Hygiene(ctx, in.id())
	return hygieneOf(r), err
}

// Decision is what is to become of the people of a finding.
type Decision struct {
	Finding string `json:"finding" enum:"role,typo,disposable,no_mail,never_sent,silent,three_years"`
	Action  string `json:"action" enum:"reconfirm,unsubscribe,erase" doc:"reconfirm: each is asked for their yes, and who does not answer in 30 days leaves."`
	After   ID     `json:"after,omitempty" doc:"The next of the answer before."`
}

// Decided says how far it was done.
type Decided struct {
	Done int64 `json:"done"`
	Next *ID   `json:"next" doc:"null at the end; otherwise ask again with it as after."`
}

func (c *calls) decide(ctx context.Context, in *struct {
	ByID
	Body Decision
},
) (*kept[Decided], error) {
	if _, err := c.People.List(ctx, in.id()); err != nil {
		return nil, err
	}
	return claimed(ctx, c, 200, bodyOf(ctx), func() (Decided, error) {
		n, next, err := c.Examiner.Apply(ctx, in.id(), in.Body.Finding, in.Body.Action, in.Body.After.int())
		out := Decided{Done: n}
		if next != 0 {
			id := idOf(next)
			out.Next = &id
		}
		return out, err
	})
}
