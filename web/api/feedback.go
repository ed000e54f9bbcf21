package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"time"

	"facteur/feedback"
	"facteur/internal/database"
	"facteur/internal/journal"

	"github.com/danielgtaylor/huma/v2"
)

// maxReport is how long a mail that came back may be; what counts stands in its first 2 MiB.
const maxReport = 50 << 20

// Feedback is something that came back about a mail.
type Feedback struct {
	ID           *ID        `json:"id" doc:"null: nothing was kept."`
	Kind         string     `json:"kind" enum:"bounce,complaint,unsubscribe,auto_reply,delivered,delayed,probe,none"`
	Class        string     `json:"class" doc:"What a bounce is about: dead_address, dead_domain, mailbox_full, temporary, content, blocked_reputation, blocked_policy, authentication, rate, relay_fault."`
	Hard         bool       `json:"hard" doc:"The address is gone for good."`
	CampaignID   *ID        `json:"campaign_id"`
	SubscriberID *ID        `json:"subscriber_id"`
	LetterID     *ID        `json:"letter_id" doc:"Of a one-off mail."`
	Source       string     `json:"source" doc:"The door it came by: relay:ID, listener, imap, api, or a provider."`
	FoundBy      string     `json:"found_by" doc:"The sign of ours by which the mail was known again; empty: none."`
	Status       string     `json:"status" doc:"RFC 3463."`
	Code         int        `json:"code" doc:"SMTP; 0: not said."`
	Diagnostic   string     `json:"diagnostic"`
	Recipient    string     `json:"recipient" doc:"Whom an unmatched one names."`
	Effect       string     `json:"effect" enum:"suppressed,unsubscribed,counted,noted,duplicate,ignored,unmatched,settled"`
	At           *time.Time `json:"at"`
}

func feedbackOf(e feedback.Event) Feedback {
	out := Feedback{
		Kind: string(e.Kind), Class: e.Class, Hard: e.Hard(), Source: e.Source, FoundBy: string(e.FoundBy), Status: e.Status, Code: e.Code,
		Diagnostic: e.Diagnostic, Recipient: e.Recipient, Effect: string(e.Effect), At: at(e.At),
	}
	for _, x := range []struct {
		to *(*ID)
		id int64
	}{{&out.ID, e.ID}, {&out.CampaignID, e.CampaignID}, {&out.SubscriberID, e.SubscriberID}, {&out.LetterID, e.LetterID}} {
		if x.id != 0 {
			id := idOf(x.id)
			*x.to = &id
		}
	}
	return out
}

// Caused are the events of a mail.
type Caused struct {
	Events []Feedback `json:"events"`
}

func causedBy(events []feedback.Event) Caused {
	c := Caused{Events: make([]Feedback, len(events))}
	for i, e := range events {
		c.Events[i] = feedbackOf(e)
	}
	return c
}

// mails registers the upload of a mail that came back.
func (c *calls) mails(api huma.API, op huma.Operation) {
	op.RequestBody = &huma.RequestBody{
		Required: true, Description: "A mail as it came, headers and all. Any Content-Type. To bring the same mail twice changes nothing.",
		Content: map[string]*huma.MediaType{"message/rfc822": {Schema: &huma.Schema{Type: huma.TypeString}}},
	}
	answered(c, http.StatusOK, c.takeMail)(api, op)
}

// Envelope is what may be known of a mail's way.
type Envelope struct {
	To []string `query:"to,explode" maxItems:"20" doc:"The envelope's recipients, where they are known; those in the header are looked at too."`

	extend func()
}

// Resolve implements [huma.Resolver].
func (e *Envelope) Resolve(ctx huma.Context) []error {
	e.extend = func() { _ = ctx.SetReadDeadline(time.Now().Add(bodyTimeout)) }
	return nil
}

func (c *calls) takeMail(ctx context.Context, in *Envelope) (*kept[Caused], error) {
	body := &upload{body: http.MaxBytesReader(nil, io.NopCloser(askedBy(ctx).body), maxReport), sum: sha256.New(), extend: in.extend}
	return claimed(ctx, c, http.StatusOK, body.hash, func() (Caused, error) {
		events, err := c.Feedback.Mail(ctx, "api", in.To, body)
		if err == nil {
			_, err = io.Copy(io.Discard, body) // so that the answer is read
		}
		var large *http.MaxBytesError
		if body.err != nil && !errors.As(body.err, &large) {
			return Caused{}, problem(http.StatusBadRequest, "incomplete", "the mail did not arrive whole").with("Connection", "close")
		}
		return causedBy(events), err
	})
}

func (c *calls) feedback(ctx context.Context, in *struct {
	Paging
	CampaignID   ID     `query:"campaign_id"`
	SubscriberID ID     `query:"subscriber_id"`
	Kind         string `query:"kind" enum:"bounce,complaint,unsubscribe"`
	Effect       string `query:"effect" enum:"suppressed,unsubscribed,counted,noted,unmatched" doc:"unmatched: reports without a sign of ours, for a person to look at."`
},
) (Page[Feedback], error) {
	f := feedback.Filter{CampaignID: in.CampaignID.int(), SubscriberID: in.SubscriberID.int(), Kind: feedback.Kind(in.Kind), Effect: feedback.Effect(in.Effect)}
	rows, err := c.Feedback.Store().Events(ctx, f, in.Cursor.int(), in.Limit+1)
	return pageOf(in.Paging, rows, func(e feedback.Event) int64 { return e.ID }, feedbackOf), err
}

// Change is an entry of the journal.
type Change struct {
	ID      ID         `json:"id"`
	At      *time.Time `json:"at"`
	Actor   string     `json:"actor"`
	Verb    string     `json:"verb"`
	Details Attributes `json:"details"`
}

// History is what happened to somebody, oldest first.
type History struct {
	Items []Change `json:"items"`
}

func (c *calls) history(ctx context.Context, in *ByID) (History, error) {
	if _, err := c.People.Subscriber(ctx, in.id()); err != nil {
		return History{}, err
	}
	entries, err := journal.Of(ctx, c.DB, "subscriber", in.id())
	out := History{Items: make([]Change, len(entries))}
	for i, e := range entries {
		out.Items[i] = Change{ID: idOf(e.ID), At: at(e.At), Actor: e.Actor, Verb: e.Verb, Details: Attributes(e.Details)}
	}
	return out, err
}

// Hook is a door for a provider's webhook.
type Hook struct {
	ID        ID         `json:"id"`
	Provider  string     `json:"provider"`
	Signed    bool       `json:"signed" doc:"What comes in must carry the provider's signature."`
	CreatedAt *time.Time `json:"created_at"`
	HeardAt   *time.Time `json:"heard_at" doc:"When something last came in; null: never."`
}

// NewHook asks for a door.
type NewHook struct {
	Provider string `json:"provider" enum:"ses,sendgrid,mailgun,postmark,brevo,mailjet"`
	Key      string `json:"key,omitempty" maxLength:"2000" doc:"What its signatures are checked with. SendGrid: the public key of the signed event webhook. Mailgun: the HTTP webhook signing key. SES: the ARN of the SNS topic. The others do not sign."`
}

// MadeHook is a door with its address, which is shown only now.
type MadeHook struct {
	Hook
	URL string `json:"url" doc:"Give it to the provider, and to nobody else. It is not shown again."`
}

func hookOf(h feedback.Hook) Hook {
	return Hook{ID: idOf(h.ID), Provider: h.Provider, Signed: h.Key != "", CreatedAt: at(h.CreatedAt), HeardAt: at(h.HeardAt)}
}

func (c *calls) hooks(ctx context.Context, in *Paging) (Page[Hook], error) {
	all, err := c.Feedback.Store().Hooks(ctx)
	id := func(h feedback.Hook) int64 { return h.ID }
	return pageOf(*in, after(*in, all, id), id, hookOf), err
}

func (c *calls) createHook(ctx context.Context, tx *database.Tx, in *struct{ Body NewHook }) (MadeHook, error) {
	h, secret, err := c.Feedback.CreateHook(ctx, tx, in.Body.Provider, in.Body.Key)
	return MadeHook{hookOf(h), c.PublicURL + Prefix + "/feedback/" + h.Provider + "/" + secret}, err
}

func (c *calls) deleteHook(ctx context.Context, in *ByID) (Hook, error) {
	var h feedback.Hook
	err := c.DB.Write(ctx, func(tx *database.Tx) (err error) {
		h, err = c.Feedback.Store().DeleteHook(ctx, tx, in.id())
		return err
	})
	return hookOf(h), err
}
