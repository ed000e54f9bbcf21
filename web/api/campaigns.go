package api

import (
	"context"
	"time"

	"facteur/campaign"
	"facteur/internal/database"
)

// NewCampaign is a campaign's content and audience.
type NewCampaign struct {
	Name     string `json:"name" maxLength:"300" pattern:"^[^\\x00-\\x1f]*$" example:"May"`
	Subject  string `json:"subject" example:"News for {{ name }}" doc:"Liquid, as are html and text."`
	HTML     string `json:"html,omitempty" example:"<p>Hello {{ name }}</p>"`
	Text     string `json:"text,omitempty" example:"" doc:"Made from the HTML, if left out."`
	Markdown string `json:"markdown,omitempty" example:"" doc:"Instead of html: Markdown, with Liquid in it."`
	MJML     string `json:"mjml,omitempty" example:"" doc:"Instead of html: MJML, with Liquid in it."`
	Language string `json:"language,omitempty" maxLength:"35" example:"en" doc:"Of the content; en if left out."`
	ListIDs  []ID   `json:"list_ids" maxItems:"60"`
	SenderID ID     `json:"sender_id"`
	Segment  string `json:"segment,omitempty" example:"" doc:"Narrows the lists: attributes.city = \"Lyon\" and last_sent_at < 30 days ago; see docs/segments.md."`

	Tracking bool `json:"tracking,omitempty" doc:"See which links are followed and that the mail is opened, of those who agreed to that; nobody is watched otherwise."`

	Translations map[string]campaign.Content `json:"translations,omitempty" doc:"The content in other languages, by locale; who speaks none of them gets the one above."`
	QuietHours   *QuietHours                 `json:"quiet_hours,omitempty" doc:"No mail then, by the clock where the person lives."`
	AllowedDays  []string                    `json:"allowed_days,omitempty" maxItems:"7" enum:"mon,tue,wed,thu,fri,sat,sun" doc:"All, if left out; by the calendar where the person lives."`
	LocalTime    string                      `json:"local_time,omitempty" example:"" doc:"Everybody gets the mail at this time of their own, from the first one after the start on, and on no day before it; such as 09:00."`
	Timezone     string                      `json:"timezone,omitempty" maxLength:"64" example:"Europe/Paris" doc:"Of those whose own is not known; UTC if left out."`
	Priority     string                      `json:"priority,omitempty" enum:"high,normal,low" default:"normal" doc:"Who goes first where there is not room for all; campaigns of one priority share."`
	OnUncertain  string                      `json:"on_uncertain,omitempty" enum:"resend,hold" default:"resend" doc:"What becomes of a message whose answer was lost: sent once more, or held for a person."`
}

// CampaignLine is a campaign as a line of a list.
type CampaignLine struct {
	ID           ID         `json:"id"`
	Name         string     `json:"name"`
	Status       string     `json:"status" enum:"draft,scheduled,blocked,sending,paused,sent,cancelled"`
	StatusReason string     `json:"status_reason"`
	Subject      string     `json:"subject"`
	ListIDs      []ID       `json:"list_ids"`
	SenderID     ID         `json:"sender_id"`
	Planned      bool       `json:"planned" doc:"Every delivery has been written; until then more recipients are to come."`
	StartsAt     *time.Time `json:"starts_at"`
	LaunchedAt   *time.Time `json:"launched_at"`
	FinishedAt   *time.Time `json:"finished_at"`
	CreatedAt    *time.Time `json:"created_at"`
	UpdatedAt    *time.Time `json:"updated_at"`
}

// Campaign is a campaign with its content and its books.
type Campaign struct {
	CampaignLine
	HTML string `json:"html"`
	Text string `json:"text"`

	Markdown string `json:"markdown"`
	MJML     string `json:"mjml"`
	Language string `json:"language"`
	Tracking bool   `json:"tracking"`
	Segment  string `json:"segment"`

	Translations map[string]campaign.Content `json:"translations"`

	QuietHours  *QuietHours      `json:"quiet_hours"`
	AllowedDays []string         `json:"allowed_days"`
	LocalTime   string           `json:"local_time"`
	Timezone    string           `json:"timezone"`
	Priority    string           `json:"priority"`
	Canary      CanaryState      `json:"canary"`
	OnUncertain string           `json:"on_uncertain"`
	Counts      campaign.Counts  `json:"counts" doc:"recipients = queued + sending + sent + deferred + failed + skipped + uncertain, always."`
	Excluded    map[string]int64 `json:"excluded" doc:"How many of the lists were left out, by reason."`
}

func lineOf(c campaign.Campaign) CampaignLine {
	return CampaignLine{
		ID: idOf(c.ID), Name: c.Name, Status: string(c.Status), StatusReason: c.StatusReason, Subject: c.Subject,
		ListIDs: idsOf(c.ListIDs), SenderID: idOf(c.SenderID), Planned: c.Planned, StartsAt: at(c.StartsAt), LaunchedAt: at(c.LaunchedAt),
		FinishedAt: at(c.FinishedAt), CreatedAt: at(c.CreatedAt), UpdatedAt: at(c.UpdatedAt),
	}
}

// show adds the books to a campaign.
func show(ctx context.Context, store *campaign.Store, c campaign.Campaign) (Campaign, error) {
	counts, err := store.Counts(ctx, c.ID)
	days := c.Calendar.Days
	if days == nil {
		days = []string{}
	}
	return Campaign{QuietHours: quietOf(c.Calendar), AllowedDays: days, LocalTime: c.Calendar.LocalTime, Timezone: c.Calendar.Timezone, CampaignLine: lineOf(c), HTML: c.HTML, Text: c.Text, Markdown: c.Markdown, MJML: c.MJML, Language: c.Language, Tracking: c.Tracking, Segment: c.Segment, OnUncertain: c.OnUncertain, Counts: counts, Excluded: c.Excluded, Translations: c.Translations, Priority: priorityOf(c.Priority), Canary: canaryOf(c)}, err
}

func (n NewCampaign) campaign(id int64) campaign.Campaign {
	return campaign.Campaign{
		ID: id, Name: n.Name, Subject: n.Subject, HTML: n.HTML, Text: n.Text, Markdown: n.Markdown, MJML: n.MJML, Language: n.Language, Tracking: n.Tracking, SenderID: n.SenderID.int(),
		ListIDs: ints(n.ListIDs), Segment: n.Segment, OnUncertain: n.OnUncertain, Translations: n.Translations, Priority: map[string]int{"high": 1, "low": -1}[n.Priority],
		Calendar: n.calendar(),
	}
}

func (c *calls) createCampaign(ctx context.Context, tx *database.Tx, in *struct{ Body NewCampaign }) (Campaign, error) {
	made, err := c.Campaigns.Create(ctx, tx, in.Body.campaign(0))
	if err != nil {
		return Campaign{}, err
	}
	return show(ctx, c.Campaigns.With(tx), made)
}

func (c *calls) updateCampaign(ctx context.Context, in *struct {
	ByID
	Body NewCampaign
},
) (out Campaign, err error) {
	err = c.DB.Write(ctx, func(tx *database.Tx) error {
		now, err := c.Campaigns.Update(ctx, tx, in.Body.campaign(in.id()))
		if err == nil {
			out, err = show(ctx, c.Campaigns.With(tx), now)
		}
		return err
	})
	return out, err
}

func (c *calls) campaigns(ctx context.Context, in *Paging) (Page[CampaignLine], error) {
	all, err := c.Campaigns.Campaigns(ctx, in.Cursor.int(), in.Limit+1)
	return pageOf(*in, all, func(c campaign.Campaign) int64 { return c.ID }, lineOf), err
}

func (c *calls) campaign(ctx context.Context, in *ByID) (Campaign, error) {
	found, err := c.Campaigns.Campaign(ctx, in.id())
	if err != nil {
		return Campaign{}, err
	}
	return show(ctx, c.Campaigns, found)
}

// CanaryState is how far a campaign's canary is.
type CanaryState struct {
	Percent float64    `json:"percent" doc:"0: none."`
	State   string     `json:"state" enum:"undecided,sample,waiting,passed,failed,off"`
	Until   *time.Time `json:"until" doc:"While it waits: until when."`
}

func canaryOf(c campaign.Campaign) CanaryState {
	state, until := c.Canary()
	return CanaryState{c.CanaryPercent, state, at(until)}
}

func priorityOf(n int) string {
	switch {
	case n > 0:
		return "high"
	case n < 0:
		return "low"
	}
	return "normal"
}

// QuietHours is a span of the day; it may go over midnight.
type QuietHours struct {
	From string `json:"from" example:"21:00"`
	To   string `json:"to" example:"08:00"`
}

func quietOf(c campaign.Calendar) *QuietHours {
	if c.QuietFrom == "" {
		return nil
	}
	return &QuietHours{c.QuietFrom, c.QuietTo}
}

func (n NewCampaign) calendar() campaign.Calendar {
	c := campaign.Calendar{Days: n.AllowedDays, LocalTime: n.LocalTime, Timezone: n.Timezone}
	if n.QuietHours != nil {
		c.QuietFrom, c.QuietTo = n.QuietHours.From, n.QuietHours.To
	}
	return c
}
