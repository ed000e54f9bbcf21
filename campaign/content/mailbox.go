package content

import (
	"strings"
	"unicode/utf8"
)

// maxAddress is a local part of 64, the @ and a domain of 255 (RFC 5321 4.5.3.1), in bytes.
const maxAddress = 320

// addressFault says why an address can't stand between < and > in a header, or nothing.
// Whether it is a good address is judged elsewhere; here only the header is kept whole.
func addressFault(address string) string {
	if len(address) > maxAddress {
		return "the address is longer than 320 bytes"
	}
	for i := range len(address) {
		if c := address[i]; c < ' ' || c == 0x7f {
			return "the address has a line break or another control character in it"
		}
	}
	if !utf8.ValidString(address) {
		return "the address is not UTF-8"
	}
	local, domain := address, ""
	if i := strings.LastIndexByte(address, '@'); i >= 0 {
		local, domain = address[:i], address[i+1:]
	}
	switch {
	case local == "" || domain == "":
		return "the address must have the form name@domain"
	case strings.ContainsAny(domain, " <>()\",;\\"):
		return "the domain of the address has a sign in it that no domain has"
	case local[0] == '"' && isQuotedString(local):
		return ""
	case strings.ContainsAny(local, " <>()[]:;@\\,\""):
		return "the part before the @ has a sign in it that needs quotes"
	}
	return ""
}

// isQuotedString: quotes around, and none inside without a backslash (RFC 5321 4.1.2).
func isQuotedString(s string) bool {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i == len(s)-1
		}
	}
	return false
}

// idFault says why a Message-ID can't stand between < and >, or nothing.
func idFault(id string) string {
	if id == "" {
		return "the message has no id"
	}
	if len(id) > maxChunk {
		return "the id is longer than 900 bytes"
	}
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c >= 0x7f || c == '<' || c == '>' {
			return "the id may hold only printable ASCII without blanks, < and >"
		}
	}
	return ""
}

// linesFault says why ready header lines would break the message, or nothing.
func linesFault(lines []byte) string {
	for rest := alias(lines); rest != ""; {
		line, after, ended := strings.Cut(rest, "\r\n")
		switch {
		case !ended:
			return "the last line does not end with CRLF"
		case line == "":
			return "an empty line would end the headers"
		case len(line) > 998:
			return "a line is longer than 998 bytes"
		case strings.ContainsAny(line, "\r\n\x00"):
			return "a line has a bare CR, LF or NUL in it"
		case len(rest) == len(lines) && (line[0] == ' ' || line[0] == '\t'):
			return "the first line continues no header"
		}
		rest = after
	}
	return ""
}

// frameFaults checks what is the same in every message; nothing is mended here, since
// the one who set it is at hand.
func frameFaults(f Frame) []error {
	var all []error
	fault := func(part, message string) {
		if message != "" {
			all = append(all, &Error{Part: part, Message: message})
		}
	}
	fault("from", addressFault(f.From.Email))
	fault("from", wordsFault(f.From.Name))
	if f.ReplyTo != (Address{}) {
		fault("reply_to", addressFault(f.ReplyTo.Email))
		fault("reply_to", wordsFault(f.ReplyTo.Name))
	}
	fault("boundary", boundaryFault(f.Boundary))
	fault("footer", wordsFault(f.Footer))
	if !utf8.ValidString(f.PostalAddress) || strings.ContainsRune(f.PostalAddress, 0) {
		fault("postal_address", "the postal address is not plain UTF-8 text")
	}
	return all
}

func wordsFault(words string) string {
	if !utf8.ValidString(words) {
		return quoted(words) + " is not UTF-8"
	}
	for _, r := range words {
		if r < ' ' || r == 0x7f {
			return quoted(words) + " has a line break or another control character in it; take it out"
		}
	}
	return ""
}

// boundaryFault follows RFC 2046 5.1.1, without its blank.
func boundaryFault(boundary string) string {
	if boundary == "" || len(boundary) > 70 {
		return "the boundary must have 1 to 70 characters"
	}
	for i := range len(boundary) {
		if c := boundary[i]; !isAlphanumeric(c) && strings.IndexByte("'()+_,-./:=?", c) < 0 {
			return "the boundary may hold only letters, digits and '()+_,-./:=?"
		}
	}
	return ""
}
