package api

import (
	"context"
	"fmt"
	"net/http"

	"facteur/internal/database"
	"facteur/throttle"
)

// Limit is how much may pass in a scope, over all workers together. 0 is unlimited.
type Limit struct {
	PerSecond   int64 `json:"per_second,omitempty" minimum:"0" maximum:"1000000000"`
	PerMinute   int64 `json:"per_minute,omitempty" minimum:"0" maximum:"1000000000"`
	PerHour     int64 `json:"per_hour,omitempty" minimum:"0" maximum:"1000000000"`
	PerDay      int64 `json:"per_day,omitempty" minimum:"0" maximum:"1000000000"`
	Connections int64 `json:"connections,omitempty" minimum:"0" maximum:"1000000" doc:"Messages of a lane in dialogue at once, in each worker process."`
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
	Scope string `path:"scope" doc:"default: every lane that has no limit of its own." example:"default"`
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
	err := c.DB.Write(ctx, func(tx *database.Tx) error { return c.Pace.SetLimit(ctx, tx, in.Scope, l) })
	if err != nil {
		return Throttle{}, onField("scope", err)
	}
	c.Nudge()
	return throttleOf(in.Scope, l), nil
}

func (c *calls) throttle(ctx context.Context, in *ByScope) (Throttle, error) {
	if in.Scope != throttle.DefaultScope {
		return Throttle{}, problem(http.StatusUnprocessableEntity, "unknown_scope", fmt.Sprintf("scope %q is unknown: want %s", in.Scope, throttle.DefaultScope)).on("scope")
	}
	l, err := c.Pace.Limit(ctx, in.Scope)
	return throttleOf(in.Scope, l), err
}
