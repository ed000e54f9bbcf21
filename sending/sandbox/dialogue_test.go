package sandbox_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"facteur/sending/sandbox"
)

// started starts a server that ends with the test.
func started(t testing.TB, o sandbox.Options) *sandbox.Server {
	t.Helper()
	s, err := sandbox.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// client is the other side of a dialogue.
type client struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

func dialled(t testing.TB, s *sandbox.Server) *client {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &client{t: t, conn: conn, in: bufio.NewReader(conn)}
}

// greeted is a client past EHLO.
func greeted(t testing.TB, s *sandbox.Server) *client {
	t.Helper()
	c := dialled(t, s)
	c.plays(`
		S: 220
		C: EHLO client.test
		S: 250 ENHANCEDSTATUSCODES`)
	return c
}

// plays acts out a transcript. Lines "C: …" that follow each other go out in one write, each with CRLF. "S: …" wants
// a reply whose last line begins so, or with "S: 250-…" a line that is not the last; "S: closed" wants the end.
func (c *client) plays(script string) {
	c.t.Helper()
	var group strings.Builder
	send := func() {
		c.t.Helper()
		if group.Len() > 0 {
			c.writes(group.String())
			group.Reset()
		}
	}
	for _, line := range strings.Split(script, "\n") {
		line = strings.TrimLeft(line, "\t")
		if text, ok := strings.CutPrefix(line, "C: "); ok {
			group.WriteString(text + "\r\n")
			continue
		}
		want, ok := strings.CutPrefix(line, "S: ")
		if !ok {
			continue
		}
		send()
		if want == "closed" {
			c.ended()
			continue
		}
		if got := c.reply(strings.HasPrefix(want, "250-")); !strings.HasPrefix(got, want) {
			c.t.Fatalf("got reply %q, want %q", got, want)
		}
	}
	send()
}

func (c *client) writes(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Fatalf("write %.40q: %v", text, err)
	}
}

// reply reads one reply: its last line, or with each its next line.
func (c *client) reply(each bool) string {
	c.t.Helper()
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			c.t.Fatalf("read a reply: %v", err)
		}
		if line, ok := strings.CutSuffix(line, "\r\n"); ok && (each || len(line) < 4 || line[3] != '-') {
			return line
		}
	}
}

// ended wants the connection closed, with nothing more said.
func (c *client) ended() {
	c.t.Helper()
	rest, err := io.ReadAll(c.in)
	if len(rest) > 0 {
		c.t.Fatalf("got %q, want the end", rest)
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		c.t.Fatal("the connection was not closed")
	}
	c.conn.Close()
}

// sends gives one message to one recipient and returns the reply to the final dot.
func (c *client) sends(to, id string) string {
	c.t.Helper()
	c.plays(fmt.Sprintf(`
		C: MAIL FROM:<news@sender.test>
		C: RCPT TO:<%s>
		C: DATA
		S: 250 2.1.0
		S: 250 2.1.5
		S: 354
		C: Message-ID: <%s>
		C: 
		C: Hello
		C: .`, to, id))
	return c.reply(false)
}

// halfCloses ends the client's direction: the server reads what was written and then the end.
func (c *client) halfCloses() {
	c.t.Helper()
	if err := c.conn.(*net.TCPConn).CloseWrite(); err != nil {
		c.t.Fatal(err)
	}
}

func wantReply(t testing.TB, got, want string) {
	t.Helper()
	if !strings.HasPrefix(got, want) {
		t.Fatalf("got reply %q, want %q", got, want)
	}
}

func clientOn(t testing.TB, conn net.Conn) *client {
	return &client{t: t, conn: conn, in: bufio.NewReader(conn)}
}
