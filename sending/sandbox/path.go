package sandbox

import (
	"bytes"
	"unicode/utf8"
)

// cutPath takes "<path>" off the beginning of b: the address without brackets and source route, and the parameters
// behind it. It is false for anything but a bracketed path, followed by nothing or a space.
func cutPath(b []byte) (address, params []byte, ok bool) {
	if len(b) < 2 || b[0] != '<' {
		return nil, nil, false
	}
	end, quoted := 0, false
	for i := 1; i < len(b) && end == 0; i++ {
		switch ch := b[i]; {
		case ch < ' ' || ch == 0x7f:
			return nil, nil, false
		case quoted && ch == '\\':
			i++
		case ch == '"':
			quoted = !quoted
		case quoted:
		case ch == ' ' || ch == '<':
			return nil, nil, false
		case ch == '>':
			end = i
		}
	}
	if end == 0 || len(b) > end+1 && b[end+1] != ' ' {
		return nil, nil, false
	}
	address, params = b[1:end], bytes.TrimLeft(b[end+1:], " ")
	if len(address) > 0 && address[0] == '@' {
		// A source route is accepted and ignored, RFC 5321 appendix C.
		_, address, ok = bytes.Cut(address, []byte(":"))
		return address, params, ok && len(address) > 0
	}
	return address, params, true
}

// mailbox checks the form of an address: RFC 5321 section 4.1.2, with UTF-8 by RFC 6531 section 3.3.
func mailbox(address []byte) bool {
	at := bytes.LastIndexByte(address, '@')
	if at < 1 || at > 64 || len(address)-at-1 > 255 {
		return false
	}
	local, domain := address[:at], address[at+1:]
	if local[0] == '"' {
		return quotedString(local) && hostname(domain)
	}
	return dotted(local, atext) && hostname(domain)
}

// hostname checks a domain, or an address literal by its brackets only.
func hostname(b []byte) bool {
	if len(b) > 2 && b[0] == '[' && b[len(b)-1] == ']' {
		return dotted(b[1:len(b)-1], func(c byte) bool { return letterOrDigit(c) || c == ':' || c == '-' })
	}
	return dotted(b, func(c byte) bool { return letterOrDigit(c) || c == '-' || c >= utf8.RuneSelf })
}

// dotted checks for one or more parts of allowed bytes with single dots between them.
func dotted(b []byte, allowed func(byte) bool) bool {
	dot := true // a part is still empty
	for _, c := range b {
		if c == '.' {
			if dot {
				return false
			}
			dot = true
			continue
		}
		if !allowed(c) {
			return false
		}
		dot = false
	}
	return !dot
}

// quotedString checks that the closing quote is the last byte and what is inside is printable.
func quotedString(b []byte) bool {
	for i := 1; i < len(b); i++ {
		switch c := b[i]; {
		case c == '\\':
			i++
			if i == len(b) || b[i] < ' ' || b[i] == 0x7f {
				return false
			}
		case c == '"':
			return i == len(b)-1
		}
	}
	return false
}

func atext(c byte) bool {
	return letterOrDigit(c) || c >= utf8.RuneSelf || bytes.IndexByte([]byte("!#$%&'*+-/=?^_`{|}~"), c) >= 0
}

func letterOrDigit(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func ascii(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
