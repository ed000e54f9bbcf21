package api

import (
	"context"
	"time"

	"facteur/internal/database"
	"facteur/subscribers"
)

// NewList is what a list is made of.
type NewList struct {
	Name     string `json:"name" maxLength:"200" pattern:"^[^\\x00-\\x1f]*[^\\x00- ][^\\x00-\\x1f]*$" patternDescription:"a name on one line" example:"Newsletter"`
	OptIn    string `json:"opt_in,omitempty" enum:"double,single" default:"double" doc:"double: each address is confirmed by mail. single: a sign-up by API is trusted; the form still asks by mail."`
	SenderID ID     `json:"sender_id,omitempty" doc:"As whom its letters go out, such as confirmation mails; none: the oldest sender."`
	Form     *bool  `json:"form,omitempty" default:"true" doc:"Whether anybody can sign up at /subscribe/{list}."`
}

func (n NewList) list(id int64) subscribers.List {
	return subscribers.List{ID: id, Name: n.Name, OptIn: subscribers.OptIn(n.OptIn), SenderID: n.SenderID.int(), Form: n.Form == nil || *n.Form}
}

// List is a list that people subscribe to.
type List struct {
	ID        ID         `json:"id"`
	Name      string     `json:"name"`
	OptIn     string     `json:"opt_in"`
	SenderID  *ID        `json:"sender_id"`
	Form      bool       `json:"form"`
	CreatedAt *time.Time `json:"created_at"`
	Sizes     *Sizes     `json:"sizes,omitempty" doc:"Only where one list is asked for."`
}

// Sizes counts a list's subscriptions by status.
type Sizes struct {
	Pending      int64 `json:"pending"`
	Confirmed    int64 `json:"confirmed"`
	Unsubscribed int64 `json:"unsubscribed"`
	ToAsk        int64 `json:"to_ask" doc:"People of imports and re-confirmations who are still to be asked for their yes."`
	Asked        int64 `json:"asked" doc:"Those who were asked and have not answered."`
}

func listOf(l subscribers.List) List {
	out := List{ID: idOf(l.ID), Name: l.Name, OptIn: string(l.OptIn), Form: l.Form, CreatedAt: at(l.CreatedAt)}
	if l.SenderID != 0 {
		id := idOf(l.SenderID)
		out.SenderID = &id
	}
	return out
}

func (c *calls) createList(ctx context.Context, tx *database.Tx, in *struct{ Body NewList }) (List, error) {
	if err := c.senderExists(ctx, tx, in.Body.SenderID); err != nil {
		return List{}, err
	}
	l, err := c.People.CreateList(ctx, tx, in.Body.list(0))
	return listOf(l), err
}

func (c *calls) updateList(ctx context.Context, in *struct {
	ByID
	Body NewList
},
) (out List, err error) {
	err = c.DB.Write(ctx, func(tx *database.Tx) error {
		if err := c.senderExists(ctx, tx, in.Body.SenderID); err != nil {
			return err
		}
		l, err := c.People.UpdateList(ctx, tx, in.Body.list(in.id()))
		out = listOf(l)
		return err
	})
	return out, err
}

func (c *calls) senderExists(ctx context.Context, tx *database.Tx, id ID) error {
	if id == "" {
		return nil
	}
	_, err := c.Sending.With(tx).Sender(ctx, id.int())
	return onField("sender_id", err)
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
	if err != nil {
		return List{}, err
	}
	out := listOf(l)
	waiting, asked, err := c.People.Invitations(ctx, l.ID)
	out.Sizes = &Sizes{ToAsk: waiting, Asked: asked, Pending: n[subscribers.Pending], Confirmed: n[subscribers.Confirmed], Unsubscribed: n[subscribers.Unsubscribed]}
	return out, err
}
