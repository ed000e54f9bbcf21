package preflight

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"facteur/campaign"
	"facteur/campaign/content"
	"facteur/subscribers"
)

// Shares of the recipients from which on a finding is a warning.
const (
	muchMissing = 0.05 // lack a variable
	muchOld     = 0.25 // said yes long ago
	muchNew     = 0.50 // were never mailed
	newFrom     = 1000 // never mailed, below which it says nothing
)

// variables finds names in the content that some people have no value for.
func (p *Preflight) variables(_ context.Context, s *subject, r *campaign.Report) error {
	sources := map[string]campaign.Content{"": {Subject: s.campaign.Subject, HTML: s.campaign.HTML, Text: s.campaign.Text}}
	for locale, t := range s.campaign.Translations {
		sources[locale] = t
	}
	for locale, c := range sources {
		m, err := content.Compile(content.Source{Subject: c.Subject, HTML: c.HTML, Text: c.Text}, campaign.Frame(s.sender, "check"))
		if err != nil {
			return err
		}
		for _, v := range m.Variables() {
			p.variable(s, r, locale, v)
		}
	}
	return nil
}

func (p *Preflight) variable(s *subject, r *campaign.Report, locale string, v content.Variable) {
	if v.HasDefault || v.InCondition || len(s.audience.Sample) == 0 || v.Path != "name" && !strings.HasPrefix(v.Path, "attributes.") {
		return
	}
	missing := 0
	for _, person := range s.audience.Sample {
		if !has(person, v.Path) {
			missing++
		}
	}
	if missing == 0 {
		return
	}
	f := campaign.Finding{
		Code: "variable_missing", Severity: campaign.Info, Where: strings.TrimPrefix(fmt.Sprintf("%s %s line %d", locale, v.Part, v.Line), " "),
		Message: fmt.Sprintf("of %d people looked at, %d have no %s: they would see a gap", len(s.audience.Sample), missing, v.Path),
		Fix:     fmt.Sprintf("Give it a default: {{ %s | default: \"…\" }}.", v.Path),
	}
	if float64(missing) >= muchMissing*float64(len(s.audience.Sample)) {
		f.Severity = campaign.Warning
	}
	r.Add(f)
}

// has tells whether a person has a value for a name that is not empty. A name
// with an index is taken to have one when its first part has.
func has(person subscribers.Subscriber, path string) bool {
	if path == "name" {
		return strings.TrimSpace(person.Name) != ""
	}
	var value any
	if json.Unmarshal([]byte(person.Attributes), &value) != nil {
		return false
	}
	for _, key := range strings.Split(strings.TrimPrefix(path, "attributes."), ".") {
		key, _, indexed := strings.Cut(key, "[")
		fields, ok := value.(map[string]any)
		if !ok {
			return false
		}
		if value, ok = fields[key]; !ok || value == nil || value == "" {
			return false
		}
		if indexed {
			return true
		}
	}
	return true
}

// people looks at whom the campaign goes to.
func (p *Preflight) people(_ context.Context, s *subject, r *campaign.Report) error {
	a := s.audience
	if a.Recipients == 0 {
		r.Add(campaign.Finding{
			Code: "nobody", Severity: campaign.Info, Message: "nobody of these lists may be mailed now",
			Fix: "Look at the excluded in POST /campaigns/ID/forecast: they are not confirmed, have left, or the segment means nobody.",
		})
		return nil
	}
	if n := float64(a.Old); n >= muchOld*float64(a.Recipients) {
		r.Add(campaign.Finding{
			Code: "consent_old", Severity: campaign.Warning,
			Message: fmt.Sprintf("%d of %d said yes more than %d years ago: many will have forgotten, and complain", a.Old, a.Recipients, campaign.OldYears),
			Fix:     "Ask them again first (POST /lists/ID/reconfirm), or begin with those who said yes lately by a segment.",
		})
	}
	if a.Never >= newFrom && float64(a.Never) >= muchNew*float64(a.Recipients) {
		r.Add(campaign.Finding{
			Code: "never_mailed", Severity: campaign.Warning,
			Message: fmt.Sprintf("%d of %d were never mailed from here: nobody knows how many addresses are dead", a.Never, a.Recipients),
			Fix:     "Send to a part first, leave the canary on, and look at the list's hygiene report.",
		})
	}
	return nil
}

// longDays is how long a campaign may take before that is worth a word.
const longDays = 2

// volume looks at how much it is, and how long that will take.
func (p *Preflight) volume(ctx context.Context, s *subject, r *campaign.Report) error {
	f, err := p.opt.Campaigns.Forecast(ctx, s.campaign.ID)
	if err != nil {
		return err
	}
	for _, finding := range f.Findings {
		r.Add(finding)
	}
	now := p.opt.Campaigns.Now()
	switch {
	case s.audience.Recipients == 0:
	case f.EndsAt.IsZero():
		r.Add(campaign.Finding{
			Code: "never_ends", Severity: campaign.Warning, Message: fmt.Sprintf("%d mails would not leave within 400 days under the limits that hold now", f.Left),
			Fix: "Look at POST /campaigns/ID/forecast and GET /lanes: a limit is too low, or a breaker holds a lane.",
		})
	case f.EndsAt.Sub(now).Hours() > 24*longDays:
		r.Add(campaign.Finding{
			Code: "takes_days", Severity: campaign.Info, Message: fmt.Sprintf("the limits and the warm-up spread it over %d days; it would end on %s", int(f.EndsAt.Sub(now).Hours()/24)+1, f.EndsAt.UTC().Format("2 January 2006")),
			Fix: "Nothing, if that is soon enough. Dates and offers in it must still hold at the end.",
		})
	}
	return nil
}
