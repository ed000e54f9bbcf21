package provider

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// mailgunEvent is a webhook
// (https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhook-payloads).
type mailgunEvent struct {
	Signature struct {
		Timestamp string `json:"timestamp"`
		Token     string `json:"token"`
		Signature string `json:"signature"`
	} `json:"signature"`
	Data struct {
		ID        string `json:"id"`
		Event     string `json:"event"`
		Severity  string `json:"severity"`
		Reason    string `json:"reason"`
		Recipient string `json:"recipient"`
		Status    struct {
			Code        int    `json:"code"`
			Enhanced    string `json:"enhanced-code"`
			Message     string `json:"message"`
			Description string `json:"description"`
		} `json:"delivery-status"`
		Message struct {
			Headers map[string]any `json:"headers"`
		} `json:"message"`
		Variables map[string]any `json:"user-variables"`
	} `json:"event-data"`
}

func mailgun(key string, body []byte, now time.Time) ([]Notice, error) {
	var e mailgunEvent
	if err := decode(body, &e); err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(e.Signature.Timestamp + e.Signature.Token))
	signature, err := hex.DecodeString(e.Signature.Signature)
	if err != nil || key == "" || !hmac.Equal(signature, mac.Sum(nil)) || !recent(e.Signature.Timestamp, now) {
		return nil, ErrSignature
	}
	d := e.Data
	id, _ := d.Message.Headers["message-id"].(string)
	mark, _ := d.Variables[Mark].(string)
	n := Notice{ID: d.ID, Recipient: d.Recipient, Code: d.Status.Code, Status: d.Status.Enhanced, Diagnostic: d.Status.Message, MessageIDs: bare(id, mark)}
	if n.Diagnostic == "" {
		n.Diagnostic = d.Status.Description
	}
	switch d.Event {
	case "failed":
		n.Kind = bounce
		if d.Severity == "temporary" {
			n.Kind = delayed
			break
		}
		// 6xx are codes of their own: 605 says that it bounced before.
		n.Class = class(n.Code, n.Status, n.Diagnostic, true, n.Code == 605 && d.Reason == "suppress-bounce")
	case "complained":
		n.Kind = complaint
	case "unsubscribed":
		n.Kind = unsubscribe
	case "delivered":
		n.Kind = delivered
	default:
		return nil, nil
	}
	return []Notice{n}, nil
}
