package api

import (
	"context"
	"strings"
	"time"

	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/throttle"
)

// Rate is what became of mails, counted on the day they were sent.
type Rate struct {
	CampaignID    *ID      `json:"campaign_id,omitempty"`
	Domain        string   `json:"domain,omitempty"`
	Provider      string   `json:"provider,omitempty"`
	Day           string   `json:"day,omitempty" example:"2026-11-26" doc:"UTC."`
	Accepted      int64    `json:"accepted"`
	Refused       int64    `json:"refused" doc:"Refused at once, because the address is gone."`
	Hard          int64    `json:"hard" doc:"Addresses that are gone, refused at once or reported later."`
	Soft          int64    `json:"soft"`
	Complained    int64    `json:"complained"`
	BounceRate    *float64 `json:"bounce_rate" doc:"hard / (accepted + refused); 0.05 is 5%; null: nothing was sent."`
	ComplaintRate *float64 `json:"complaint_rate" doc:"complained / those accepted by providers that report complaints; 0.001 is 0.10%; null: there is no data."`
	ComplaintData string   `json:"complaint_data" enum:"reports,external,none" doc:"reports: the providers tell us; external: put in by PUT /complaints/external; none: these providers report nothing, which is not 0%."`
	State         string   `json:"state" enum:"ok,warn,slow,pause,stop" doc:"By the complaint rate: from 0.05% warn, from 0.08% and 3 complaints slow, from 0.10% and 5 pause, from 0.30% and 10 stop."`
	Breaker       *Breaker `json:"breaker,omitempty" doc:"What its breaker has done; only with campaigns, domains and providers."`
}

func rateOf(r throttle.Rate) Rate {
	out := Rate{
		Domain: r.Domain, Provider: r.Provider, Accepted: r.Accepted, Refused: r.Refused, Hard: r.Hard(), Soft: r.Soft, Complained: r.Complained,
		ComplaintData: "reports", State: "ok",
	}
	if r.CampaignID != 0 {
		id := idOf(r.CampaignID)
		out.CampaignID = &id
	}
	if r.Day != 0 {
		out.Day = throttle.DayTime(r.Day).Format(time.DateOnly)
	}
	if n := r.Attempted(); n > 0 {
		rate := float64(r.Hard()) / float64(n)
		out.BounceRate = &rate
	}
	if r.Reporting == 0 {
		out.ComplaintData = "none"
		return out
	}
	rate := float64(r.Complained) / float64(r.Reporting)
	out.ComplaintRate = &rate
	out.State = string(throttle.JudgeComplaints(r.Complained, r.Reporting))
	return out
}

// Rates are the same mails, told apart in several ways.
type Rates struct {
	From      string         `json:"from"`
	To        string         `json:"to"`
	All       Rate           `json:"all"`
	Campaigns []Rate         `json:"campaigns"`
	Domains   []Rate         `json:"domains"`
	Providers []Rate         `json:"providers" doc:"By sending domain and mailbox provider: the lanes."`
	Days      []Rate         `json:"days"`
	External  []ExternalRate `json:"external"`
}

// ExternalRate is a complaint rate as somebody else saw it.
type ExternalRate struct {
	Domain   string  `json:"domain" maxLength:"253" example:"example.com" doc:"The sending domain."`
	Provider string  `json:"provider" maxLength:"50" example:"google"`
	Day      string  `json:"day" format:"date" example:"2026-11-26"`
	Rate     float64 `json:"rate" minimum:"0" maximum:"1" doc:"0.001 is 0.10%."`
	Source   string  `json:"source" maxLength:"100" minLength:"1" example:"postmaster_tools"`
}

// mostDays bounds what is summed up at once.
const mostDays = 366

func (c *calls) rates(ctx context.Context, in *struct {
	From       string `query:"from" format:"date" doc:"The first day; none: six days before the last."`
	To         string `query:"to" format:"date" doc:"The last day; none: today."`
	CampaignID ID     `query:"campaign_id"`
	Domain     string `query:"domain"`
	Provider   string `query:"provider"`
},
) (Rates, error) {
	f := throttle.RateFilter{To: throttle.Day(c.DB.Now()), CampaignID: in.CampaignID.int(), Domain: in.Domain, Provider: in.Provider}
	if in.To != "" {
		f.To = dayOf(in.To)
	}
	if f.From = f.To - 6; in.From != "" {
		f.From = dayOf(in.From)
	}
	if f.From > f.To || f.To-f.From > mostDays {
		return Rates{}, invalid("from", "want at most 366 days, ending at to")
	}
	out := Rates{From: throttle.DayTime(f.From).Format(time.DateOnly), To: throttle.DayTime(f.To).Format(time.DateOnly), External: []ExternalRate{}}
	var all []Rate
	for _, part := range []struct {
		to *[]Rate
		by []string
	}{{&all, nil}, {&out.Campaigns, []string{"campaign"}}, {&out.Domains, []string{"domain"}}, {&out.Providers, []string{"domain", "provider"}}, {&out.Days, []string{"day"}}} {
		found, err := c.Pace.Rates(ctx, f, part.by...)
		if err != nil {
			return Rates{}, err
		}
		*part.to = make([]Rate, len(found))
		for i, r := range found {
			(*part.to)[i] = rateOf(r)
		}
	}
	out.All = all[0]
	if err := c.breakersOf(ctx, &out); err != nil {
		return out, err
	}
	seen, err := c.Pace.ExternalRates(ctx, f.From, f.To)
	for _, r := range seen {
		out.External = append(out.External, externalOf(r))
		out.shown(r)
	}
	return out, err
}

// shown lets a lane without reports show the newest rate from elsewhere.
func (r *Rates) shown(seen throttle.ExternalRate) {
	for i := range r.Providers {
		lane := &r.Providers[i]
		if lane.Domain == seen.Domain && lane.Provider == seen.Provider && lane.ComplaintData == "none" {
			rate := seen.Rate
			lane.ComplaintRate, lane.ComplaintData = &rate, "external"
			lane.State = string(throttle.JudgeComplaints(int64(rate*1e6), 1e6)) // by the rate alone
		}
	}
}

func externalOf(r throttle.ExternalRate) ExternalRate {
	return ExternalRate{Domain: r.Domain, Provider: r.Provider, Day: throttle.DayTime(r.Day).Format(time.DateOnly), Rate: r.Rate, Source: r.Source}
}

// dayOf reads a date that huma has checked.
func dayOf(text string) int64 {
	t, _ := time.Parse(time.DateOnly, text)
	return throttle.Day(t)
}

func (c *calls) putExternalRate(ctx context.Context, in *struct{ Body ExternalRate }) (ExternalRate, error) {
	b := in.Body
	a, err := address.Parse("postmaster@" + b.Domain)
	if err != nil {
		return b, invalid("domain", "is no domain")
	}
	r := throttle.ExternalRate{Domain: a.Domain(), Provider: b.Provider, Day: dayOf(b.Day), Rate: b.Rate, Source: b.Source}
	if _, err := c.Sending.DomainByName(ctx, r.Domain); err != nil {
		return b, onField("domain", err)
	}
	if !c.Pace.Providers().Known(b.Provider) {
		return b, invalid("provider", "is unknown: want one of "+strings.Join(c.Pace.Providers().Names(), ", "))
	}
	err = c.DB.Write(ctx, func(tx *database.Tx) error { return c.Pace.PutExternalRate(ctx, tx, r) })
	return externalOf(r), err
}
