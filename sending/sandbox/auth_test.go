package sandbox_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"testing"
	"time"

	"facteur/sending/sandbox"
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func TestAuth_PlainAndLogin(t *testing.T) {
	s := started(t, sandbox.Options{Users: map[string]string{"news": "secret"}, Keep: 1})
	for name, login := range map[string]string{
		"PLAIN at once": "C: AUTH PLAIN " + b64("\x00news\x00secret"),
		"PLAIN asked":   "C: auth plain\nS: 334 \nC: " + b64("\x00news\x00secret"),
		"LOGIN asked":   "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: " + b64("news") + "\nS: 334 UGFzc3dvcmQ6\nC: " + b64("secret"),
		"LOGIN name":    "C: AUTH LOGIN " + b64("news") + "\nS: 334 UGFzc3dvcmQ6\nC: " + b64("secret"),
	} {
		t.Run(name, func(t *testing.T) {
			c := greeted(t, s)
			c.plays("C: MAIL FROM:<a@sender.test>\nS: 530 5.7.0\n" + login + "\nS: 235 2.7.0")
			c.plays("C: AUTH PLAIN\nS: 503 5.5.1")
			wantReply(t, c.sends("anna@example.com", "1@x"), "250")
			if got := s.Messages()[0].User; got != "news" {
				t.Fatalf("user %q", got)
			}
		})
	}
}

func TestAuth_RefusesWhatIsWrong(t *testing.T) {
	s := started(t, sandbox.Options{Users: map[string]string{"news": "secret"}})
	dialled(t, s).plays("S: 220\nC: AUTH PLAIN\nS: 503 5.5.1")
	greeted(t, s).plays(`
		C: AUTH PLAIN ` + b64("\x00news\x00wrong") + `
		S: 535 5.7.8
		C: AUTH PLAIN ` + b64("\x00nobody\x00") + `
		S: 535 5.7.8
		C: AUTH PLAIN !!!
		S: 501 5.5.2
		C: AUTH LOGIN
		S: 334
		C: *
		S: 501 5.7.0
		C: AUTH LOGIN
		S: 334
		C: ` + b64("news") + `
		S: 334
		C: *
		S: 501 5.7.0
		C: AUTH CRAM-MD5
		S: 504 5.5.4`)
	if got := s.Count().Refused["535 5.7.8"]; got != 2 {
		t.Fatalf("counted %d refused logins", got)
	}
}

// certified is a server's configuration and the pool of a client that trusts it.
func certified(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	server, pool, err := sandbox.SelfSigned(time.Now(), "127.0.0.1", "sandbox.test")
	if err != nil {
		t.Fatal(err)
	}
	return server, pool
}

// secures puts TLS on the client's side.
func (c *client) secures(pool *x509.CertPool) {
	c.conn = tls.Client(c.conn, &tls.Config{RootCAs: pool, ServerName: "sandbox.test"})
	c.in = bufio.NewReader(c.conn)
}

func TestTLS_StartTLSBeginsAnew(t *testing.T) {
	server, pool := certified(t)
	s := started(t, sandbox.Options{TLS: server, RequireTLS: true, Users: map[string]string{"news": "secret"}, Keep: 1})
	c := dialled(t, s)
	c.plays(`
		S: 220
		C: EHLO client.test
		S: 250-sandbox.test
		S: 250-PIPELINING
		S: 250-8BITMIME
		S: 250-SMTPUTF8
		S: 250-SIZE
		S: 250-STARTTLS
		S: 250 ENHANCEDSTATUSCODES
		C: MAIL FROM:<a@sender.test>
		S: 530 5.7.0 say STARTTLS
		C: AUTH PLAIN ` + b64("\x00news\x00secret") + `
		S: 538 5.7.11
		C: STARTTLS now
		S: 501 5.5.4
		C: STARTTLS
		C: NOOP
		S: 503 5.5.1
		S: 250
		C: STARTTLS
		S: 220 2.0.0`)
	c.secures(pool)
	c.plays(`
		C: MAIL FROM:<a@sender.test>
		S: 503 5.5.1 say EHLO
		C: EHLO client.test
		S: 250-sandbox.test
		S: 250-PIPELINING
		S: 250-8BITMIME
		S: 250-SMTPUTF8
		S: 250-SIZE
		S: 250-AUTH PLAIN LOGIN
		S: 250 ENHANCEDSTATUSCODES
		C: STARTTLS
		S: 503 5.5.1
		C: MAIL FROM:<a@sender.test>
		S: 530 5.7.0 log in
		C: AUTH PLAIN ` + b64("\x00news\x00secret") + `
		S: 235
		C: MAIL FROM:<a@sender.test> AUTH=<>
		S: 250
		C: RSET
		S: 250`)
	wantReply(t, c.sends("anna@example.com", "1@x"), "250")
	if !s.Messages()[0].TLS {
		t.Fatal("the message is not marked as come by TLS")
	}
	c.plays("C: QUIT\nS: 221\nS: closed")
}

func TestTLS_ImplicitFromTheFirstByte(t *testing.T) {
	server, pool := certified(t)
	s := started(t, sandbox.Options{TLS: server, ImplicitTLS: true})
	c := dialled(t, s)
	c.secures(pool)
	c.plays("S: 220\nC: EHLO client.test\nS: 250")
	wantReply(t, c.sends("anna@example.com", "1@x"), "250")
}

func TestTLS_AClientThatSpeaksInTheClearIsDropped(t *testing.T) {
	server, _ := certified(t)
	s := started(t, sandbox.Options{TLS: server, ImplicitTLS: true})
	c := dialled(t, s)
	c.writes("EHLO client.test\r\n")
	c.in.Discard(7) // a TLS alert
	c.ended()
}
