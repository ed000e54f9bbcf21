package api

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"facteur/campaign"
	"facteur/internal/database"
	"facteur/sending"
	"facteur/throttle"
)

// Warmup is how a sending domain warms up, provider by provider.
type Warmup struct {
	Domain    string         `json:"domain"`
	Warmup    string         `json:"warmup" enum:"conservative,own,none"`
	Ramp      []int64        `json:"ramp" doc:"Mails a provider gets on each of the first sending days; it goes on by 1.4 a day."`
	Timezone  string         `json:"timezone"`
	Providers []WarmupOfLane `json:"providers"`
}

// WarmupOfLane is where a domain stands with one provider today.
type WarmupOfLane struct {
	Provider  string      `json:"provider"`
	Step      int         `json:"step" doc:"Of the ramp, from 1."`
	Cap       *int64      `json:"cap" doc:"Mails that may begin today; null: there is no cap."`
	Used      int64       `json:"used" doc:"Begun today; every try counts."`
	Reserved  int64       `json:"reserved" doc:"Released to the workers and not begun."`
	Left      *int64      `json:"left" doc:"What may still begin today, letters (tests, confirmations) included; null: there is no cap."`
	ForLetter *int64      `json:"for_letters" doc:"Of what is left: kept for letters."`
	NextStep  *NextStep   `json:"next_step" doc:"null: there is no cap."`
	Verdict   string      `json:"verdict" enum:"start,up,hold,step_back,again,none"`
	Because   string      `json:"because" doc:"Why today's step is what it is."`
	HeldBy    string      `json:"held_because" doc:"Why the step was not raised; empty when it was."`
	History   []WarmupDay `json:"history,omitempty"`
}

// NextStep is what the next sending day brings, if today is good.
type NextStep struct {
	Step int       `json:"step"`
	Cap  int64     `json:"cap"`
	At   time.Time `json:"at" doc:"When the next day begins in the domain's zone."`
	If   string    `json:"if"`
}

// WarmupDay is a sending day of the past, or today.
type WarmupDay struct {
	Date    string `json:"date"`
	Step    int    `json:"step"`
	Cap     int64  `json:"cap"`
	Used    int64  `json:"used"`
	Letters int64  `json:"letters"`
	Invited int64  `json:"invitations"`
	Verdict string `json:"verdict"`
	Because string `json:"because"`
}

type ByDomainName struct {
	Domain string `path:"domain" example:"news.example.com"`
}

func rampText(steps []int64) string {
	if len(steps) == 0 {
		return ""
	}
	text, _ := json.Marshal(steps) // numbers
	return string(text)
}

func (c *calls) warmups(ctx context.Context, _ *struct{}) (out struct {
	Warmups []Warmup `json:"warmups"`
}, err error,
) {
	domains, err := c.Sending.Domains(ctx)
	if err != nil {
		return out, err
	}
	out.Warmups = []Warmup{}
	for _, d := range domains {
		w, err := c.warmupOf(ctx, d, 0)
		if err != nil {
			return out, err
		}
		out.Warmups = append(out.Warmups, w)
	}
	return out, nil
}

func (c *calls) warmup(ctx context.Context, in *struct {
	ByDomainName
	Days int `query:"days" minimum:"1" maximum:"366" default:"60" doc:"How far back the history goes."`
},
) (Warmup, error) {
	d, err := c.Sending.DomainByName(ctx, in.Domain)
	if err != nil {
		return Warmup{}, fmt.Errorf("domain %s: %w", in.Domain, err)
	}
	return c.warmupOf(ctx, d, in.Days)
}

func (c *calls) setWarmup(ctx context.Context, in *struct {
	ByDomainName
	Body struct {
		Warmup   string  `json:"warmup" enum:"conservative,own,none"`
		Ramp     []int64 `json:"ramp,omitempty" maxItems:"365"`
		Timezone string  `json:"timezone,omitempty" maxLength:"64" doc:"As it is, if left out."`
	}
},
) (Warmup, error) {
	err := c.DB.Write(ctx, func(tx *database.Tx) error {
		if err := tx.Gate(ctx, true); err != nil { // before any row, see decision 17
			return err
		}
		d, err := c.Sending.HoldDomain(ctx, tx, in.Domain)
		if err != nil {
			return fmt.Errorf("domain %s: %w", in.Domain, err)
		}
		d.Warmup, d.Ramp = in.Body.Warmup, rampText(in.Body.Ramp)
		if in.Body.Timezone != "" {
			d.Timezone = in.Body.Timezone
		}
		if d, err = c.Sending.SetWarmup(ctx, tx, d); err != nil {
			return err
		}
		ramp, err := campaign.RampOf(d)
		if err != nil || ramp.None() {
			return err
		}
		return c.Pace.Recap(ctx, tx, d.Name, ramp)
	})
	if err != nil {
		return Warmup{}, err
	}
	c.Nudge()
	d, err := c.Sending.DomainByName(ctx, in.Domain)
	if err != nil {
		return Warmup{}, err
	}
	return c.warmupOf(ctx, d, 60)
}

// warmupOf shows all providers, those that got no mail yet at the start; with
// the history of some days, or none.
func (c *calls) warmupOf(ctx context.Context, d sending.Domain, days int) (Warmup, error) {
	ramp, err := campaign.RampOf(d)
	if err != nil {
		return Warmup{}, err
	}
	w := Warmup{Domain: d.Name, Warmup: d.Warmup, Ramp: ramp.Steps, Timezone: d.Timezone}
	if w.Ramp == nil {
		w.Ramp = []int64{}
	}
	lanes, err := c.Pace.LanesOf(ctx, d.Name)
	if err != nil {
		return Warmup{}, err
	}
	byProvider := map[string]int64{}
	for id, l := range lanes {
		byProvider[l.Provider] = id
	}
	reserved, err := c.Campaigns.Reserved(ctx)
	if err != nil {
		return Warmup{}, err
	}
	for _, provider := range c.Pace.Providers().Names() {
		lane := WarmupOfLane{Provider: provider, Verdict: "none"}
		id := byProvider[provider]
		if !ramp.None() {
			day, err := c.Pace.Day(ctx, id, ramp, d.Zone())
			if err != nil {
				return Warmup{}, err
			}
			lane.see(day, ramp, reserved[campaign.Reservation{Lane: id, Date: day.Date}])
		}
		if days > 0 && id != 0 {
			if lane.History, err = c.historyOf(ctx, id, days); err != nil {
				return Warmup{}, err
			}
		}
		w.Providers = append(w.Providers, lane)
	}
	slices.SortStableFunc(w.Providers, func(a, b WarmupOfLane) int { return cmp.Compare(b.Used, a.Used) })
	return w, nil
}

// see fills in a day.
func (l *WarmupOfLane) see(day throttle.WarmupDay, ramp throttle.Ramp, reserved int64) {
	reserved = min(reserved, max(0, day.Cap-day.Used))
	left := max(0, day.Cap-day.Used-reserved)
	letters := min(left, max(0, throttle.LettersShare(day.Cap)-day.Letters))
	l.Step, l.Cap, l.Used, l.Reserved, l.Left, l.ForLetter = day.Number+1, &day.Cap, day.Used, reserved, &left, &letters
	l.Verdict, l.Because = string(day.Verdict), day.Reason
	if day.Verdict == throttle.Held || day.Verdict == throttle.Back {
		l.HeldBy = day.Reason
	}
	l.NextStep = &NextStep{Step: day.Number + 2, Cap: ramp.Cap(day.Number + 1), At: time.UnixMilli(day.Until).UTC(), If: "today's bounces, complaints and deferrals stay within bounds"}
	if day.Used == 0 {
		l.NextStep.Step, l.NextStep.Cap, l.NextStep.If = day.Number+1, day.Cap, "only a day on which something was sent counts; after one, the next step is a cap of "+fmt.Sprint(ramp.Cap(day.Number+1))
	}
}

func (c *calls) historyOf(ctx context.Context, lane int64, days int) ([]WarmupDay, error) {
	all, err := c.Pace.History(ctx, lane, throttle.Day(c.DB.Now())-int64(days))
	if err != nil {
		return nil, err
	}
	out := make([]WarmupDay, len(all))
	for i, d := range all {
		out[i] = WarmupDay{throttle.DayTime(d.Date).Format(time.DateOnly), d.Number + 1, d.Cap, d.Used, d.Letters, d.Invited, string(d.Verdict), d.Reason}
	}
	return out, nil
}
