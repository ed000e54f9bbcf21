package provider_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"facteur/feedback/provider"
)

// The bodies below follow the samples in the vendors' documentation; none was
// recorded from a live account.

// amazon answers for Amazon's hosts.
type amazon struct {
	cert  []byte
	asked []string
}

func (a *amazon) RoundTrip(r *http.Request) (*http.Response, error) {
	a.asked = append(a.asked, r.URL.String())
	return &http.Response{StatusCode: 200, Status: "200 OK", Body: io.NopCloser(strings.NewReader(string(a.cert))), Header: http.Header{}, Request: r}, nil
}

// shown is a notice as a line.
func shown(notices []provider.Notice) string {
	var all []string
	for _, n := range notices {
		all = append(all, fmt.Sprintf("%s %s %s %v", n.Kind, n.Recipient, n.Class, n.MessageIDs))
	}
	return strings.Join(all, "; ")
}

const topic = "arn:aws:sns:eu-west-1:123456789012:bounces"

func TestSES_ThroughSignedSNS(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	aws := &amazon{cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
	readers := provider.New(&http.Client{Transport: aws})
	sign := func(m map[string]string) []byte {
		text := "Message\n" + m["Message"] + "\nMessageId\n" + m["MessageId"] + "\n"
		if m["Type"] != "Notification" {
			text += "SubscribeURL\n" + m["SubscribeURL"] + "\n"
		}
		text += "Timestamp\n" + m["Timestamp"] + "\n"
		if m["Type"] != "Notification" {
			text += "Token\n" + m["Token"] + "\n"
		}
		text += "TopicArn\n" + m["TopicArn"] + "\nType\n" + m["Type"] + "\n"
		sum := sha256.Sum256([]byte(text))
		signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		m["Signature"] = base64.StdEncoding.EncodeToString(signature)
		body, _ := json.Marshal(m)
		return body
	}
	message := func(inner string) map[string]string {
		return map[string]string{
			"Type": "Notification", "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "TopicArn": topic, "Message": inner, "Timestamp": "2026-11-26T10:00:00.000Z",
			"SignatureVersion": "2", "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
		}
	}
	mail := `"mail":{"timestamp":"2026-11-26T10:00:00.000Z","source":"b-x@bounces.example.com","messageId":"00000138111222aa-33322211","destination":["jane@example.com"],"headers":[{"name":"Message-ID","value":"<ours@example.com>"},{"name":"List-Unsubscribe","value":"<https://news.example.com/u/t>, <mailto:u-1@example.com>"}],"commonHeaders":{"messageId":"<ours@example.com>"}}`
	ids := "[ours@example.com ours@example.com]"
	for _, c := range []struct{ name, inner, want string }{
		{"no such mailbox", `{"notificationType":"Bounce","bounce":{"bounceType":"Permanent","bounceSubType":"NoEmail","bouncedRecipients":[{"emailAddress":"jane@example.com"}],"feedbackId":"f"},` + mail + `}`, "bounce jane@example.com dead_address " + ids},
		{"permanent, in the server's words", `{"eventType":"Bounce","bounce":{"bounceType":"Permanent","bounceSubType":"General","bouncedRecipients":[{"emailAddress":"jane@example.com","status":"5.1.1","action":"failed","diagnosticCode":"smtp; 550 5.1.1 <jane@example.com>... User"}]},` + mail + `}`, "bounce jane@example.com dead_address " + ids},
		{"permanent, but about us", `{"eventType":"Bounce","bounce":{"bounceType":"Permanent","bounceSubType":"General","bouncedRecipients":[{"emailAddress":"jane@example.com","status":"5.7.1","diagnosticCode":"smtp; 550 5.7.1 blocked using zen.spamhaus.org"}]},` + mail + `}`, "bounce jane@example.com blocked_reputation " + ids},
		{"permanent, and nothing said", `{"eventType":"Bounce","bounce":{"bounceType":"Permanent","bounceSubType":"General","bouncedRecipients":[{"emailAddress":"jane@example.com"}]},` + mail + `}`, "bounce jane@example.com temporary " + ids},
		{"full", `{"eventType":"Bounce","bounce":{"bounceType":"Transient","bounceSubType":"MailboxFull","bouncedRecipients":[{"emailAddress":"jane@example.com"}]},` + mail + `}`, "bounce jane@example.com mailbox_full " + ids},
		{"complaint", `{"notificationType":"Complaint","complaint":{"complainedRecipients":[{"emailAddress":"jane@example.com"}],"complaintFeedbackType":"abuse"},` + mail + `}`, "complaint jane@example.com  " + ids},
		{"not spam", `{"notificationType":"Complaint","complaint":{"complainedRecipients":[{"emailAddress":"jane@example.com"}],"complaintFeedbackType":"not-spam"},` + mail + `}`, ""},
		{"delivery", `{"notificationType":"Delivery","delivery":{},` + mail + `}`, ""},
	} {
		got, err := readers.Read(t.Context(), "ses", topic, nil, sign(message(c.inner)), time.Now())
		if err != nil || shown(got) != c.want {
			t.Errorf("%s: %q, %v; want %q", c.name, shown(got), err, c.want)
		}
	}

	// A subscription is confirmed, at Amazon's.
	subscription := message("You have chosen to subscribe")
	subscription["Type"], subscription["Token"], subscription["SubscribeURL"] = "SubscriptionConfirmation", "2336412f37", "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=2336412f37"
	if _, err := readers.Read(t.Context(), "ses", topic, nil, sign(subscription), time.Now()); err != nil || aws.asked[len(aws.asked)-1] != subscription["SubscribeURL"] {
		t.Error(err, aws.asked)
	}

	// Anything else is refused, and nobody but Amazon is asked.
	asked := len(aws.asked)
	for name, change := range map[string]func(m map[string]string){
		"another topic":           func(m map[string]string) { m["TopicArn"] = "arn:aws:sns:eu-west-1:666666666666:evil" },
		"a certificate elsewhere": func(m map[string]string) { m["SigningCertURL"] = "https://evil.example/cert.pem" },
		"a host that looks alike": func(m map[string]string) {
			m["SigningCertURL"] = "https://sns.eu-west-1.amazonaws.com.evil.example/c.pem"
		},
		"plain http": func(m map[string]string) { m["SigningCertURL"] = "http://sns.eu-west-1.amazonaws.com/c.pem" },
		"no version": func(m map[string]string) { m["SignatureVersion"] = "" },
	} {
		m := message(`{}`)
		change(m)
		if _, err := readers.Read(t.Context(), "ses", topic, nil, sign(m), time.Now()); !errors.Is(err, provider.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	forged := strings.Replace(string(sign(message(`{"notificationType":"Bounce"}`))), "Bounce", "Complaint", 1)
	if _, err := readers.Read(t.Context(), "ses", topic, nil, []byte(forged), time.Now()); !errors.Is(err, provider.ErrSignature) {
		t.Error(err)
	}
	if len(aws.asked) != asked {
		t.Error(aws.asked[asked:])
	}
}

func TestSendGrid_Signed(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public, now := base64.StdEncoding.EncodeToString(der), time.Now()
	if err := provider.CheckKey("sendgrid", public); err != nil {
		t.Fatal(err)
	}
	headers := func(stamp, body string) http.Header {
		sum := sha256.Sum256([]byte(stamp + body))
		signature, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		h := http.Header{}
		h.Set("X-Twilio-Email-Event-Webhook-Timestamp", stamp)
		h.Set("X-Twilio-Email-Event-Webhook-Signature", base64.StdEncoding.EncodeToString(signature))
		return h
	}
	body := `[{"email":"example@test.com","timestamp":1513299569,"smtp-id":"<ours@example.com>","event":"bounce","type":"bounce","bounce_classification":"Invalid Address","sg_event_id":"1","reason":"500 unknown recipient","status":"5.0.0"},
		{"email":"example@test.com","smtp-id":"<ours@example.com>","event":"bounce","type":"blocked","bounce_classification":"Reputation","sg_event_id":"2","reason":"550 5.7.1 blocked using a blocklist","status":"5.7.1"},
		{"email":"example@test.com","smtp-id":"<ours@example.com>","event":"spamreport","sg_event_id":"3"},{"email":"example@test.com","event":"open","sg_event_id":"4"},
		{"email":"example@test.com","smtp-id":"<ours@example.com>","event":"deferred","response":"400 try again later","attempt":"5","sg_event_id":"5"}]`
	readers, stamp := provider.New(nil), strconv.FormatInt(now.Unix(), 10)
	got, err := readers.Read(t.Context(), "sendgrid", public, headers(stamp, body), []byte(body), now)
	want := "bounce example@test.com dead_address [ours@example.com]; bounce example@test.com blocked_reputation [ours@example.com]; complaint example@test.com  [ours@example.com]; delayed example@test.com  [ours@example.com]"
	if err != nil || shown(got) != want {
		t.Errorf("%q, %v; want %q", shown(got), err, want)
	}
	for name, h := range map[string]http.Header{"of another body": headers(stamp, body+" "), "none": {}, "of long ago": headers(strconv.FormatInt(now.Add(-100*time.Hour).Unix(), 10), body)} {
		if _, err := readers.Read(t.Context(), "sendgrid", public, h, []byte(body), now); !errors.Is(err, provider.ErrSignature) {
			t.Errorf("a signature %s: %v", name, err)
		}
	}
}

func TestMailgun_Signed(t *testing.T) {
	now := time.Now()
	body := func(key, event string) string {
		stamp, token := strconv.FormatInt(now.Unix(), 10), "9e1a8cb4b1a14fa8b6a7f3d4b8c8b0a2"
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte(stamp + token))
		return fmt.Sprintf(`{"signature":{"timestamp":"%s","token":"%s","signature":"%s"},"event-data":%s}`, stamp, token, hex.EncodeToString(mac.Sum(nil)), event)
	}
	for _, c := range []struct{ event, want string }{
		{`{"event":"failed","severity":"permanent","reason":"bounce","id":"G9Bn5sl1TC6nu79C8C0bwg","recipient":"alice@example.com","delivery-status":{"attempt-no":1,"message":"","code":605,"description":"Not delivering to previously bounced address"},"message":{"headers":{"message-id":"ours@example.com"}}}`, "bounce alice@example.com temporary [ours@example.com]"},
		{`{"event":"failed","severity":"permanent","reason":"bounce","id":"1","recipient":"alice@example.com","delivery-status":{"message":"5.1.1 The email account that you tried to reach does not exist","code":550},"message":{"headers":{"message-id":"ours@example.com"}}}`, "bounce alice@example.com dead_address [ours@example.com]"},
		{`{"event":"failed","severity":"temporary","reason":"generic","id":"2","recipient":"alice@example.com","delivery-status":{"message":"4.2.2 The email account that you tried to reach is over quota","code":452},"message":{"headers":{"message-id":"ours@example.com"}}}`, "delayed alice@example.com  [ours@example.com]"},
		{`{"event":"complained","id":"3","recipient":"alice@example.com","message":{"headers":{"message-id":"ours@example.com"}}}`, "complaint alice@example.com  [ours@example.com]"},
		{`{"event":"unsubscribed","id":"4","recipient":"alice@example.com","message":{"headers":{"message-id":"ours@example.com"}}}`, "unsubscribe alice@example.com  [ours@example.com]"},
		{`{"event":"opened","id":"5"}`, ""},
	} {
		got, err := provider.New(nil).Read(t.Context(), "mailgun", "a key", nil, []byte(body("a key", c.event)), now)
		if err != nil || shown(got) != c.want {
			t.Errorf("%q, %v; want %q", shown(got), err, c.want)
		}
	}
	for _, key := range []string{"another key", ""} {
		if _, err := provider.New(nil).Read(t.Context(), "mailgun", key, nil, []byte(body("a key", `{}`)), now); !errors.Is(err, provider.ErrSignature) {
			t.Errorf("%q: %v", key, err)
		}
	}
}

func TestUnsigned_PostmarkBrevoMailjet(t *testing.T) {
	for _, c := range []struct{ name, body, want string }{
		{"postmark", `{"RecordType":"Bounce","ID":42,"Type":"HardBounce","TypeCode":1,"Name":"Hard bounce","MessageID":"883953f4-6105-42a2-a16a-77a8eac79483","Metadata":{"facteur":"ours"},"Description":"The server was unable to deliver your message (ex: unknown user, mailbox not found).","Details":"smtp;550 5.1.1 The email account that you tried to reach does not exist.","Email":"john@example.com","Inactive":true}`, "bounce john@example.com dead_address [ours]"},
		{"postmark", `{"RecordType":"Bounce","ID":43,"Type":"SoftBounce","Metadata":{"facteur":"ours"},"Details":"smtp;452 4.2.2 mailbox full","Email":"john@example.com"}`, "bounce john@example.com mailbox_full [ours]"},
		{"postmark", `{"RecordType":"Bounce","ID":43,"Type":"AutoResponder","Email":"john@example.com"}`, ""},
		{"postmark", `{"RecordType":"SpamComplaint","ID":44,"Type":"SpamComplaint","Metadata":{"facteur":"ours"},"Email":"john@example.com"}`, "complaint john@example.com  [ours]"},
		{"postmark", `{"RecordType":"SubscriptionChange","Recipient":"john@example.com","SuppressSending":true,"Metadata":{"facteur":"ours"}}`, "unsubscribe john@example.com  [ours]"},
		{"brevo", `{"event":"hard_bounce","email":"example@domain.com","id":26224,"date":"2026-11-26 10:00:00","ts_event":1604937337,"message-id":"<ours@example.com>","subject":"S","reason":"550 5.1.1 user unknown"}`, "bounce example@domain.com dead_address [ours@example.com]"},
		{"brevo", `{"event":"soft_bounce","email":"example@domain.com","message-id":"<2@relay.brevo.com>","X-Mailin-custom":"ours","reason":"server is down"}`, "bounce example@domain.com temporary [2@relay.brevo.com ours]"},
		{"brevo", `{"event":"spam","email":"example@domain.com","message-id":"<ours@example.com>"}`, "complaint example@domain.com  [ours@example.com]"},
		{"brevo", `{"event":"opened","email":"example@domain.com"}`, ""},
		{"mailjet", `{"event":"bounce","time":1430812195,"MessageID":13792286917004336,"email":"bounce@mailjet.com","mj_campaign_id":0,"CustomID":"ours","Payload":"","blocked":false,"hard_bounce":true,"error_related_to":"recipient","error":"user unknown","comment":"Host or domain name not found."}`, "bounce bounce@mailjet.com dead_address [ours]"},
		{"mailjet", `[{"event":"blocked","time":1430812195,"MessageID":1,"email":"bounce@mailjet.com","CustomID":"ours","error_related_to":"recipient","error":"user unknown"},{"event":"spam","email":"a@b.example","CustomID":"ours"},{"event":"unsub","email":"a@b.example","CustomID":"ours"},{"event":"open"}]`, "bounce bounce@mailjet.com temporary [ours]; complaint a@b.example  [ours]; unsubscribe a@b.example  [ours]"},
	} {
		got, err := provider.New(nil).Read(t.Context(), c.name, "", nil, []byte(c.body), time.Now())
		if err != nil || shown(got) != c.want {
			t.Errorf("%s: %q, %v; want %q", c.name, shown(got), err, c.want)
		}
	}
	for _, name := range []string{"postmark", "brevo", "mailjet", "ses", "mailgun"} {
		if _, err := provider.New(nil).Read(t.Context(), name, "k", nil, []byte("<html>"), time.Now()); !errors.Is(err, provider.ErrBody) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, key := range map[string]string{"sendgrid": "nonsense", "mailgun": "", "ses": "topic", "postmark": "key", "acme": ""} {
		if provider.CheckKey(name, key) == nil {
			t.Errorf("%s takes %q", name, key)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("postmark", []byte(`{"RecordType":"Bounce"}`))
	f.Add("mailjet", []byte(`[{"event":"bounce"}]`))
	f.Add("brevo", []byte(`{"event":"spam"}`))
	f.Add("mailgun", []byte(`{"signature":{}}`))
	f.Add("ses", []byte(`{"Type":"Notification"}`))
	readers := provider.New(&http.Client{Transport: &amazon{}})
	f.Fuzz(func(t *testing.T, name string, body []byte) {
		notices, err := readers.Read(t.Context(), name, "key", http.Header{}, body, time.Now())
		if err != nil && (len(notices) > 0 || !errors.Is(err, provider.ErrBody) && !errors.Is(err, provider.ErrSignature) && name != "sendgrid") {
			t.Errorf("%s: %v", name, err)
		}
	})
}
