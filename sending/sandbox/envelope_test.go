package sandbox_test

import (
	"fmt"
	"strings"
	"testing"

	"facteur/sending/sandbox"
)

func TestEnvelope_ChecksSenders(t *testing.T) {
	s := started(t, sandbox.Options{MaxSize: 1000})
	c := greeted(t, s)
	for _, try := range []struct{ args, want string }{
		{"FROM:<>", "250 2.1.0"},
		{"from:<a@sender.test>   SIZE=1000  ", "250 2.1.0"},
		{"FROM:<a@sender.test> SIZE=1001", "552 5.3.4"},
		{"FROM:<a@sender.test> SIZE=many", "501 5.5.4"},
		{"FROM:<a@sender.test> SIZE=-1", "501 5.5.4"},
		{"FROM:<a@sender.test> BODY=7bit SMTPUTF8", "250 2.1.0"},
		{"FROM:<a@sender.test> BODY=BINARYMIME", "501 5.5.4"},
		{"FROM:<a@sender.test> RET=HDRS", "555 5.5.4"},
		{"FROM:<a@sender.test> AUTH=<>", "555 5.5.4"},
		{"FROM:<zoë@sender.test>", "553 5.6.7"},
		{"FROM:<zoë@sender.test> SMTPUTF8", "250 2.1.0"},
		{"FROM: <a@sender.test>", "501 5.1.7"},
		{"FROM:a@sender.test", "501 5.1.7"},
		{"FROM:<a>", "501 5.1.7"},
		{"FROM:<a@sender.test>SIZE=1", "501 5.1.7"},
		{"<a@sender.test>", "501 5.5.4"},
		{"", "501 5.5.4"},
	} {
		c.writes("MAIL " + try.args + "\r\n")
		wantReply(t, c.reply(false), try.want)
		c.plays("C: RSET\nS: 250")
	}
}

func TestEnvelope_ChecksRecipients(t *testing.T) {
	s := started(t, sandbox.Options{})
	c := greeted(t, s)
	c.plays("C: MAIL FROM:<a@sender.test>\nS: 250")
	for _, try := range []struct{ args, want string }{
		{"TO:<anna@example.com>", "250 2.1.5"},
		{"TO:<Postmaster>", "250 2.1.5"},
		{`TO:<"anna > \" b"@example.com>`, "250 2.1.5"},
		{"TO:<@relay.test,@other.test:anna@example.com>", "250 2.1.5"},
		{"TO:<anna@[127.0.0.1]>", "250 2.1.5"},
		{"TO:<anna@[IPv6:::1]>", "250 2.1.5"},
		{"TO:<>", "501 5.1.3"},
		{"TO:<anna>", "501 5.1.3"},
		{"TO:<@example.com>", "501 5.1.3"},
		{"TO:<anna@>", "501 5.1.3"},
		{"TO:<an..na@example.com>", "501 5.1.3"},
		{"TO:<.anna@example.com>", "501 5.1.3"},
		{"TO:<an na@example.com>", "501 5.1.3"},
		{`TO:<"anna@example.com>`, "501 5.1.3"},
		{`TO:<"an"na"@example.com>`, "501 5.1.3"},
		{"TO:<anna@exam_ple.com>", "501 5.1.3"},
		{"TO:<anna@example.com", "501 5.1.3"},
		{"TO:<" + strings.Repeat("a", 65) + "@example.com>", "501 5.1.3"},
		{"TO:<an\x01na@example.com>", "501 5.1.3"},
		{"TO:<zoë@example.com>", "553 5.6.7"},
		{"TO:<anna@example.com> NOTIFY=NEVER", "555 5.5.4"},
	} {
		c.writes("RCPT " + try.args + "\r\n")
		if got := c.reply(false); !strings.HasPrefix(got, try.want) {
			t.Errorf("RCPT %s: got %q, want %q", try.args, got, try.want)
		}
		c.plays("C: RSET\nC: MAIL FROM:<a@sender.test>\nS: 250\nS: 250")
	}
	c.plays("C: RSET\nC: MAIL FROM:<a@sender.test> SMTPUTF8\nS: 250\nS: 250")
	c.plays("C: RCPT TO:<zoë@exämple.com>\nS: 250")
}

func TestEnvelope_IgnoresASourceRoute(t *testing.T) {
	s := started(t, sandbox.Options{})
	greeted(t, s).plays(`
		C: MAIL FROM:<a@sender.test>
		C: RCPT TO:<@relay.test:anna@example.com>
		C: DATA
		S: 250
		S: 250
		S: 354
		C: .
		S: 250`)
	if len(s.Of("anna@example.com")) != 1 {
		t.Fatal("the address behind the route was not delivered to")
	}
}

func TestEnvelope_TakesAThousandRecipients(t *testing.T) {
	s := started(t, sandbox.Options{})
	c := greeted(t, s)
	c.plays("C: MAIL FROM:<a@sender.test>\nS: 250")
	go func() {
		for i := range 1001 {
			fmt.Fprintf(c.conn, "RCPT TO:<r%d@example.com>\r\n", i)
		}
	}()
	for range 1000 {
		wantReply(t, c.reply(false), "250 2.1.5")
	}
	wantReply(t, c.reply(false), "452 4.5.3")
	c.plays(`
		C: DATA
		S: 354
		C: .
		S: 250`)
	if got := s.Count().Accepted; got != 1000 {
		t.Fatalf("accepted %d, want 1000", got)
	}
}
