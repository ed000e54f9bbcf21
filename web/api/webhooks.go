package api

import (
	"context"
	"time"

	"facteur/internal/database"
	"facteur/internal/journal"
)

// NewWebhook is an address to be told what happens.
type NewWebhook struct {
	URL    string   `json:"url" maxLength:"2000" example:"https://crm.example.com/facteur"`
	Events []string `json:"events,omitempty" maxItems:"50" doc:"Names of events, such as subscriber.bounce, subscriber.complaint, subscriber.unsubscribe, subscriber.suppress, campaign.launch; none: all. They are the object and the verb of the journal's entries." example:"[\"subscriber.bounce\"]"`
}

// Webhook is an address that is told what happens.
type Webhook struct {
	ID        ID         `json:"id"`
	URL       string     `json:"url"`
	Events    []string   `json:"events"`
	CreatedAt *time.Time `json:"created_at"`
	ToldAt    *time.Time `json:"told_at" doc:"When it last took something."`
	FailedAt  *time.Time `json:"failed_at" doc:"When it last did not."`
	Failure   string     `json:"failure" doc:"Why not."`
}

// MadeWebhook is the same with its secret, which is shown only now.
type MadeWebhook struct {
	Webhook
	Secret string `json:"secret" doc:"Calls are signed with it as Standard Webhooks (standardwebhooks.com) says: webhook-id, webhook-timestamp, webhook-signature. It is not shown again."`
}

func webhookOf(w journal.Webhook) Webhook {
	return Webhook{ID: idOf(w.ID), URL: w.URL, Events: w.Events(), CreatedAt: at(w.CreatedAt), ToldAt: at(w.ToldAt), FailedAt: at(w.FailedAt), Failure: w.Failure}
}

func (c *calls) webhooks(ctx context.Context, in *Paging) (Page[Webhook], error) {
	all, err := c.Webhooks.All(ctx)
	id := func(w journal.Webhook) int64 { return w.ID }
	return pageOf(*in, after(*in, all, id), id, webhookOf), err
}

func (c *calls) createWebhook(ctx context.Context, tx *database.Tx, in *struct{ Body NewWebhook }) (MadeWebhook, error) {
	w, secret, err := c.Webhooks.Add(ctx, tx, in.Body.URL, in.Body.Events)
	return MadeWebhook{webhookOf(w), secret}, err
}

func (c *calls) deleteWebhook(ctx context.Context, in *ByID) (Webhook, error) {
	var w journal.Webhook
	err := c.DB.Write(ctx, func(tx *database.Tx) (err error) {
		w, err = c.Webhooks.Remove(ctx, tx, in.id())
		return err
	})
	return webhookOf(w), err
}

// DeadCall is an event that could not be told.
type DeadCall struct {
	ID       ID         `json:"id" doc:"Of the event."`
	Type     string     `json:"type"`
	At       *time.Time `json:"at"`
	Attempts int64      `json:"attempts"`
	Failure  string     `json:"failure"`
}

func (c *calls) deadCalls(ctx context.Context, in *struct {
	ByID
	Paging
},
) (Page[DeadCall], error) {
	if _, err := c.Webhooks.Get(ctx, c.DB, in.id()); err != nil {
		return Page[DeadCall]{}, err
	}
	rows, err := c.Webhooks.Dead(ctx, in.id(), in.Cursor.int(), in.Limit+1)
	return pageOf(in.Paging, rows, func(d journal.Call) int64 { return d.ID }, func(d journal.Call) DeadCall {
		return DeadCall{ID: idOf(d.ID), Type: d.Object + "." + d.Verb, At: at(d.At), Attempts: d.Attempts, Failure: d.Failure}
	}), err
}

// Retried says how many events are told again.
type Retried struct {
	Retried int64 `json:"retried"`
}

func (c *calls) retryWebhook(ctx context.Context, tx *database.Tx, in *ByID) (Retried, error) {
	n, err := c.Webhooks.Retry(ctx, tx, in.id())
	return Retried{n}, err
}
