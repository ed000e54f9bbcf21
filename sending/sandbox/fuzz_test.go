package sandbox_test

import (
	"bytes"
	"io"
	"net"
	"regexp"
	"testing"
	"time"

	"facteur/sending/sandbox"
)

// FuzzSession gives a server any bytes at all: it must neither panic nor wait for more once the input has ended,
// and what it says must be whole lines.
func FuzzSession(f *testing.F) {
	const start = "EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<anna@example.com>\r\nDATA\r\n"
	for _, seed := range []string{
		"", "\r\n", "EHLO", "QUIT\r\n", "AUTH LOGIN\r\n*\r\n", "EHLO c\r\nAUTH PLAIN =\r\nAUTH PLAIN AG5ld3MAc2VjcmV0\r\n",
		start + "Message-ID: <1@x>\r\n\r\n..\r\n.\r\nQUIT\r\n", start + ".\r\n", start + "\r\n.\r", start + ".\r.\r\n..\n.\r\n",
		"EHLO c\r\nMAIL FROM:<\"a\\>\"@b> SIZE=9 BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<@a,@b:c@[::1]>\r\n",
		"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<busy@x>\r\nRCPT TO:<swallow@x>\r\nDATA\r\nMessage-ID:\r\n\t<\r\n.\r\n",
		"EHLO c\r\nSTARTTLS\r\n",
	} {
		f.Add([]byte(seed), uint8(255), false)
		f.Add([]byte(seed), uint8(0), true)
	}
	replies := regexp.MustCompile(`^220 [^\r\n]*\r\n(\d{3}[ -][^\r\n]*\r\n)*$`)
	certificate, _, err := sandbox.SelfSigned(time.Now(), "sandbox.test")
	if err != nil {
		f.Fatal(err)
	}
	open := started(f, sandbox.Options{SlowFor: time.Nanosecond, Keep: 3, MaxSize: 4096, DataWithoutRecipients: true})
	strict := started(f, sandbox.Options{SlowFor: time.Nanosecond, TLS: certificate, Users: map[string]string{"news": "secret"}, NoPipelining: true})
	f.Fuzz(func(t *testing.T, input []byte, piece uint8, closed bool) {
		s := open
		if closed {
			s = strict
		}
		conn := &recording{input: input, piece: int(piece) + 1}
		ended := make(chan struct{})
		go func() { s.Serve(conn); close(ended) }()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Fatalf("no end after %q", input)
		}
		said, _, _ := bytes.Cut(conn.output, []byte("220 2.0.0 go ahead\r\n")) // a TLS alert follows
		if !replies.Match(said) {
			t.Fatalf("%q was answered %q", input, said)
		}
	})
}

// recording is a connection whose other side says all its input in pieces and hears everything.
type recording struct {
	net.Conn
	input  []byte
	piece  int
	output []byte
}

func (r *recording) Read(p []byte) (int, error) {
	if len(r.input) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), r.piece)], r.input)
	r.input = r.input[n:]
	return n, nil
}

func (r *recording) Write(p []byte) (int, error) {
	r.output = append(r.output, p...)
	return len(p), nil
}

func (r *recording) Close() error { return nil }
