package sandbox

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"strconv"
)

const (
	readSize    = 32 << 10 // takes a common message and the next envelope in one read
	maxLine     = 12288    // of a command, for the initial response of AUTH (RFC 4954 section 4.3)
	maxMistakes = 50       // then the connection is ended
)

// session is one connection's dialogue.
type session struct {
	server *Server
	raw    net.Conn // below TLS
	wire   *wire
	in     *bufio.Reader
	out    *bufio.Writer

	greeted  bool // EHLO or HELO was given
	secure   bool
	user     string
	taken    int // messages, for MaxMessages
	mistakes int
	mail     envelope
	body     body
}

func newSession(s *Server, conn net.Conn, down chan struct{}) *session {
	out := bufio.NewWriterSize(conn, 4096)
	w := &wire{conn: conn, out: out, roundTrip: s.opt.RoundTrip, idle: s.opt.IdleTimeout, down: down}
	return &session{server: s, raw: conn, wire: w, in: bufio.NewReaderSize(w, readSize), out: out}
}

// run speaks until either side ends it.
func (c *session) run(room bool) {
	if c.server.opt.ImplicitTLS && !c.secureConn() {
		return
	}
	if !room {
		c.bye("421 4.7.0 too many connections, try again later")
		return
	}
	c.reply("220 ", c.server.opt.Name, " ESMTP sandbox")
	for {
		line, err := c.in.ReadSlice('\n')
		var more bool
		switch {
		case err == nil:
			more = c.line(line)
		case errors.Is(err, bufio.ErrBufferFull):
			more = c.skipLine()
		default:
			c.gone(err)
		}
		if !more {
			return
		}
	}
}

// gone ends a session whose input has ended; a client that was only silent is told.
func (c *session) gone(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.bye("421 4.4.2 nothing came for too long, closing")
	}
}

// skipLine passes over the rest of a line that fills the whole buffer.
func (c *session) skipLine() bool {
	for {
		_, err := c.in.ReadSlice('\n')
		if err == nil {
			return c.mistake("500 5.5.6 line too long")
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			c.gone(err)
			return false
		}
	}
}

// line takes one command line, with its end.
func (c *session) line(line []byte) bool {
	if len(line) > maxLine {
		return c.mistake("500 5.5.6 line too long")
	}
	// Only CRLF ends a line, RFC 5321 section 2.3.8.
	if len(line) < 2 || line[len(line)-2] != '\r' {
		return c.mistake("500 5.5.2 end each line with CR LF")
	}
	line = bytes.TrimRight(line[:len(line)-2], " ")
	verb, args, _ := bytes.Cut(line, []byte(" "))
	for i, b := range verb {
		if 'a' <= b && b <= 'z' {
			verb[i] = b - 'a' + 'A'
		}
	}
	if c.server.opt.NoPipelining && c.in.Buffered() > 0 {
		return c.mistake("503 5.5.0 PIPELINING was not offered, wait for each reply")
	}
	return c.command(verb, args)
}

// command does what a command asks; false ends the session.
func (c *session) command(verb, args []byte) bool {
	switch string(verb) {
	case "MAIL":
		return c.mailFrom(args)
	case "RCPT":
		return c.rcptTo(args)
	case "EHLO", "HELO":
		return c.hello(string(verb) == "EHLO", args)
	case "STARTTLS":
		return c.startTLS(args)
	case "AUTH":
		return c.auth(args)
	case "NOOP":
		return c.reply("250 2.0.0 ok")
	case "HELP":
		return c.reply("214 2.0.0 a sandbox: it plays mailbox providers and passes nothing on")
	case "VRFY":
		return c.reply("252 2.5.2 send some mail and see")
	case "EXPN", "BDAT", "TURN", "ETRN":
		return c.mistake("502 5.5.1 command not implemented")
	case "DATA", "RSET", "QUIT":
		if len(args) > 0 {
			return c.mistake("501 5.5.4 this command takes no parameter")
		}
	default:
		return c.mistake("500 5.5.2 command not recognized")
	}
	switch string(verb) {
	case "DATA":
		return c.data()
	case "RSET":
		c.mail.reset()
		return c.reply("250 2.0.0 ok")
	}
	return c.bye("221 2.0.0 bye")
}

// hello begins a session, or begins it anew; it ends a transaction under way (RFC 5321 section 4.1.4).
func (c *session) hello(extended bool, args []byte) bool {
	if len(args) == 0 {
		return c.mistake("501 5.5.4 say who you are")
	}
	c.mail.reset()
	c.greeted = true
	o := &c.server.opt
	if !extended {
		return c.reply("250 ", o.Name)
	}
	c.reply("250-", o.Name)
	if !o.NoPipelining {
		c.reply("250-PIPELINING")
	}
	c.reply("250-8BITMIME")
	c.reply("250-SMTPUTF8")
	c.reply("250-SIZE ", strconv.FormatInt(o.MaxSize, 10))
	if o.TLS != nil && !c.secure {
		c.reply("250-STARTTLS")
	}
	if c.offersAuth() {
		c.reply("250-AUTH PLAIN LOGIN")
	}
	return c.reply("250 ENHANCEDSTATUSCODES")
}

// startTLS goes over to TLS; afterwards the client begins anew (RFC 3207 section 4.2).
func (c *session) startTLS(args []byte) bool {
	switch {
	case len(args) > 0:
		return c.mistake("501 5.5.4 STARTTLS takes no parameter")
	case c.server.opt.TLS == nil:
		return c.mistake("502 5.5.1 STARTTLS is not offered")
	case c.secure:
		return c.mistake("503 5.5.1 TLS is on already")
	case c.in.Buffered() > 0:
		// What came in the clear must not be read as if it had come under TLS.
		return c.mistake("503 5.5.1 STARTTLS must be the last command of its group")
	}
	c.reply("220 2.0.0 go ahead")
	if c.wire.flush() != nil || !c.secureConn() {
		return false
	}
	c.greeted, c.user = false, ""
	c.mail.reset()
	return true
}

// secureConn puts TLS between the session and its connection.
func (c *session) secureConn() bool {
	conn := tls.Server(c.raw, c.server.opt.TLS)
	if conn.Handshake() != nil {
		return false
	}
	c.secure = true
	c.wire.conn = conn
	c.out.Reset(conn)
	c.in.Reset(c.wire)
	return true
}

// reply gathers one reply line; it goes out when the session next waits for input. A broken connection shows there.
func (c *session) reply(parts ...string) bool {
	for _, p := range parts {
		c.out.WriteString(p)
	}
	c.out.WriteString("\r\n")
	return true
}

// mistake answers a command that should not have come, and ends a connection on which there were too many.
func (c *session) mistake(reply string) bool {
	c.server.ledger.count(func(counts *Counts) { counts.Mistakes++ })
	c.mistakes++
	if c.mistakes > maxMistakes {
		return c.bye("421 4.7.0 too many errors")
	}
	return c.reply(reply)
}

// bye gives a last reply and ends the session.
func (c *session) bye(reply string) bool {
	c.reply(reply)
	return c.endIf(true)
}

// endIf ends the session after the replies given, if it shall.
func (c *session) endIf(end bool) bool {
	if end {
		c.wire.part()
	}
	return !end
}

// hangUp ends the session without an answer to the last command, as a connection that dies. Earlier replies still go out.
func (c *session) hangUp() bool {
	_ = c.wire.flush() // the connection ends either way
	return false
}
