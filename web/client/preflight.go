package client

import (
	"context"
	"net/http"
)

// Preflight is what a check of a campaign found.
type Preflight struct {
	Verdict  string
	Findings []struct{ Code, Severity, Message, Where, Fix string }
}

// Warnings are the codes that a launch must acknowledge.
func (p Preflight) Warnings() []string {
	codes := []string{}
	for _, f := range p.Findings {
		if f.Severity == "warning" {
			codes = append(codes, f.Code)
		}
	}
	return codes
}

// Preflight checks a campaign.
func (c *Client) Preflight(ctx context.Context, id string) (found Preflight, err error) {
	return found, c.Call(ctx, http.MethodPost, "/campaigns/"+id+"/preflight", nil, &found)
}

// Launch launches a campaign without a canary, whatever warnings there are.
func (c *Client) Launch(ctx context.Context, id string) error {
	found, err := c.Preflight(ctx, id)
	if err != nil {
		return err
	}
	return c.Call(ctx, http.MethodPost, "/campaigns/"+id+"/launch", map[string]any{"canary": map[string]any{"percent": 0}, "acknowledge": found.Warnings()}, nil)
}
