package api

import (
	"context"
	"time"

	"facteur/internal/database"
	"facteur/subscribers"
)

// NewList is what a list is made of.
type NewList struct {
	Name  string `json:"name" maxLength:"200" pattern:"^[^\\x00-\\x1f]*[^\\x00- ][^\\x00-\\x1f]*$" patternDescription:"a name on one line" example:"Newsletter"`
	OptIn string `json:"opt_in,omitempty" enum:"double,single" default:"double" doc:"double: each address is confirmed by mail. single: the sign-up is trusted."`
}

// List is a list that people subscribe to.
type List struct {
	ID        ID         `json:"id"`
	Name      string     `json:"name"`
	OptIn     string     `json:"opt_in"`
	CreatedAt *time.Time `json:"created_at"`
	Sizes     *Sizes     `json:"sizes,omitempty" doc:"Only where one list is asked for."`
}

// Sizes counts a list's subscriptions by status.
type Sizes struct {
	Pending      int64 `json:"pending"`
	Confirmed    int64 `json:"confirmed"`
	Unsubscribed int64 `json:"unsubscribed"`
}

func listOf(l subscribers.List) List {
	return List{ID: idOf(l.ID), Name: l.Name, OptIn: string(l.OptIn), CreatedAt: at(l.CreatedAt)}
}

func (c *calls) createList(ctx context.Context, tx *database.Tx, in *struct{ Body NewList }) (List, error) {
	l, err := c.People.CreateList(ctx, tx, subscribers.List{Name: in.Body.Name, OptIn: subscribers.OptIn(in.Body.OptIn)})
	return listOf(l), err
}

func (c *calls) lists(ctx context.Context, in *Paging) (Page[List], error) {
	all, err := c.People.Lists(ctx, in.Cursor.int(), in.Limit+1)
	return pageOf(*in, all, func(l subscribers.List) int64 { return l.ID }, listOf), err
}

func (c *calls) list(ctx context.Context, in *ByID) (List, error) {
	l, err := c.People.List(ctx, in.id())
	if err != nil {
		return List{}, err
	}
	n, err := c.People.Sizes(ctx, l.ID)
	out := listOf(l)
	out.Sizes = &Sizes{Pending: n[subscribers.Pending], Confirmed: n[subscribers.Confirmed], Unsubscribed: n[subscribers.Unsubscribed]}
	return out, err
}
