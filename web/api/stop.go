package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"facteur/campaign"
	"facteur/internal/database"
)

// Reason is why.
type Reason struct {
	Reason string `json:"reason,omitempty" maxLength:"500"`
}

// Because is a reason that must be given.
type Because struct {
	Reason string `json:"reason" minLength:"1" maxLength:"500"`
}

// text is the reason of a body that may be missing.
func (r *Reason) text() string {
	if r == nil {
		return ""
	}
	return r.Reason
}

// Stop is the red button: while it is pressed nothing begins anywhere.
type Stop struct {
	Stopped bool       `json:"stopped"`
	Reason  string     `json:"reason"`
	Actor   string     `json:"actor" doc:"Who pressed it."`
	At      *time.Time `json:"at"`
}

func stopOf(s campaign.Stop) Stop { return Stop{s.ID != 0, s.Reason, s.Actor, at(s.At)} }

func (c *calls) stopAll(ctx context.Context, tx *database.Tx, in *struct{ Body *Reason }) (Stop, error) {
	s, err := c.Campaigns.StopAll(ctx, tx, in.Body.text())
	return stopOf(s), err
}

func (c *calls) liftStop(ctx context.Context, in *struct{ Body Because }) (Stop, error) {
	err := c.DB.Write(ctx, func(tx *database.Tx) error { return c.Campaigns.LiftStop(ctx, tx, in.Body.Reason) })
	if errors.Is(err, database.ErrNotFound) {
		return Stop{}, problem(http.StatusNotFound, "not_found", "nothing is stopped")
	}
	if err == nil {
		c.Nudge()
	}
	return Stop{}, err
}

func (c *calls) stopped(ctx context.Context, _ *struct{}) (Stop, error) {
	s, err := c.Campaigns.Stopped(ctx)
	if errors.Is(err, database.ErrNotFound) {
		return Stop{}, nil
	}
	return stopOf(s), err
}
