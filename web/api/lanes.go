package api

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"facteur/internal/database"
	"facteur/throttle"
)

// Lane is what holds now between a sending domain and a mailbox provider.
type Lane struct {
	Domain    string     `json:"domain"`
	Provider  string     `json:"provider"`
	Limit     Limit      `json:"limit" doc:"Its own, before it was slowed down."`
	LimitFrom string     `json:"limit_from" doc:"The scope that this limit was set for: lane, provider or default; empty: the file of providers."`
	State     string     `json:"state" enum:"ok,slowed,suspended,held" doc:"slowed and suspended: by answers of the provider, for a while; held: by a breaker, until a person resumes it."`
	Because   string     `json:"because"`
	PerMinute int64      `json:"per_minute,omitempty" doc:"While it is slowed to a pace."`
	Dialogues int64      `json:"connections,omitempty" doc:"While it is slowed to so many connections."`
	Until     *time.Time `json:"until" doc:"While it is suspended."`
	Rule      string     `json:"rule,omitempty" doc:"Of the data file: provider and words."`
	Since     *time.Time `json:"since"`
}

func (c *calls) lanes(ctx context.Context, _ *struct{}) (out struct {
	Lanes []Lane `json:"lanes"`
}, err error,
) {
	limits, err := c.Pace.Limits(ctx)
	if err != nil {
		return out, err
	}
	slowed, err := c.Pace.Slowdowns(ctx)
	if err != nil {
		return out, err
	}
	brakes, err := c.Pace.Brakes(ctx)
	if err != nil {
		return out, err
	}
	out.Lanes = []Lane{}
	domains, err := c.Sending.Domains(ctx)
	for _, d := range domains {
		used, err := c.Pace.LanesOf(ctx, d.Name)
		if err != nil {
			return out, err
		}
		for _, id := range slices.Sorted(maps.Keys(used)) {
			l := used[id]
			limit, from := limits.Lane(l)
			lane := Lane{Domain: l.Domain, Provider: l.Provider, Limit: Limit(limit), LimitFrom: from, State: "ok"}
			lane.slow(slowed[id], c.DB.Now())
			if held := brakes.Held(l); held != "" {
				lane.State, lane.Because = "held", held
			} else if slow, _ := brakes.Slow(0, l); slow && lane.State == "ok" {
				lane.State, lane.Because = "slowed", "a breaker has slowed it to a tenth"
			}
			out.Lanes = append(out.Lanes, lane)
		}
	}
	slices.SortStableFunc(out.Lanes, func(a, b Lane) int {
		return cmp.Or(cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Provider, b.Provider))
	})
	return out, err
}

func (l *Lane) slow(d throttle.Slowdown, now time.Time) {
	limit, suspended, active := d.At(now)
	if !active {
		return
	}
	l.State, l.Because, l.Rule, l.Since, l.PerMinute, l.Dialogues = "slowed", d.Words(now)+"; the provider said: "+d.Reason, d.Rule, at(d.Since), limit.PerMinute, limit.Connections
	if !suspended.IsZero() {
		l.State, l.Until = "suspended", &suspended
	}
}

// resumeLane lifts what answers have done to a lane.
func (c *calls) resumeLane(ctx context.Context, tx *database.Tx, in *struct {
	Domain   string `path:"domain" example:"news.example.com"`
	Provider string `path:"provider" example:"google"`
	Body     *Reason
},
) (struct{}, error) {
	lanes, err := c.Pace.With(tx).LanesOf(ctx, in.Domain)
	if err != nil {
		return struct{}{}, err
	}
	for id, l := range lanes {
		if l.Provider == in.Provider {
			return struct{}{}, c.Pace.LiftSlowdown(ctx, tx, id, in.Body.text())
		}
	}
	return struct{}{}, fmt.Errorf("lane %s/%s: %w", in.Domain, in.Provider, database.ErrNotFound)
}
