package address

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits in octets. RFC 5321 section 4.5.3.1 allows 256 for a path, of which the
// angle brackets take two; RFC 1035 leaves 253 characters of a name's 255 octets.
const (
	maxAddress = 254
	maxLocal   = 64
	maxDomain  = 253
	maxLabel   = 63
)

// Address is a valid e-mail address. Only [Parse] makes one; the zero value
// stands for "none". Compare addresses by [Address.Key], never with ==.
type Address struct {
	given string
	wire  string
	key   string
}

// Parse reads one bare address. Space and invisible marks around it are dropped;
// nothing inside is repaired. The error is always an [*Invalid].
func Parse(s string) (Address, error) {
	s = strings.TrimSpace(s)
	at := strings.IndexByte(s, '@')
	if at > 0 && len(s) <= maxAddress && plainLocal(s[:at]) {
		if ok, punycode := ldhDomain(s[at+1:]); ok && !punycode {
			return plainAddress(s, at), nil
		}
	}
	return parseAny(s)
}

// plainAddress is the short way for ASCII: nothing is copied when s is in lower case.
func plainAddress(s string, at int) Address {
	a := Address{given: s, wire: s, key: strings.ToLower(s)}
	if domain := a.key[at+1:]; s[at+1:] != domain {
		a.wire = s[:at+1] + domain
	}
	return a
}

func parseAny(s string) (Address, error) {
	if bare := strings.TrimFunc(s, unseen); bare != s {
		return Parse(bare)
	}
	if f := checkText(s); f != nil {
		return Address{}, f.of(s)
	}
	local, domain, f := split(s)
	if f != nil {
		return Address{}, f.of(s)
	}
	content, f := parseLocal(s, local)
	if f != nil {
		return Address{}, f.of(s)
	}
	ascii, f := parseDomain(domain)
	if f != nil {
		return Address{}, f.of(s)
	}
	a := Address{given: s, wire: local + "@" + ascii, key: foldLocal(content) + "@" + ascii}
	if n := len(a.wire); n > maxAddress {
		return Address{}, faultf(TooLong, "the address has %d octets, %d are allowed", n, maxAddress).of(s)
	}
	return a, nil
}

// checkText refuses what may stand nowhere in an address, so that no later step
// meets a control character or half a character.
func checkText(s string) *fault {
	switch {
	case s == "":
		return faultf(Empty, "there is no address")
	case len(s) > 2*maxAddress: // a U-label may be longer than its A-label, but not by so much
		return faultf(TooLong, "the text has %d octets, an address at most %d", len(s), maxAddress)
	case !utf8.ValidString(s):
		return faultf(NotUTF8, "the text is not valid UTF-8")
	}
	for i, r := range s {
		switch {
		case r == utf8.RuneError:
			return faultf(NotUTF8, "position %d holds U+FFFD: the text was read in the wrong encoding", i+1)
		case unicode.IsControl(r):
			return faultf(ControlCharacter, "position %d holds the control character %U", i+1, r)
		case !visible(r):
			return faultf(InvisibleCharacter, "position %d holds %U, which cannot be seen or is not assigned", i+1, r)
		}
	}
	return nil
}

// split cuts at the @ that ends the local part: the first one outside quotes.
func split(s string) (local, domain string, _ *fault) {
	if !strings.Contains(s, "@") {
		return "", "", faultf(NoAt, "there is no @")
	}
	end := strings.IndexByte(s, '@')
	if s[0] == '"' {
		n, f := quotedLength(s)
		if f != nil {
			return "", "", f
		}
		if n == len(s) || s[n] != '@' {
			return "", "", strayAfterQuotes(s, n)
		}
		end = n
	}
	return s[:end], s[end+1:], nil
}

// visible says whether r is assigned and shows, or joins letters as Persian and
// the scripts of India need it (ZWNJ and ZWJ, RFC 5892 appendix A).
func visible(r rune) bool {
	return unicode.IsPrint(r) || r == '\u200c' || r == '\u200d'
}

// unseen matches what copying from a page or a mail program leaves around an address.
func unseen(r rune) bool {
	return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r)
}

// String is the address as given, without the space around it.
func (a Address) String() string { return a.given }

// Key is what equality, suppression and limits go by. It is stable: kept in the
// database, and the same for every spelling of the address.
func (a Address) Key() string { return a.key }

// Wire is the form for RCPT TO and for header fields: the local part exactly as
// given (only its domain may say that case does not matter, RFC 5321 section 2.4),
// the domain as lower-case A-labels. It holds no control character.
func (a Address) Wire() string { return a.wire }

// Local is the local part as given, with its quotes if it has them.
func (a Address) Local() string {
	return a.wire[:max(0, strings.LastIndexByte(a.wire, '@'))]
}

// Domain is the domain as lower-case A-labels, without a final dot.
func (a Address) Domain() string {
	return a.wire[strings.LastIndexByte(a.wire, '@')+1:]
}

// ASCII says whether any server can take the address. If not, its local part
// needs SMTPUTF8 on every hop (RFC 6531 section 3.4).
func (a Address) ASCII() bool { return isASCII(a.wire) }

// IsZero says that this is no address at all.
func (a Address) IsZero() bool { return a == Address{} }

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
