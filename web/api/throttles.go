package api

import (
	"context"

	"facteur/internal/database"
	"facteur/throttle"
)

// Limit is how much may pass in a scope, over all workers together. 0 is unlimited.
type Limit struct {
	PerSecond   int64 `json:"per_second,omitempty" minimum:"0" maximum:"1000000000"`
	PerMinute   int64 `json:"per_minute,omitempty" minimum:"0" maximum:"1000000000"`
	PerHour     int64 `json:"per_hour,omitempty" minimum:"0" maximum:"1000000000"`
	PerDay      int64 `json:"per_day,omitempty" minimum:"0" maximum:"1000000000" doc:"In any 24 hours."`
	Connections int64 `json:"connections,omitempty" minimum:"0" maximum:"1000000" doc:"Messages in dialogue at once."`
}

// Throttle is the limit of a scope.
type Throttle struct {
	Scope       string `json:"scope"`
	PerSecond   int64  `json:"per_second"`
	PerMinute   int64  `json:"per_minute"`
	PerHour     int64  `json:"per_hour"`
	PerDay      int64  `json:"per_day"`
	Connections int64  `json:"connections"`
}

type ByScope struct {
	Scope string `path:"scope" doc:"all, default, relay:ID, domain:NAME, provider:NAME, lane:NAME/PROVIDER or campaign:ID. A mail passes all, its relay's, domain's, lane's and campaign's; a lane's is the first that is set of its own, its provider's and the default." example:"default"`
}

func throttleOf(scope string, l throttle.Limit) Throttle {
	return Throttle{scope, l.PerSecond, l.PerMinute, l.PerHour, l.PerDay, l.Connections}
}

func (c *calls) setThrottle(ctx context.Context, in *struct {
	ByScope
	Body Limit
},
) (Throttle, error) {
	l := throttle.Limit(in.Body)
	scope := ""
	err := c.DB.Write(ctx, func(tx *database.Tx) (err error) {
		scope, err = c.Pace.SetLimit(ctx, tx, in.Scope, l)
		return err
	})
	if err != nil {
		return Throttle{}, onField("scope", err)
	}
	c.Nudge()
	return throttleOf(scope, l), nil
}

func (c *calls) dropThrottle(ctx context.Context, in *ByScope) (struct{}, error) {
	err := c.DB.Write(ctx, func(tx *database.Tx) error { return c.Pace.DropLimit(ctx, tx, in.Scope) })
	if err == nil {
		c.Nudge()
	}
	return struct{}{}, onField("scope", err)
}

func (c *calls) throttle(ctx context.Context, in *ByScope) (Throttle, error) {
	scope, l, err := c.Pace.Limit(ctx, in.Scope)
	return throttleOf(scope, l), onField("scope", err)
}

func (c *calls) throttles(ctx context.Context, _ *struct{}) (out struct {
	Throttles []Throttle `json:"throttles" doc:"What is set; what is not listed has no limit of its own."`
}, err error,
) {
	all, err := c.Pace.Limits(ctx)
	out.Throttles = []Throttle{}
	for _, scope := range all.Scopes() {
		l, _ := all.Set(scope)
		out.Throttles = append(out.Throttles, throttleOf(scope, l))
	}
	return out, err
}
