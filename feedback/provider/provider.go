package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"facteur/feedback/parse"
	"facteur/sending/reply"
)

// ErrSignature is a webhook that its provider has not signed, or not with the
// key that was given.
var ErrSignature = errors.New("the signature is not the provider's")

// ErrBody is a webhook that cannot be read.
var ErrBody = errors.New("not what this provider sends")

// Notice is what a provider says of one mail.
type Notice struct {
	Kind       string // as package feedback names kinds
	Class      reply.Class
	Status     string
	Code       int
	Diagnostic string
	Recipient  string
	ID         string // of the event; the same when it is sent again

	// The signs by which the mail may be known.
	Return, MessageIDs, Leave []string
	FeedbackID                string
}

// The kinds of notices; others mean nothing to us.
const (
	bounce      = string(parse.Bounce)
	complaint   = string(parse.Complaint)
	delivered   = string(parse.Delivered)
	delayed     = string(parse.Delayed)
	unsubscribe = "unsubscribe"
)

// Mark is the name of the header fields and metadata in which a mail carries
// our signed id for providers that write their own Message-ID.
const Mark = "facteur"

// Readers read the webhooks of all providers. Safe for concurrent use.
type Readers struct {
	sns *sns
}

// New is the readers; client fetches the certificates of SNS and confirms its
// subscriptions, at Amazon's hosts only.
func New(client *http.Client) *Readers { return &Readers{sns: &sns{client: client}} }

// CheckKey refuses a key that a provider's signatures cannot be checked with.
func CheckKey(name, key string) error {
	switch name {
	case "sendgrid":
		if _, err := sendGridKey(key); err != nil {
			return fmt.Errorf("give the verification key of SendGrid's signed event webhook: %w", err)
		}
	case "mailgun":
		if key == "" {
			return errors.New("give Mailgun's HTTP webhook signing key")
		}
	case "ses":
		if !strings.HasPrefix(key, "arn:aws") {
			return errors.New("give the ARN of the SNS topic, such as arn:aws:sns:eu-west-1:123456789012:bounces")
		}
	case "postmark", "brevo", "mailjet":
		if key != "" {
			return errors.New(name + " does not sign its webhooks: leave the key away")
		}
	default:
		return fmt.Errorf("provider %q is unknown: want ses, sendgrid, mailgun, postmark, brevo or mailjet", name)
	}
	return nil
}

// Read checks and reads a webhook.
func (r *Readers) Read(ctx context.Context, name, key string, header http.Header, body []byte, now time.Time) ([]Notice, error) {
	switch name {
	case "ses":
		return r.sns.read(ctx, key, body)
	case "sendgrid":
		return sendGrid(key, header, body, now)
	case "mailgun":
		return mailgun(key, body, now)
	case "postmark":
		return postmark(body)
	case "brevo":
		return brevo(body)
	case "mailjet":
		return mailjet(body)
	}
	return nil, fmt.Errorf("provider %q: %w", name, ErrBody)
}

// decode reads JSON.
func decode(body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%w: %w", ErrBody, err)
	}
	return nil
}

// each reads one object, or an array of them.
func each[T any](body []byte) ([]T, error) {
	body = []byte(strings.TrimSpace(string(body)))
	if len(body) > 0 && body[0] == '[' {
		var all []T
		err := decode(body, &all)
		return all, err
	}
	var one T
	err := decode(body, &one)
	return []T{one}, err
}

// bare is a message id without brackets, as a list of signs.
func bare(ids ...string) (all []string) {
	for _, id := range ids {
		if id = strings.Trim(strings.TrimSpace(id), "<>"); id != "" {
			all = append(all, id)
		}
	}
	return all
}

// class is what a refusal is about. permanent is the provider's word that it
// gives up; that an address is dead it must say by itself (gone), or the
// server's words must.
func class(code int, status, text string, permanent, gone bool) reply.Class {
	c := reply.Classify(code, status, text)
	switch {
	case c.AboutUs() && c != reply.RelayFault, c == reply.MailboxFull, c == reply.Content:
		return c
	case c.Hard() && permanent:
		return c
	case gone:
		return reply.DeadAddress
	}
	return reply.Temporary
}
