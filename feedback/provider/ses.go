package provider

import (
	"strings"

	"facteur/sending/reply"
)

// sesNotification is what SES publishes
// (https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html and
// event-publishing-retrieving-sns-contents.html). The topic must include the
// original headers: SES writes a Message-ID of its own.
type sesNotification struct {
	NotificationType string `json:"notificationType"`
	EventType        string `json:"eventType"`
	Mail             struct {
		Source  string `json:"source"`
		Headers []struct {
			Name  string `json:"name"`
			Value string `json:"value"`
		} `json:"headers"`
		CommonHeaders struct {
			MessageID string `json:"messageId"`
		} `json:"commonHeaders"`
	} `json:"mail"`
	Bounce struct {
		Type       string         `json:"bounceType"`
		SubType    string         `json:"bounceSubType"`
		Recipients []sesRecipient `json:"bouncedRecipients"`
		FeedbackID string         `json:"feedbackId"`
	} `json:"bounce"`
	Complaint struct {
		Type       string         `json:"complaintFeedbackType"`
		SubType    string         `json:"complaintSubType"`
		Recipients []sesRecipient `json:"complainedRecipients"`
		FeedbackID string         `json:"feedbackId"`
	} `json:"complaint"`
	DeliveryDelay struct {
		Recipients []sesRecipient `json:"delayedRecipients"`
	} `json:"deliveryDelay"`
}

type sesRecipient struct {
	Email      string `json:"emailAddress"`
	Status     string `json:"status"`
	Diagnostic string `json:"diagnosticCode"`
}

func sesEvent(id string, body []byte) ([]Notice, error) {
	var n sesNotification
	if err := decode(body, &n); err != nil {
		return nil, err
	}
	base := Notice{ID: id, Return: []string{n.Mail.Source}, MessageIDs: bare(n.Mail.CommonHeaders.MessageID)}
	for _, h := range n.Mail.Headers {
		switch strings.ToLower(h.Name) {
		case "message-id":
			base.MessageIDs = append(base.MessageIDs, bare(h.Value)...)
		case "return-path":
			base.Return = append(base.Return, h.Value)
		case "feedback-id":
			base.FeedbackID = h.Value
		case "list-unsubscribe":
			for _, way := range strings.Split(h.Value, ",") {
				base.Leave = append(base.Leave, strings.Trim(way, " <>\r\n\t"))
			}
		}
	}
	var found []Notice
	add := func(kind string, who sesRecipient, class reply.Class) {
		one := base
		one.Kind, one.Recipient, one.Status, one.Diagnostic, one.Class = kind, who.Email, who.Status, strings.TrimPrefix(who.Diagnostic, "smtp; "), class
		found = append(found, one)
	}
	switch n.NotificationType + n.EventType {
	case "Bounce":
		for _, r := range n.Bounce.Recipients {
			add(bounce, r, sesClass(n.Bounce.Type, n.Bounce.SubType, r))
		}
	case "Complaint":
		if n.Complaint.Type != "not-spam" {
			for _, r := range n.Complaint.Recipients {
				add(complaint, r, "")
			}
		}
	case "DeliveryDelay":
		for _, r := range n.DeliveryDelay.Recipients {
			add(delayed, r, "")
		}
	}
	return found, nil
}

// sesClass: SES says General of much; the server's own words are asked first.
func sesClass(kind, sub string, r sesRecipient) reply.Class {
	switch sub {
	case "MailboxFull":
		return reply.MailboxFull
	case "MessageTooLarge", "ContentRejected", "AttachmentRejected":
		return reply.Content
	}
	permanent := kind == "Permanent"
	return class(0, r.Status, r.Diagnostic, permanent, permanent && sub == "NoEmail")
}
