package sandbox_test

import (
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"facteur/sending/sandbox"
)

func TestSession_TakesAMessageAndCountsIt(t *testing.T) {
	s := started(t, sandbox.Options{Keep: 1})
	dialled(t, s).plays(`
		S: 220 sandbox.test ESMTP
		C: EHLO client.test
		S: 250-sandbox.test
		S: 250-PIPELINING
		S: 250-8BITMIME
		S: 250-SMTPUTF8
		S: 250-SIZE 67108864
		S: 250 ENHANCEDSTATUSCODES
		C: MAIL FROM:<news@sender.test> SIZE=100 BODY=8BITMIME
		S: 250 2.1.0
		C: RCPT TO:<anna@example.com>
		S: 250 2.1.5
		C: DATA
		S: 354
		C: Subject: hello
		C: Message-ID: <1@sender.test>
		C: 
		C: Hello Anna
		C: .
		S: 250 2.0.0 queued as 1
		C: QUIT
		S: 221 2.0.0
		S: closed`)
	got := s.Of("anna@example.com")
	if len(got) != 1 || got[0].MessageID != "1@sender.test" || got[0].Count != 1 {
		t.Fatalf("deliveries %+v", got)
	}
	m, ok := s.Message(1)
	if !ok || string(m.Raw) != "Subject: hello\r\nMessage-ID: <1@sender.test>\r\n\r\nHello Anna\r\n" || m.From != "news@sender.test" {
		t.Fatalf("kept %+v %q", m, m.Raw)
	}
	if c := s.Count(); c.Mistakes != 0 || c.Dropped != 0 || c.Accepted != 1 {
		t.Fatalf("counts %+v", c)
	}
}

func TestSession_CountsEachRecipientOfAMessage(t *testing.T) {
	s := started(t, sandbox.Options{})
	greeted(t, s).plays(`
		C: MAIL FROM:<>
		C: RCPT TO:<anna@example.com>
		C: RCPT TO:<unknown@example.com>
		C: RCPT TO:<bert@example.com>
		C: DATA
		S: 250 2.1.0
		S: 250 2.1.5
		S: 550 5.1.1
		S: 250 2.1.5
		S: 354
		C: Message-ID: <1@x>
		C: .
		S: 250 2.0.0`)
	if c := s.Count(); c.Accepted != 2 || c.Messages != 1 || c.Distinct != 2 || c.Refused["550 5.1.1"] != 1 {
		t.Fatalf("counts %+v", c)
	}
}

func TestSession_AnswersBodyAndNextEnvelopeOfOneWrite(t *testing.T) {
	s := started(t, sandbox.Options{})
	c := greeted(t, s)
	c.plays(`
		C: MAIL FROM:<a@sender.test>
		C: RCPT TO:<anna@example.com>
		C: DATA
		S: 250
		S: 250
		S: 354
		C: Message-ID: <1@x>
		C: 
		C: one
		C: .
		C: MAIL FROM:<a@sender.test>
		C: RCPT TO:<bert@example.com>
		C: DATA
		S: 250 2.0.0 queued as 1
		S: 250 2.1.0
		S: 250 2.1.5
		S: 354
		C: Message-ID: <2@x>
		C: 
		C: two
		C: .
		C: QUIT
		S: 250 2.0.0 queued as 2
		S: 221
		S: closed`)
	if got := s.Count().Distinct; got != 2 {
		t.Fatalf("distinct %d, want 2", got)
	}
}

// writes counts the writes of a connection.
type writeCounter struct {
	net.Conn
	n int
}

func (w *writeCounter) Write(p []byte) (int, error) {
	w.n++
	return w.Conn.Write(p)
}

func TestSession_FlushesAPipelinedGroupOnce(t *testing.T) {
	s, err := sandbox.New(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	counted := &writeCounter{Conn: far}
	ended := make(chan struct{})
	go func() { s.Serve(counted); close(ended) }()
	c := clientOn(t, near)
	c.plays(`
		S: 220
		C: EHLO client.test
		S: 250
		C: MAIL FROM:<a@sender.test>
		C: RCPT TO:<anna@example.com>
		C: RCPT TO:<bert@example.com>
		C: DATA
		S: 250
		S: 250
		S: 250
		S: 354`)
	near.Close()
	<-ended
	if counted.n != 3 {
		t.Fatalf("%d writes, want 3: greeting, EHLO, group", counted.n)
	}
}

func TestSession_PaysTheRoundTripOnceForAGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := piped(t, sandbox.Options{RoundTrip: 5 * time.Second, Latency: time.Minute})
		c.plays(`
			S: 220
			C: EHLO client.test
			S: 250`)
		start := time.Now()
		c.plays(`
			C: MAIL FROM:<a@sender.test>
			C: RCPT TO:<anna@example.com>
			C: DATA
			S: 250
			S: 250
			S: 354`)
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("the envelope took %v, want one round trip", took)
		}
		start = time.Now()
		c.plays(`
			C: Message-ID: <1@x>
			C: .
			S: 250`)
		if took := time.Since(start); took != time.Minute+5*time.Second {
			t.Errorf("the final dot took %v, want latency and one round trip", took)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestSession_EndsASilentConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := piped(t, sandbox.Options{IdleTimeout: time.Minute})
		c.plays(`
			S: 220
			S: 421 4.4.2
			S: closed`)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestSession_KeepsTheOrderOfCommands(t *testing.T) {
	s := started(t, sandbox.Options{})
	dialled(t, s).plays(`
		S: 220
		C: MAIL FROM:<a@sender.test>
		S: 503 5.5.1 say EHLO
		C: HELO
		S: 501 5.5.4
		C: HELO client.test
		S: 250 sandbox.test
		C: RCPT TO:<anna@example.com>
		S: 503 5.5.1 say MAIL
		C: DATA
		S: 503 5.5.1 say MAIL
		C: MAIL FROM:<a@sender.test>
		S: 250
		C: MAIL FROM:<a@sender.test>
		S: 503 5.5.1 nested
		C: DATA
		S: 503 5.5.1 no valid
		C: MAIL FROM:<a@sender.test>
		S: 250
		C: RCPT TO:<anna@example.com>
		S: 250
		C: RSET
		S: 250 2.0.0
		C: RCPT TO:<anna@example.com>
		S: 503 5.5.1
		C: MAIL FROM:<a@sender.test>
		S: 250
		C: EHLO client.test
		S: 250
		C: RCPT TO:<anna@example.com>
		S: 503 5.5.1
		C: noop whatever
		S: 250 2.0.0
		C: VRFY anna
		S: 252 2.5.2
		C: HELP
		S: 214 2.0.0
		C: EXPN all
		S: 502 5.5.1
		C: BDAT 5 LAST
		S: 502 5.5.1
		C: STARTTLS
		S: 502 5.5.1
		C: AUTH PLAIN
		S: 502 5.5.1
		C: QUIT now
		S: 501 5.5.4
		C: NONSENSE
		S: 500 5.5.2`)
}

func TestSession_ChecksLinesForTheirForm(t *testing.T) {
	s := started(t, sandbox.Options{})
	c := greeted(t, s)
	c.writes("NOOP\n")
	c.plays("S: 500 5.5.2 end each line with CR LF")
	c.writes("NOOP " + strings.Repeat("x", 20_000) + "\r\n")
	c.plays("S: 500 5.5.6")
	c.writes("NOOP " + strings.Repeat("x", 100_000) + "\r\nNOOP\r\n")
	c.plays("S: 500 5.5.6\nS: 250 2.0.0")
}

func TestSession_EndsAfterTooManyMistakes(t *testing.T) {
	s := started(t, sandbox.Options{})
	c := greeted(t, s)
	c.writes(strings.Repeat("WHAT\r\n", 51) + "NOOP\r\n")
	c.plays(strings.Repeat("S: 500\n", 50) + "S: 421 4.7.0\nS: closed")
	if got := s.Count().Mistakes; got != 51 {
		t.Fatalf("%d mistakes counted, want 51", got)
	}
}

func TestSession_WithoutPipeliningRefusesEarlyInput(t *testing.T) {
	s := started(t, sandbox.Options{NoPipelining: true})
	dialled(t, s).plays(`
		S: 220
		C: EHLO client.test
		S: 250-sandbox.test
		S: 250-8BITMIME
		S: 250
		C: MAIL FROM:<a@sender.test>
		C: NOOP
		S: 503 5.5.0
		S: 250 2.0.0
		C: MAIL FROM:<a@sender.test>
		S: 250
		C: RCPT TO:<anna@example.com>
		S: 250
		C: DATA
		S: 354
		C: Message-ID: <1@x>
		C: .
		S: 250`)
}

func TestSession_DataWithoutRecipientsMayBeAnsweredWith354(t *testing.T) {
	s := started(t, sandbox.Options{DataWithoutRecipients: true})
	greeted(t, s).plays(`
		C: MAIL FROM:<a@sender.test>
		C: RCPT TO:<unknown@example.com>
		C: DATA
		S: 250
		S: 550
		S: 354
		C: .
		C: MAIL FROM:<a@sender.test>
		S: 554 5.5.1
		S: 250 2.1.0`)
	if c := s.Count(); c.Accepted != 0 || c.Mistakes != 0 {
		t.Fatalf("counts %+v", c)
	}
}

// piped is a client on a server in memory, for use inside a synctest bubble.
func piped(t *testing.T, o sandbox.Options) (*sandbox.Server, *client) {
	t.Helper()
	s, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	t.Cleanup(func() { near.Close() })
	go s.Serve(far)
	return s, clientOn(t, near)
}
