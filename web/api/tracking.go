package api

import (
	"context"

	"facteur/internal/database"
)

// Tracking is a person's word about being watched.
type Tracking struct {
	Given   bool   `json:"given"`
	Source  string `json:"source,omitempty" maxLength:"200" doc:"Where they said so; needed for a yes."`
	Wording string `json:"wording,omitempty" maxLength:"2000" doc:"The words that they agreed to; needed for a yes."`
}

// setTracking notes whether a person lets us see what they open and follow.
func (c *calls) setTracking(ctx context.Context, in *struct {
	ByID
	Body Tracking
},
) (Subscriber, error) {
	err := c.DB.Write(ctx, func(tx *database.Tx) error {
		if !in.Body.Given {
			return c.Campaigns.Unwatch(ctx, tx, in.id(), in.Body.Source)
		}
		return c.People.Track(ctx, tx, in.id(), true, in.Body.Source, in.Body.Wording)
	})
	if err != nil {
		return Subscriber{}, err
	}
	return c.subscriber(ctx, &in.ByID)
}

// Interactions are what was seen of those who agreed to that.
type Interactions struct {
	Links []Interaction `json:"links" doc:"Of those who agreed to be watched, and nobody else: they say nothing about the others."`
}

// Interaction is a link, or the opening of the mail.
type Interaction struct {
	Link   int    `json:"link" doc:"Its number in the mail; 0: the mail was opened, or its pictures fetched by a program."`
	URL    string `json:"url"`
	People int64  `json:"people"`
	Times  int64  `json:"times"`
}

func (c *calls) interactions(ctx context.Context, in *ByID) (out Interactions, err error) {
	all, err := c.Campaigns.Interactions(ctx, in.id())
	out.Links = make([]Interaction, len(all))
	for i, n := range all {
		out.Links[i] = Interaction{n.Link, n.URL, n.People, n.Times}
	}
	return out, err
}
