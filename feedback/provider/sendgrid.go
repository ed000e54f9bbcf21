package provider

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// signedWithin is how old a signed webhook may be: providers try again for a day or two.
const signedWithin = 72 * time.Hour

// sendGridEvent is one of the events of a webhook
// (https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event).
type sendGridEvent struct {
	Email          string `json:"email"`
	SMTPID         string `json:"smtp-id"`
	Event          string `json:"event"`
	ID             string `json:"sg_event_id"`
	Reason         string `json:"reason"`
	Response       string `json:"response"`
	Status         string `json:"status"`
	Type           string `json:"type"` // bounce, blocked
	Classification string `json:"bounce_classification"`
	Mark           string `json:"facteur"`
}

// sendGridKey is the public key as SendGrid shows it: DER in base64.
func sendGridKey(text string) (*ecdsa.PublicKey, error) {
	der, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		return nil, errors.New("it is not base64")
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok {
		return nil, errors.New("it is not an ECDSA key")
	}
	return key, nil
}

// sendGrid checks the signature over the time and the body
// (https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features).
func sendGrid(key string, header http.Header, body []byte, now time.Time) ([]Notice, error) {
	public, err := sendGridKey(key)
	if err != nil {
		return nil, err
	}
	stamp := header.Get("X-Twilio-Email-Event-Webhook-Timestamp")
	signature, err := base64.StdEncoding.DecodeString(header.Get("X-Twilio-Email-Event-Webhook-Signature"))
	if err != nil || !recent(stamp, now) {
		return nil, ErrSignature
	}
	sum := sha256.Sum256(append([]byte(stamp), body...))
	if !ecdsa.VerifyASN1(public, sum[:], signature) {
		return nil, ErrSignature
	}
	var events []sendGridEvent
	if err := decode(body, &events); err != nil {
		return nil, err
	}
	var found []Notice
	for _, e := range events {
		n := Notice{ID: e.ID, Recipient: e.Email, Status: e.Status, Diagnostic: e.Reason, MessageIDs: bare(e.SMTPID, e.Mark)}
		switch e.Event {
		case "bounce":
			n.Kind = bounce
			n.Class = class(0, e.Status, e.Reason, e.Type == "bounce", e.Type == "bounce" && e.Classification == "Invalid Address")
		case "dropped": // they did not even try: earlier bounces, complaints, or no address
			n.Kind, n.Class = bounce, class(0, e.Status, e.Reason, true, e.Reason == "Invalid" || e.Reason == "Bounced Address")
		case "spamreport":
			n.Kind = complaint
		case "unsubscribe", "group_unsubscribe":
			n.Kind = unsubscribe
		case "deferred":
			n.Kind, n.Diagnostic = delayed, e.Response
		case "delivered":
			n.Kind = delivered
		default:
			continue
		}
		found = append(found, n)
	}
	return found, nil
}

// recent tells whether a time in Unix seconds is one that may still be signed for.
func recent(stamp string, now time.Time) bool {
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return false
	}
	age := now.Sub(time.Unix(seconds, 0))
	return age < signedWithin && age > -time.Hour
}
