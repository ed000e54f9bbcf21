package sandbox

import (
	"bytes"
	"errors"
	"os"
	"strconv"
)

const (
	maxHeader = 64 << 10 // how far the Message-ID is looked for if messages are not kept
	spareBody = 1 << 20  // a larger body's memory is not kept for the next
)

// body is a message being read: all of it if it will be kept, else only its header.
type body struct {
	text []byte
	size int64 // dots unstuffed
	full bool  // text has all that is wanted
}

// data answers DATA and takes the message.
func (c *session) data() bool {
	switch {
	case !c.mail.open:
		return c.outOfOrder()
	case len(c.mail.to) == 0 && !c.server.opt.DataWithoutRecipients:
		c.mail.reset()
		return c.reply("503 5.5.1 no valid recipients")
	}
	if p := c.mail.play; p != nil && p.Stage == AtData {
		return c.hangUp()
	}
	c.reply("354 end with a dot alone on a line")
	if err := c.readBody(); err != nil {
		c.server.ledger.count(func(counts *Counts) { counts.Dropped++ })
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return c.bye("421 4.4.2 nothing came for too long, closing")
		}
		return false
	}
	more := c.finish()
	c.mail.reset()
	return more
}

// readBody takes the message up to and with its final dot. Only CRLF . CRLF is one: taking bare line feeds for it
// would let one message smuggle in another.
func (c *session) readBody() error {
	b := &c.body
	if cap(b.text) > spareBody {
		b.text = nil
	}
	b.text, b.size, b.full = b.text[:0], 0, false
	lineStart := true // the line end of DATA counts, RFC 5321 section 4.1.1.4
	for {
		window, err := c.window()
		if err != nil {
			return err
		}
		if lineStart && window[0] == '.' {
			if end, err := c.dot(); end || err != nil {
				return err
			}
			lineStart = false
			continue
		}
		n := 0
		n, lineStart = beforeDot(window)
		c.take(window[:n])
		if _, err := c.in.Discard(n); err != nil {
			return err
		}
	}
}

// window is what can be read without waiting, or after waiting if that is nothing. It is never a lone CR.
func (c *session) window() ([]byte, error) {
	if c.in.Buffered() == 0 {
		if _, err := c.in.Peek(1); err != nil {
			return nil, err
		}
	}
	window, err := c.in.Peek(c.in.Buffered())
	if err == nil && len(window) == 1 && window[0] == '\r' {
		if _, err := c.in.Peek(2); err != nil {
			return nil, err
		}
		window, err = c.in.Peek(c.in.Buffered())
	}
	return window, err
}

// beforeDot says how much of a window stands before the next dot at the beginning of a line, and whether what
// follows is the beginning of a line. A CR at the end waits for what comes behind it.
func beforeDot(window []byte) (n int, lineStart bool) {
	if i := bytes.Index(window, []byte("\r\n.")); i >= 0 {
		return i + 2, true
	}
	n = len(window)
	switch {
	case bytes.HasSuffix(window, []byte("\r\n")):
		return n, true
	case n > 1 && window[n-1] == '\r':
		return n - 1, false
	}
	return n, false
}

// dot takes a dot at the beginning of a line: the final one with its line end, or a stuffed one, which is left out
// (RFC 5321 section 4.5.2).
func (c *session) dot() (end bool, err error) {
	next, err := c.in.Peek(2)
	if err != nil {
		return false, err
	}
	if next[1] == '\r' {
		if next, err = c.in.Peek(3); err != nil {
			return false, err
		}
		if next[2] == '\n' {
			_, err = c.in.Discard(3)
			return true, err
		}
	}
	_, err = c.in.Discard(1)
	return false, err
}

// take stores as much of the message as is wanted.
func (c *session) take(part []byte) {
	b := &c.body
	b.size += int64(len(part))
	if c.server.opt.Keep != 0 {
		if b.size <= c.server.opt.MaxSize {
			b.text = append(b.text, part...)
		}
		return
	}
	for len(part) > 0 && !b.full {
		n := min(len(part), 2048)
		from := max(0, len(b.text)-3)
		b.text = append(b.text, part[:n]...)
		part = part[n:]
		b.full = len(b.text) >= maxHeader || bytes.Contains(b.text[from:], []byte("\r\n\r\n"))
	}
}

// finish decides about a message whose final dot has come: it counts first, then waits, then answers.
func (c *session) finish() bool {
	m, s := &c.mail, c.server
	switch {
	case len(m.to) == 0:
		return c.reply("554 5.5.1 no valid recipients") // RFC 2920 section 3.1
	case c.body.size > s.opt.MaxSize:
		c.refuseAll("552 5.3.4")
		return c.answer("552 5.3.4 message too large")
	}
	p := m.play
	if p == nil || !s.strikes(p, m.recipient(m.player), m.from) {
		return c.answerQueued(c.accept())
	}
	return c.playDot(p)
}

// playDot plays what a word has for the final dot.
func (c *session) playDot(p *play) bool {
	s := c.server
	var number int64
	switch {
	case p.Accepts:
		number = c.accept()
		if p.Closes {
			s.ledger.count(func(counts *Counts) { counts.Unanswered++ })
		}
	case p.Reply == "":
		s.ledger.count(func(counts *Counts) { counts.Lost++ })
	default:
		c.refuseAll(p.code)
	}
	if p.Waits && c.wire.wait(s.opt.SlowFor) != nil {
		return false
	}
	switch {
	case p.Reply != "":
		return c.answer(p.Reply) && c.endIf(p.Closes)
	case p.Closes:
		return c.hangUp()
	}
	return c.answerQueued(number)
}

// answer replies to the final dot, late by the latency.
func (c *session) answer(reply string) bool {
	return c.wire.wait(c.server.opt.Latency) == nil && c.reply(reply)
}

// answerQueued is the answer to an accepted message.
func (c *session) answerQueued(number int64) bool {
	if c.wire.wait(c.server.opt.Latency) != nil {
		return false
	}
	c.out.WriteString("250 2.0.0 queued as ")
	c.out.Write(strconv.AppendInt(c.out.AvailableBuffer(), number, 10))
	return c.reply()
}

// accept counts the message for all its recipients, and logs and keeps it as wanted.
func (c *session) accept() (number int64) {
	m, s := &c.mail, c.server
	c.taken++
	now := s.now()
	id := messageID(c.body.text)
	number = s.ledger.accept(m, id, now)
	if s.log != nil {
		s.log.write(m, id, now)
	}
	if s.opt.Keep != 0 {
		s.kept.put(&Message{
			Number: number, At: now, From: string(m.from), To: m.recipients(), MessageID: string(id),
			TLS: c.secure, User: c.user, Size: len(c.body.text), Raw: bytes.Clone(c.body.text),
		})
	}
	return number
}

// refuseAll counts a refusal of the message for each of its recipients.
func (c *session) refuseAll(code string) {
	now := c.server.now()
	for i := range c.mail.to {
		c.server.ledger.refuse(c.mail.recipient(i), code, now)
	}
}
