package api

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"facteur/campaign"
	"facteur/internal/database"
)

// Launch says when and how a campaign starts.
type Launch struct {
	At          *time.Time `json:"at,omitempty" doc:"At once, if left out or null."`
	Acknowledge []string   `json:"acknowledge,omitempty" maxItems:"100" doc:"Codes of warnings that are taken note of."`
	Canary      *Canary    `json:"canary,omitempty" doc:"1 percent and 15 minutes from 5,000 recipients on, if left out."`
}

// Canary is a share of the recipients, chosen by chance, that is mailed first;
// then the campaign waits, and goes on only if what came back is good.
type Canary struct {
	Percent     float64 `json:"percent" minimum:"0" maximum:"100" doc:"0: no canary."`
	WaitMinutes *int    `json:"wait_minutes,omitempty" minimum:"0" maximum:"1440" doc:"15, if left out."`
}

// canary is the launch's, or the default.
func (l *Launch) canary() campaign.Canary {
	c := campaign.DefaultCanary()
	if l == nil || l.Canary == nil {
		return c
	}
	c.Percent, c.Least = l.Canary.Percent, 0
	if l.Canary.WaitMinutes != nil {
		c.Wait = time.Duration(*l.Canary.WaitMinutes) * time.Minute
	}
	return c
}

// time is when to start; zero for at once.
func (l *Launch) time() time.Time {
	if l == nil || l.At == nil {
		return time.Time{}
	}
	return *l.At
}

// safe tells whether links with this base may be mailed: https, or for trying out, loopback.
func safe(base string) bool {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return false
	}
	addr, err := netip.ParseAddr(u.Hostname())
	loopback := u.Hostname() == "localhost" || err == nil && addr.IsLoopback()
	return u.Scheme == "https" || u.Scheme == "http" && loopback
}

// then shows a campaign as a change in the transaction has left it.
func (c *calls) then(ctx context.Context, tx *database.Tx) func(campaign.Campaign, error) (Campaign, error) {
	return func(changed campaign.Campaign, err error) (Campaign, error) {
		if err != nil {
			return Campaign{}, err
		}
		return show(ctx, c.Campaigns.With(tx), changed)
	}
}

// order is a change of a campaign's state, with a reason for those who look later.
type order struct {
	ByID
	Body *Reason
}

func (c *calls) pause(ctx context.Context, tx *database.Tx, in *order) (Campaign, error) {
	return c.then(ctx, tx)(c.Campaigns.Pause(ctx, tx, in.id(), in.Body.text()))
}

func (c *calls) resume(ctx context.Context, tx *database.Tx, in *order) (Campaign, error) {
	return c.then(ctx, tx)(c.Campaigns.Resume(ctx, tx, in.id(), in.Body.text()))
}

func (c *calls) cancel(ctx context.Context, tx *database.Tx, in *order) (Campaign, error) {
	return c.then(ctx, tx)(c.Campaigns.Cancel(ctx, tx, in.id(), in.Body.text()))
}

// Resent is a campaign some of whose deliveries were put back into the queue.
type Resent struct {
	Campaign
	Resent int64 `json:"resent" doc:"How many: the failed, and those held in doubt."`
}

func (c *calls) resendFailed(ctx context.Context, in *order) (*kept[Resent], error) {
	return claimed(ctx, c, http.StatusAccepted, bodyOf(ctx), func() (Resent, error) {
		n, err := c.Campaigns.ResendFailed(ctx, in.id())
		if n > 0 {
			c.Nudge()
		}
		if err != nil {
			return Resent{}, err
		}
		now, err := c.campaign(ctx, &in.ByID)
		return Resent{now, n}, err
	})
}
