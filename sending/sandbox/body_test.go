package sandbox_test

import (
	"strings"
	"testing"

	"facteur/sending/sandbox"
)

// envelope opens a transaction up to 354.
const envelope = `
	C: MAIL FROM:<a@sender.test>
	C: RCPT TO:<anna@example.com>
	C: DATA
	S: 250
	S: 250
	S: 354`

func TestBody_DropsAMessageThatEndsBeforeItsDot(t *testing.T) {
	for name, half := range map[string]string{
		"nothing":            "",
		"half a body":        "Message-ID: <1@x>\r\n\r\nHello",
		"a whole line":       "Message-ID: <1@x>\r\n\r\nHello\r\n",
		"a dot without end":  "Message-ID: <1@x>\r\n\r\nHello\r\n.",
		"a dot with CR only": "Message-ID: <1@x>\r\n\r\nHello\r\n.\r",
		"a CR at the end":    "Message-ID: <1@x>\r\n\r\nHello\r",
	} {
		t.Run(name, func(t *testing.T) {
			s := started(t, sandbox.Options{})
			c := greeted(t, s)
			c.plays(envelope)
			c.writes(half)
			c.halfCloses()
			c.ended()
			if got := s.Count(); got.Accepted != 0 || got.Dropped != 1 {
				t.Fatalf("counts %+v", got)
			}
		})
	}
}

func TestBody_UnstuffsDotsWhereverReadsEnd(t *testing.T) {
	s, c := pipedKeeping(t)
	c.plays("S: 220\nC: EHLO client.test\nS: 250")
	want := ".\r\n..\r\n.a\r\n a.\r\n\r\n.\r\n\r.\r\n\n.\n.\r\na\r\r\n.\r\rb\r\n"
	wire := strings.TrimPrefix(strings.ReplaceAll("\r\n"+want, "\r\n.", "\r\n.."), "\r\n") + ".\r\n"
	for cut := 1; cut < len(wire); cut++ {
		c.plays(envelope)
		c.writes(wire[:cut]) // a pipe hands over each write as one read
		c.writes(wire[cut:])
		wantReply(t, c.reply(false), "250")
		if m, _ := s.Message(int64(cut)); string(m.Raw) != want {
			t.Fatalf("cut at %d: got %q, want %q", cut, m.Raw, want)
		}
	}
}

func TestBody_UnstuffsDotsByteForByte(t *testing.T) {
	s, c := pipedKeeping(t)
	c.plays("S: 220\nC: EHLO client.test\nS: 250")
	c.plays(envelope)
	for _, b := range []byte("..\r\n...\r\na\r\n.b\r\n.\rc\r\n..\r\n.\r\n") {
		c.writes(string(b))
	}
	wantReply(t, c.reply(false), "250")
	if got := string(s.Messages()[0].Raw); got != ".\r\n..\r\na\r\nb\r\n\rc\r\n.\r\n" {
		t.Fatalf("got %q", got)
	}
}

func TestBody_UnstuffsDotsAtTheEdgeOfTheReadBuffer(t *testing.T) {
	const buffer = 32 << 10
	s := started(t, sandbox.Options{Keep: 1})
	c := greeted(t, s)
	for pad := buffer - 12; pad < buffer+4; pad++ {
		want := strings.Repeat("x", pad) + "\r\n.dot\r\n.\r\n" + strings.Repeat("y", buffer) + "\r\n"
		c.plays(envelope)
		c.writes(strings.ReplaceAll(want, "\r\n.", "\r\n..") + ".\r\n")
		wantReply(t, c.reply(false), "250")
		if got := string(s.Messages()[0].Raw); got != want {
			t.Fatalf("pad %d: %d bytes differ from %d wanted", pad, len(got), len(want))
		}
	}
}

func TestBody_EndsOnlyAtADotBetweenCRLFs(t *testing.T) {
	s := started(t, sandbox.Options{Keep: 1})
	c := greeted(t, s)
	c.plays(envelope)
	want := "a\n.\nMAIL FROM:<evil@x>\n.\r\nb\r.\r\nc\r\n"
	c.writes(want + ".\r\n")
	wantReply(t, c.reply(false), "250")
	if got := string(s.Messages()[0].Raw); got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func TestBody_RefusesWhatIsTooLargeAndGoesOn(t *testing.T) {
	s := started(t, sandbox.Options{MaxSize: 1000, Keep: -1})
	c := greeted(t, s)
	c.plays(envelope)
	c.writes(strings.Repeat("x", 200_000) + "\r\n.\r\n")
	wantReply(t, c.reply(false), "552 5.3.4")
	wantReply(t, c.sends("anna@example.com", "1@x"), "250")
	if got := s.Count(); got.Refused["552 5.3.4"] != 1 || got.Accepted != 1 || len(s.Messages()) != 1 {
		t.Fatalf("counts %+v", got)
	}
}

func TestBody_FindsTheMessageID(t *testing.T) {
	long := "Subject: " + strings.Repeat("x", 30_000) + "\r\n"
	for header, want := range map[string]string{
		"Message-ID: <1@x>\r\n\r\n":                         "1@x",
		"message-id:<2@x>\r\n\r\nMessage-ID: <body@x>\r\n":  "2@x",
		"From: a@b\r\nMESSAGE-ID:\r\n <3@x>\r\nTo: c\r\n":   "3@x",
		"Message-ID: plain words\r\n\r\n":                   "plain",
		"Subject: none\r\n\r\nMessage-ID: <body@x>\r\n":     "",
		"\r\nMessage-ID: <body@x>\r\n":                      "",
		"X-Message-ID: <no@x>\r\nMessage-ID: <4@x>\r\n\r\n": "4@x",
		"Message-ID: <\r\n\r\n":                             "",
		"Message-ID: <tab\there@x>\r\n\r\n":                 "tab",
		long + "Message-ID: <5@x>\r\n\r\nbody\r\n":          "5@x",
		"": "",
	} {
		s := started(t, sandbox.Options{})
		c := greeted(t, s)
		c.plays(envelope)
		c.writes(header + ".\r\n")
		wantReply(t, c.reply(false), "250")
		if got := s.Of("anna@example.com")[0].MessageID; got != want {
			t.Errorf("%.60q: got %q, want %q", header, got, want)
		}
	}
}

func pipedKeeping(t *testing.T) (*sandbox.Server, *client) {
	t.Helper()
	return piped(t, sandbox.Options{Keep: -1})
}
