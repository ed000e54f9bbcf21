package sandbox

import (
	"bytes"
	"strconv"
)

const maxRecipients = 1000 // of one message; RFC 5321 section 4.5.3.1.8 wants at least 100

// envelope is the transaction under way. Its memory is used again for the next one.
type envelope struct {
	open   bool // MAIL was accepted
	spurn  bool // MAIL was right but refused: the RCPT and DATA of its pipelined group are no mistakes
	utf8   bool // with SMTPUTF8
	from   []byte
	text   []byte // the recipients, end to end
	to     []int  // where each ends in text
	play   *play  // what the first recipient with a word for DATA or the final dot asks for; nil is the ordinary course
	player int    // which recipient that is
}

func (m *envelope) reset() {
	m.open, m.spurn, m.utf8, m.play = false, false, false, nil
	m.from, m.text, m.to = m.from[:0], m.text[:0], m.to[:0]
}

func (m *envelope) recipient(i int) []byte {
	start := 0
	if i > 0 {
		start = m.to[i-1]
	}
	return m.text[start:m.to[i]]
}

func (m *envelope) recipients() []string {
	list := make([]string, len(m.to))
	for i := range m.to {
		list[i] = string(m.recipient(i))
	}
	return list
}

// mailFrom opens a transaction.
func (c *session) mailFrom(args []byte) bool {
	o := &c.server.opt
	switch {
	case !c.greeted:
		return c.mistake("503 5.5.1 say EHLO first")
	case c.mail.open:
		return c.mistake("503 5.5.1 nested MAIL command") // RFC 5321 section 4.1.4
	case o.RequireTLS && !c.secure:
		return c.mistake("530 5.7.0 say STARTTLS first")
	case len(o.Users) > 0 && c.user == "":
		return c.mistake("530 5.7.0 log in first")
	case o.MaxMessages > 0 && c.taken >= o.MaxMessages:
		return c.bye("421 4.7.0 enough messages on this connection, open another")
	case len(args) < 5 || !bytes.EqualFold(args[:5], []byte("FROM:")):
		return c.mistake("501 5.5.4 say MAIL FROM:<address>")
	}
	from, params, ok := cutPath(args[5:])
	if !ok || len(from) > 0 && !mailbox(from) {
		return c.mistake("501 5.1.7 bad sender address")
	}
	c.mail.reset()
	size, fault := c.mailParams(params)
	if fault != "" {
		return c.mistake(fault)
	}
	if !c.mail.utf8 && !ascii(from) {
		return c.mistake("553 5.6.7 the address needs SMTPUTF8") // RFC 6531 section 3.5
	}
	if size > o.MaxSize {
		c.mail.spurn = true
		c.server.ledger.refuse(nil, "552 5.3.4", c.server.now())
		return c.reply("552 5.3.4 message larger than SIZE allows") // RFC 1870 section 6.1
	}
	if p := c.server.playAt(true, from); p != nil && c.server.strikes(p, from, from) {
		c.mail.spurn = true
		c.server.ledger.refuse(nil, p.code, c.server.now())
		return c.refuse(p)
	}
	c.mail.open = true
	c.mail.from = append(c.mail.from, from...)
	return c.reply("250 2.1.0 ok")
}

// mailParams reads the parameters of MAIL: the size declared, and the reply to one that can not be taken.
func (c *session) mailParams(params []byte) (size int64, fault string) {
	for len(params) > 0 {
		var param []byte
		param, params, _ = bytes.Cut(params, []byte(" "))
		key, value, _ := bytes.Cut(param, []byte("="))
		switch {
		case len(param) == 0:
		case bytes.EqualFold(key, []byte("SIZE")):
			n, err := strconv.ParseInt(string(value), 10, 64)
			if err != nil || n < 0 {
				return 0, "501 5.5.4 SIZE wants a number of bytes"
			}
			size = n
		case bytes.EqualFold(key, []byte("BODY")):
			if !bytes.EqualFold(value, []byte("8BITMIME")) && !bytes.EqualFold(value, []byte("7BIT")) {
				return 0, "501 5.5.4 BODY is 7BIT or 8BITMIME"
			}
		case bytes.EqualFold(key, []byte("SMTPUTF8")) && len(value) == 0:
			c.mail.utf8 = true
		case bytes.EqualFold(key, []byte("AUTH")) && c.offersAuth(): // RFC 4954 section 5
		default:
			return 0, "555 5.5.4 parameter of MAIL not known"
		}
	}
	return size, ""
}

// outOfOrder answers RCPT or DATA without a transaction.
func (c *session) outOfOrder() bool {
	const reply = "503 5.5.1 say MAIL first"
	if c.mail.spurn {
		return c.reply(reply)
	}
	return c.mistake(reply)
}

// rcptTo adds a recipient, or plays its refusal.
func (c *session) rcptTo(args []byte) bool {
	switch {
	case !c.mail.open:
		return c.outOfOrder()
	case len(args) < 3 || !bytes.EqualFold(args[:3], []byte("TO:")):
		return c.mistake("501 5.5.4 say RCPT TO:<address>")
	}
	to, params, ok := cutPath(args[3:])
	switch {
	case !ok || !mailbox(to) && !bytes.EqualFold(to, []byte("postmaster")): // RFC 5321 section 4.5.1
		return c.mistake("501 5.1.3 bad recipient address")
	case len(params) > 0:
		return c.mistake("555 5.5.4 parameter of RCPT not known")
	case !c.mail.utf8 && !ascii(to):
		return c.mistake("553 5.6.7 the address needs SMTPUTF8")
	case len(c.mail.to) >= maxRecipients:
		return c.reply("452 4.5.3 too many recipients") // RFC 5321 section 4.5.3.1.10
	}
	p := c.server.playAt(false, to)
	if p != nil && p.Stage == AtRcpt && c.server.strikes(p, to, c.mail.from) {
		c.server.ledger.refuse(to, p.code, c.server.now())
		return c.refuse(p)
	}
	if p != nil && p.Stage != AtRcpt && c.mail.play == nil {
		c.mail.play, c.mail.player = p, len(c.mail.to)
	}
	c.mail.text = append(c.mail.text, to...)
	c.mail.to = append(c.mail.to, len(c.mail.text))
	return c.reply("250 2.1.5 ok")
}

// refuse gives a play's reply, and closes if it says so.
func (c *session) refuse(p *play) bool {
	return c.reply(p.Reply) && c.endIf(p.Closes)
}
