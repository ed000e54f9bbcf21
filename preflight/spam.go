package preflight

import (
	"context"
	"fmt"
	"time"

	"facteur/campaign"
	"facteur/preflight/inspect"
)

// spamTime is how long SpamAssassin may think.
const spamTime = 10 * time.Second

// spam asks SpamAssassin, if there is one.
func (p *Preflight) spam(ctx context.Context, s *subject, r *campaign.Report) error {
	if p.opt.Spamd == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, spamTime)
	defer cancel()
	for _, m := range s.messages {
		says, err := inspect.Spamd{Addr: p.opt.Spamd}.Ask(ctx, m.raw)
		if err != nil {
			r.Add(campaign.Finding{Code: "spam_unknown", Severity: campaign.Info, Message: "SpamAssassin does not answer: " + err.Error(), Fix: "Look at FACTEUR_SPAMD and at spamd."})
			continue
		}
		rules := []string{}
		for _, rule := range says.Rules {
			rules = append(rules, fmt.Sprintf("%s %+.1f", rule.Name, rule.Score))
		}
		if r.Spam == nil || says.Score > r.Spam.Score {
			r.Spam = &campaign.Spam{Score: says.Score, Threshold: says.Threshold, Rules: rules}
		}
		for _, f := range says.Findings() {
			r.Add(findingOf(f, m.locale))
		}
	}
	return nil
}
