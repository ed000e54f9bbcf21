package sandbox

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// offersAuth: with a certificate at hand, passwords are taken under TLS only.
func (c *session) offersAuth() bool {
	o := &c.server.opt
	return len(o.Users) > 0 && (c.secure || o.TLS == nil)
}

// auth logs in by PLAIN or LOGIN (RFC 4954).
func (c *session) auth(args []byte) bool {
	mechanism, initial, given := bytes.Cut(args, []byte(" "))
	switch {
	case len(c.server.opt.Users) == 0:
		return c.mistake("502 5.5.1 AUTH is not offered")
	case !c.greeted:
		return c.mistake("503 5.5.1 say EHLO first")
	case !c.offersAuth():
		return c.mistake("538 5.7.11 say STARTTLS first")
	case c.user != "":
		return c.mistake("503 5.5.1 logged in already")
	case c.mail.open:
		return c.mistake("503 5.5.1 not within a transaction")
	}
	switch strings.ToUpper(string(mechanism)) {
	case "PLAIN":
		return c.authPlain(string(initial), given)
	case "LOGIN":
		return c.authLogin(string(initial), given)
	}
	return c.mistake("504 5.5.4 mechanism not known, use PLAIN or LOGIN")
}

// authPlain reads authorization identity, name and password with NULs between them (RFC 4616).
func (c *session) authPlain(response string, given bool) bool {
	if !given {
		var ok bool
		if response, ok = c.ask(""); !ok {
			return false
		}
	}
	fields := strings.Split(decode(response), "\x00")
	if len(fields) != 3 {
		return c.mistake("501 5.5.2 not a PLAIN response")
	}
	return c.logIn(fields[1], fields[2])
}

// authLogin asks for name and password one after the other.
func (c *session) authLogin(name string, given bool) bool {
	ok := true
	if !given {
		if name, ok = c.ask("Username:"); !ok {
			return false
		}
	}
	password := "*"
	if name != "*" {
		if password, ok = c.ask("Password:"); !ok {
			return false
		}
	}
	if password == "*" {
		return c.mistake("501 5.7.0 login called off")
	}
	return c.logIn(decode(name), decode(password))
}

// ask sends a challenge and reads the line that answers it; false if the input has ended.
func (c *session) ask(challenge string) (string, bool) {
	c.reply("334 ", base64.StdEncoding.EncodeToString([]byte(challenge)))
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		c.gone(err)
		return "", false
	}
	return string(bytes.TrimRight(line, "\r\n")), true
}

// decode reads base64; what is none, as the "*" that calls off, is empty and fits no user. "=" stands for empty.
func decode(response string) string {
	text, err := base64.StdEncoding.DecodeString(response)
	if err != nil {
		return ""
	}
	return string(text)
}

func (c *session) logIn(name, password string) bool {
	if want, ok := c.server.opt.Users[name]; !ok || want != password || name == "" {
		c.server.ledger.refuse(nil, "535 5.7.8", c.server.now())
		return c.reply("535 5.7.8 name or password is wrong")
	}
	c.user = name
	return c.reply("235 2.7.0 welcome")
}
