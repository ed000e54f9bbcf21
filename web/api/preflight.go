package api

import (
	"context"
	"net/http"
	"time"

	"facteur/campaign"
	"facteur/internal/database"
)

// Preflight is what a check of a campaign found.
type Preflight struct {
	Verdict  string            `json:"verdict" enum:"ok,warnings,blocked" doc:"blocked: it cannot be launched. warnings: their codes must be acknowledged at the launch."`
	Findings []CampaignFinding `json:"findings" doc:"The gravest first; docs/preflight.md has a section for each code."`
	Spam     *campaign.Spam    `json:"spam" doc:"What SpamAssassin says; null: none was asked."`
	At       *time.Time        `json:"at"`
}

// CampaignFinding is something that a person should know.
type CampaignFinding struct {
	Code     string `json:"code"`
	Severity string `json:"severity" enum:"error,warning,info"`
	Message  string `json:"message"`
	Where    string `json:"where,omitempty"`
	Fix      string `json:"fix"`
}

func findingsOf(all []campaign.Finding) []CampaignFinding {
	out := make([]CampaignFinding, len(all))
	for i, f := range all {
		out[i] = CampaignFinding{f.Code, string(f.Severity), f.Message, f.Where, f.Fix}
	}
	return out
}

func preflightOf(r campaign.Report) Preflight {
	return Preflight{Verdict: r.Verdict(), Findings: findingsOf(r.Findings), Spam: r.Spam, At: at(r.At)}
}

func (c *calls) preflight(ctx context.Context, in *ByID) (Preflight, error) {
	r, err := c.Campaigns.Inspect(ctx, in.id())
	return preflightOf(r), err
}

// KeptPreflight is what was found when a campaign was launched or held back.
type KeptPreflight struct {
	Preflight
	Acknowledged []string `json:"acknowledged" doc:"The warnings that whoever launched it had taken note of."`
}

func (c *calls) keptPreflight(ctx context.Context, in *ByID) (KeptPreflight, error) {
	r, acknowledged, err := c.Campaigns.Kept(ctx, in.id())
	return KeptPreflight{preflightOf(r), acknowledged}, err
}

// launch checks a campaign, then freezes and starts it.
func (c *calls) launch(ctx context.Context, in *struct {
	ByID
	Body *Launch
},
) (func(context.Context, *database.Tx) (Campaign, error), error) {
	if !safe(c.PublicURL) {
		return nil, problem(http.StatusUnprocessableEntity, "public_url_not_https", "the links in the mails would begin with "+c.PublicURL+
			": mail programs demand https for the way out; set FACTEUR_PUBLIC_URL (plain http only for loopback)")
	}
	var acknowledged []string
	if in.Body != nil {
		acknowledged = in.Body.Acknowledge
	}
	cleared, err := c.Campaigns.Clear(ctx, in.id(), acknowledged)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, tx *database.Tx) (Campaign, error) {
		return c.then(ctx, tx)(c.Campaigns.Launch(ctx, tx, in.id(), in.Body.time(), in.Body.canary(), cleared))
	}, nil
}

// refused is the answer to a launch that the preflight does not let through.
func refused(r *campaign.Refused) *Problem {
	p := problem(http.StatusConflict, "warnings_unacknowledged", r.Error())
	for _, f := range r.Unmet {
		if f.Severity == campaign.Error {
			p.Code = "preflight_blocked"
		}
		p.Errors = append(p.Errors, Fault{Field: f.Code, Location: f.Where, Message: f.Message + ". " + f.Fix})
	}
	return p
}
