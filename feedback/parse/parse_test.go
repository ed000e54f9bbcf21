package parse_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"facteur/feedback/parse"
)

// dsn is a report as Postfix makes it, about one recipient.
func dsn(action, status, said string) string {
	return strings.ReplaceAll(`Return-Path: <>
From: MAILER-DAEMON@mx.example.org (Mail Delivery System)
To: b-abc@bounces.example.com
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="=b"

--=b
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mx.example.org.

<ada@example.net>: host mx.example.net[192.0.2.7] said: `+said+`
--=b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org
Arrival-Date: Thu, 26 Nov 2026 10:00:00 +0000

Final-Recipient: rfc822; ada@example.net
Original-Recipient: rfc822;ada@example.net
Action: `+action+`
Status: `+status+`
Remote-MTA: dns; mx.example.net
Diagnostic-Code: smtp; `+said+`

--=b
Content-Type: text/rfc822-headers

From: news@example.com
To: ada@example.net
Subject: News
Message-ID: <m1@example.com>
List-Unsubscribe: <https://news.example.com/u/token>

--=b--
`, "\n", "\r\n")
}

func TestMessage_ReadsReports(t *testing.T) {
	for _, c := range []struct{ name, mail, want string }{
		{"dead", dsn("failed", "5.1.1", "550 5.1.1 <ada@example.net>: Recipient address rejected: User unknown (in reply to RCPT TO command)"), "bounce ada@example.net 5.1.1 dead_address"},
		{"full", dsn("failed", "5.2.2", "552 5.2.2 mailbox full"), "bounce ada@example.net 5.2.2 mailbox_full"},
		{"filtered", dsn("failed", "5.0.0", "550 user unknown (in reply to end of DATA command)"), "bounce ada@example.net 5.0.0 temporary"},
		{"blocked", dsn("failed", "5.7.1", "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org"), "bounce ada@example.net 5.7.1 blocked_reputation"},
		{"given up", dsn("failed", "4.4.1", "connect to mx.example.net[192.0.2.7]:25: Connection timed out"), "bounce ada@example.net 4.4.1 temporary"},
		{"late", dsn("delayed", "4.4.1", "connect to mx.example.net[192.0.2.7]:25: Connection timed out"), "delayed ada@example.net 4.4.1 "},
		{"there", dsn("delivered", "2.0.0", "250 2.0.0 Ok"), "delivered ada@example.net 2.0.0 "},
		{"relayed", dsn("relayed", "2.0.0", "250 2.0.0 Ok"), "delivered ada@example.net 2.0.0 "},
		{"qmail", "From: MAILER-DAEMON@mx.example.org\nSubject: failure notice\n\nHi. This is the qmail-send program at mx.example.org.\nI'm afraid I wasn't able to deliver your message to the following addresses.\n\n<ada@example.net>:\n192.0.2.7 does not like recipient.\nRemote host said: 550 sorry, no mailbox here by that name. (#5.1.1)\nGiving up on 192.0.2.7.\n\n--- Below this line is a copy of the message.\n\nFrom: news@example.com\nTo: ada@example.net\nMessage-ID: <m1@example.com>\n\nHello\n", "bounce ada@example.net 5.1.1 dead_address"},
		{"exim", "From: Mail Delivery System <Mailer-Daemon@mx.example.org>\nSubject: Mail delivery failed: returning message to sender\nX-Failed-Recipients: ada@example.net\n\nA message that you sent could not be delivered to one or more of its\nrecipients.\n\n  ada@example.net\n    SMTP error from remote mail server after RCPT TO:<ada@example.net>:\n    host mx.example.net [192.0.2.7]: 550 no such user here\n\n------ This is a copy of the message, including all the headers. ------\n\nFrom: news@example.com\nTo: ada@example.net\n\nHello\n", "bounce ada@example.net  dead_address"},
		{"French Exchange", "From: postmaster@example.net\nSubject: Non remis : Nouvelles\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\nVotre message n'a pas =E9t=E9 remis =E0 :\n\nada@example.net\n\n#550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup ##\n", "bounce ada@example.net 5.1.10 dead_address"},
		{"away", "From: Ada <ada@example.net>\nTo: news@example.com\nSubject: =?utf-8?q?R=C3=A9ponse_automatique_:_Nouvelles?=\nAuto-Submitted: auto-replied\n\nJe suis absente.\n", "auto_reply ada@example.net  "},
		{"away without a header", "From: Ada <ada@example.net>\nSubject: Out of Office: News\n\nBack on Monday.\n", "auto_reply ada@example.net  "},
		{"a person", "From: Ada <ada@example.net>\nSubject: Thanks!\n\nNice mail.\n", "none   "},
		{"nothing", "", "none   "},
	} {
		var got []string
		for _, r := range parse.Message(strings.NewReader(c.mail)).Reports {
			got = append(got, fmt.Sprintf("%s %s %s %s", r.Kind, r.Recipient, r.Status, r.Class))
		}
		if len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// arf is a complaint (RFC 5965) whose recipient was taken out.
func arf(kind string) string {
	return "From: feedback@provider.example\r\nTo: c-abc@bounces.example.com\r\nSubject: complaint\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=\"=f\"\r\n\r\n" +
		"--=f\r\nContent-Type: text/plain\r\n\r\nAn abuse report.\r\n--=f\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: " + kind + "\r\nUser-Agent: Provider/1.0\r\nVersion: 1\r\nOriginal-Rcpt-To: <redacted@provider.example>\r\nOriginal-Mail-From: <b-xyz@bounces.example.com>\r\n\r\n" +
		"--=f\r\nContent-Type: message/rfc822\r\n\r\nFrom: news@example.com\r\nTo: redacted@provider.example\r\nMessage-ID: <m1@example.com>\r\nFeedback-ID: 12:3:campaign:9\r\nList-Unsubscribe: <https://news.example.com/u/token>,\r\n <mailto:u-name@bounces.example.com>\r\n\r\nHello\r\n--=f--\r\n"
}

func TestMessage_ReadsWhatTheOriginalWas(t *testing.T) {
	got := parse.Message(strings.NewReader(arf("abuse")))
	want := parse.Original{
		MessageID: "m1@example.com", FeedbackID: "12:3:campaign:9", MailFrom: "b-xyz@bounces.example.com",
		Leave: []string{"https://news.example.com/u/token", "mailto:u-name@bounces.example.com"},
	}
	if r := got.Reports[0]; r.Kind != parse.Complaint || r.Feedback != "abuse" || fmt.Sprint(got.Original) != fmt.Sprint(want) {
		t.Errorf("%+v\n%+v", got.Original, r)
	}
	for _, kind := range []string{"not-spam", "auth-failure"} {
		if r := parse.Message(strings.NewReader(arf(kind))).Reports[0]; r.Kind != parse.None {
			t.Errorf("%s is a %s", kind, r.Kind)
		}
	}
}

func TestMessage_IsBoundedOnHostileMails(t *testing.T) {
	deep := &strings.Builder{}
	for i := range 200 {
		fmt.Fprintf(deep, "Content-Type: multipart/mixed; boundary=\"b%d\"\r\n\r\n--b%d\r\n", i, i)
	}
	deep.WriteString("Content-Type: text/plain\r\n\r\nat the bottom\r\n")
	for name, mail := range map[string]string{
		"200 levels":    deep.String(),
		"many parts":    "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nx\r\n", 100_000),
		"many headers":  strings.Repeat("X: y\r\n", 300_000),
		"one long line": "Subject: " + strings.Repeat("a", 5<<20),
		"many blocks":   "Content-Type: multipart/report; boundary=b; report-type=delivery-status\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n" + strings.Repeat("Final-Recipient: rfc822; a@example.com\r\nAction: failed\r\n\r\n", 20_000),
		"zeroes":        strings.Repeat("\x00", 3<<20),
	} {
		if got := parse.Message(strings.NewReader(mail)); len(got.Reports) == 0 || len(got.Reports) > parse.MaxReports {
			t.Errorf("%s: %d reports", name, len(got.Reports))
		}
	}
}

func FuzzMessage(f *testing.F) {
	f.Add([]byte(dsn("failed", "5.1.1", "550 5.1.1 user unknown")))
	f.Add([]byte(arf("abuse")))
	f.Add([]byte("From: MAILER-DAEMON@a.example\nSubject: failure notice\n\n<a@example.com>:\n550 no\n"))
	f.Fuzz(func(t *testing.T, mail []byte) {
		got := parse.Message(bytes.NewReader(mail))
		if len(got.Reports) == 0 {
			t.Fatal("no report")
		}
		for _, r := range got.Reports {
			if r.Class.Hard() != r.Hard() && r.Kind == parse.Bounce {
				t.Errorf("%+v", r)
			}
			if len(r.Diagnostic) > 1100 || len(r.Recipient) > 1000 || strings.ContainsAny(r.Diagnostic, "\r\n") {
				t.Errorf("%+v", r)
			}
		}
	})
}
