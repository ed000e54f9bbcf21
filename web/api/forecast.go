package api

import (
	"context"
	"time"

	"facteur/throttle"
)

// Forecast is when a campaign would end under all limits that hold now.
type Forecast struct {
	Recipients int64             `json:"recipients"`
	Excluded   map[string]int64  `json:"excluded" doc:"How many of the lists would be left out, by reason."`
	EndsAt     *time.Time        `json:"ends_at" doc:"When its last mail would begin; null: something holds it, or not within 400 days."`
	Left       int64             `json:"left" doc:"Mails that would not be begun by then."`
	Days       []ForecastDay     `json:"days"`
	Findings   []CampaignFinding `json:"findings" doc:"What to know before it goes out."`
}

// ForecastDay is a day of a forecast, in the sending domain's zone. Other
// campaigns that run or are scheduled are in it too, as they take their share.
type ForecastDay struct {
	Date      string             `json:"date" example:"2026-11-27"`
	Sent      int64              `json:"sent" doc:"Mails that would be accepted."`
	Begun     int64              `json:"begun" doc:"Tries, those included that are put off."`
	Providers []ForecastProvider `json:"providers"`
}

// ForecastProvider is what a provider would get on a day.
type ForecastProvider struct {
	Domain   string `json:"domain"`
	Provider string `json:"provider"`
	Cap      *int64 `json:"cap" doc:"Of the warm-up; null: none."`
	Step     *int   `json:"step"`
	Begun    int64  `json:"begun"`
	Sent     int64  `json:"sent"`
	Because  string `json:"because,omitempty" doc:"Why the warm-up's step is what it is."`
}

func (c *calls) forecast(ctx context.Context, in *ByID) (Forecast, error) {
	f, err := c.Campaigns.Forecast(ctx, in.id())
	if err != nil {
		return Forecast{}, err
	}
	out := Forecast{Recipients: f.Recipients, Excluded: f.Excluded, Left: f.Left, Days: []ForecastDay{}, Findings: findingsOf(f.Findings)}
	if !f.EndsAt.IsZero() {
		ends := f.EndsAt.UTC().Truncate(time.Second)
		out.EndsAt = &ends
	}
	for _, d := range f.Days {
		out.Days = append(out.Days, forecastDayOf(d))
	}
	return out, nil
}

func forecastDayOf(d throttle.ForecastDay) ForecastDay {
	day := ForecastDay{Date: throttle.DayTime(d.Date).Format(time.DateOnly), Providers: []ForecastProvider{}}
	for _, l := range d.Lanes {
		if l.Begun == 0 {
			continue
		}
		p := ForecastProvider{Domain: l.Domain, Provider: l.Provider, Begun: l.Begun, Sent: l.Sent, Because: l.Reason}
		if l.Cap != throttle.Unlimited {
			step := l.Step + 1
			p.Cap, p.Step = &l.Cap, &step
		}
		day.Begun += l.Begun
		day.Sent += l.Sent
		day.Providers = append(day.Providers, p)
	}
	return day
}
