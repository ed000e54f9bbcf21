package provider

import (
	"strconv"

	"facteur/sending/reply"
)

// postmarkEvent is a webhook
// (https://postmarkapp.com/developer/webhooks/bounce-webhook and spam-complaint-webhook).
// Postmark writes a Message-ID of its own; our sign is in the metadata, from the
// header field X-PM-Metadata-facteur.
type postmarkEvent struct {
	RecordType  string            `json:"RecordType"`
	ID          int64             `json:"ID"`
	Type        string            `json:"Type"`
	Email       string            `json:"Email"`
	Recipient   string            `json:"Recipient"`
	Description string            `json:"Description"`
	Details     string            `json:"Details"`
	MessageID   string            `json:"MessageID"`
	Suppress    bool              `json:"SuppressSending"`
	Metadata    map[string]string `json:"Metadata"`
}

func postmark(body []byte) ([]Notice, error) {
	events, err := each[postmarkEvent](body)
	if err != nil {
		return nil, err
	}
	var found []Notice
	for _, e := range events {
		n := Notice{ID: e.MessageID + ":" + e.RecordType + ":" + strconv.FormatInt(e.ID, 10), Recipient: e.Email, Diagnostic: e.Details, MessageIDs: bare(e.Metadata[Mark])}
		if n.Diagnostic == "" {
			n.Diagnostic = e.Description
		}
		switch e.RecordType {
		case "SpamComplaint":
			n.Kind = complaint
		case "SubscriptionChange":
			if !e.Suppress {
				continue
			}
			n.Kind, n.Recipient = unsubscribe, e.Recipient
		case "Delivery":
			n.Kind, n.Recipient = delivered, e.Recipient
		case "Bounce":
			n.Kind = bounce
			switch e.Type {
			case "SpamComplaint":
				n.Kind = complaint
			case "Unsubscribe":
				n.Kind = unsubscribe
			case "AutoResponder", "OpenRelayTest", "ChallengeVerification", "Subscribe", "AddressChange":
				continue
			case "Blocked", "SpamNotification":
				n.Class = reply.BlockedReputation
			case "DMARCPolicy":
				n.Class = reply.Authentication
			case "SMTPApiError", "TemplateRenderingFailed", "InboundError":
				n.Class = reply.RelayFault
			default:
				n.Class = class(0, "", e.Details, e.Type == "HardBounce", e.Type == "BadEmailAddress")
			}
		default:
			continue
		}
		found = append(found, n)
	}
	return found, nil
}

// brevoEvent is a webhook (https://developers.brevo.com/docs/transactional-webhooks).
type brevoEvent struct {
	Event     string `json:"event"`
	ID        int64  `json:"id"`
	Email     string `json:"email"`
	MessageID string `json:"message-id"`
	Reason    string `json:"reason"`
	Time      int64  `json:"ts_event"`
	Mark      string `json:"X-Mailin-custom"`
}

func brevo(body []byte) ([]Notice, error) {
	events, err := each[brevoEvent](body)
	if err != nil {
		return nil, err
	}
	var found []Notice
	for _, e := range events {
		n := Notice{ID: e.MessageID + ":" + e.Event + ":" + strconv.FormatInt(e.Time, 10), Recipient: e.Email, Diagnostic: e.Reason, MessageIDs: bare(e.MessageID, e.Mark)}
		switch e.Event {
		case "hard_bounce":
			n.Kind, n.Class = bounce, class(0, "", e.Reason, true, false)
		case "invalid_email":
			n.Kind, n.Class = bounce, reply.DeadAddress
		case "soft_bounce":
			n.Kind, n.Class = bounce, class(0, "", e.Reason, false, false)
		case "blocked", "error":
			n.Kind, n.Class = bounce, reply.BlockedPolicy
		case "spam", "complaint":
			n.Kind = complaint
		case "unsubscribed":
			n.Kind = unsubscribe
		case "deferred":
			n.Kind = delayed
		case "delivered":
			n.Kind = delivered
		default:
			continue
		}
		found = append(found, n)
	}
	return found, nil
}

// mailjetEvent is a webhook (https://dev.mailjet.com/email/guides/webhooks/).
// Our sign is in CustomID, from the header field X-MJ-CustomID.
type mailjetEvent struct {
	Event     string `json:"event"`
	Time      int64  `json:"time"`
	MessageID int64  `json:"MessageID"`
	Email     string `json:"email"`
	CustomID  string `json:"CustomID"`
	Blocked   bool   `json:"blocked"`
	Hard      bool   `json:"hard_bounce"`
	Related   string `json:"error_related_to"`
	Error     string `json:"error"`
	Comment   string `json:"comment"`
}

func mailjet(body []byte) ([]Notice, error) {
	events, err := each[mailjetEvent](body)
	if err != nil {
		return nil, err
	}
	var found []Notice
	for _, e := range events {
		n := Notice{ID: strconv.FormatInt(e.MessageID, 10) + ":" + e.Event, Recipient: e.Email, Diagnostic: e.Error, MessageIDs: bare(e.CustomID)}
		if e.Comment != "" {
			n.Diagnostic += ": " + e.Comment
		}
		switch e.Event {
		case "bounce", "blocked":
			n.Kind, n.Class = bounce, mailjetClass(e)
		case "spam":
			n.Kind = complaint
		case "unsub":
			n.Kind = unsubscribe
		case "sent":
			n.Kind = delivered
		default:
			continue
		}
		found = append(found, n)
	}
	return found, nil
}

// mailjetClass: their own words for what it is about.
func mailjetClass(e mailjetEvent) reply.Class {
	switch e.Error {
	case "user unknown", "recipient mailbox inactive":
		if e.Hard && e.Error == "user unknown" {
			return reply.DeadAddress
		}
		return reply.Temporary
	case "quota exceeded":
		return reply.MailboxFull
	case "invalid domain", "no mail host":
		if e.Hard {
			return reply.DeadDomain
		}
		return reply.Temporary
	case "relay/access denied", "typofix", "sender blocked", "policy issue", "blacklisted", "spam reporter":
		return reply.BlockedPolicy
	case "content blocked":
		return reply.Content
	}
	if e.Related == "spam" || e.Related == "content" {
		return reply.BlockedPolicy
	}
	return class(0, "", e.Comment, e.Hard, false)
}
