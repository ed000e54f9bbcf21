package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"facteur/internal/database"
	"facteur/throttle"
)

// Breaker is one that is not in its ordinary state, or was let go by a person.
type Breaker struct {
	Scope         string     `json:"scope" example:"lane:news.example.com/google"`
	Kind          string     `json:"kind" enum:"complaints,bounces,canary"`
	State         string     `json:"state" enum:"ok,warn,slow,pause,stop" doc:"slow: to a tenth; pause and stop: nothing begins until a person resumes it."`
	Reason        string     `json:"reason"`
	Since         *time.Time `json:"since"`
	ResumedAt     *time.Time `json:"resumed_at"`
	ResumedBy     string     `json:"resumed_by,omitempty"`
	ResumedReason string     `json:"resumed_reason,omitempty"`
}

func breakerOf(b throttle.Breaker) Breaker {
	return Breaker{b.Scope, string(b.Kind), string(b.State), b.Reason, at(b.Since), at(b.Resumed), b.By, b.Because}
}

// BreakerList is all of them.
type BreakerList struct {
	Breakers []Breaker `json:"breakers" doc:"The gravest first; what is not listed is in its ordinary state."`
}

func (c *calls) breakers(ctx context.Context, _ *struct{}) (out BreakerList, err error) {
	all, err := c.Pace.Breakers(ctx)
	out.Breakers = make([]Breaker, len(all))
	for i, b := range all {
		out.Breakers[i] = breakerOf(b)
	}
	return out, err
}

// breakersOf puts the breakers beside the rates that they judge.
func (c *calls) breakersOf(ctx context.Context, r *Rates) error {
	all, err := c.Pace.Breakers(ctx)
	if err != nil {
		return err
	}
	gravest := map[string]Breaker{}
	for _, b := range all {
		if _, ok := gravest[b.Scope]; !ok {
			gravest[b.Scope] = breakerOf(b)
		}
	}
	show := func(rates []Rate, scope func(Rate) string) {
		for i := range rates {
			if b, ok := gravest[scope(rates[i])]; ok {
				rates[i].Breaker = &b
			}
		}
	}
	show(r.Campaigns, func(r Rate) string { return throttle.CampaignScope(r.CampaignID.int()) })
	show(r.Domains, func(r Rate) string { return throttle.DomainScope(r.Domain) })
	show(r.Providers, func(r Rate) string { return throttle.Lane{Domain: r.Domain, Provider: r.Provider}.Scope() })
	return nil
}

// resumeBreaker lets a lane or a domain go again, by a person who says why.
func (c *calls) resumeBreaker(ctx context.Context, in *struct {
	Scope string `path:"scope" doc:"domain:NAME or lane:NAME/PROVIDER; a campaign is resumed by its own call." example:"domain:news.example.com"`
	Body  *Reason
},
) (out BreakerList, err error) {
	scope, err := c.Pace.Scope(in.Scope)
	if err != nil {
		return out, onField("scope", err)
	}
	if (throttle.Breaker{Scope: scope}).CampaignID() != 0 {
		return out, problem(http.StatusUnprocessableEntity, "unknown_scope", fmt.Sprintf("scope %q: a campaign is resumed by POST /campaigns/ID/resume", scope)).on("scope")
	}
	err = c.DB.Write(ctx, func(tx *database.Tx) error { return c.Pace.Resume(ctx, tx, scope, in.Body.text()) })
	if err != nil {
		return out, err
	}
	c.Nudge()
	return c.breakers(ctx, nil)
}
