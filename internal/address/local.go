package address

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// atext of RFC 5322 section 3.2.3 as two sets of 64 bits.
const (
	atextLow  uint64 = 0x3ff<<'0' | 1<<'!' | 1<<'#' | 1<<'$' | 1<<'%' | 1<<'&' | 1<<'\'' | 1<<'*' | 1<<'+' | 1<<'-' | 1<<'/' | 1<<'=' | 1<<'?'
	atextHigh uint64 = 0x3ffffff<<('A'-64) | 0x3ffffff<<('a'-64) | 1<<('^'-64) | 1<<('_'-64) | 1<<('`'-64) | 1<<('{'-64) | 1<<('|'-64) | 1<<('}'-64) | 1<<('~'-64)
)

func isAtext(c byte) bool {
	if c < 64 {
		return atextLow>>c&1 != 0
	}
	return c < utf8.RuneSelf && atextHigh>>(c-64)&1 != 0
}

// plainLocal says whether s is a dot-atom in ASCII of allowed length.
func plainLocal(s string) bool {
	return len(s) <= maxLocal && isASCII(s) && isDotAtom(s)
}

// isDotAtom takes every non-ASCII character for atext (RFC 6531 section 3.3).
func isDotAtom(s string) bool {
	dot := true // at the start a dot is as wrong as after another
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '.' {
			if dot {
				return false
			}
			dot = true
			continue
		}
		if c < utf8.RuneSelf && !isAtext(c) {
			return false
		}
		dot = false
	}
	return !dot
}

// parseLocal returns what the local part means: itself, or what its quotes hold.
func parseLocal(whole, local string) (content string, _ *fault) {
	switch {
	case local == "":
		return "", faultf(BadLocal, "there is nothing before the @")
	case local[0] == '"':
		content = unquote(local)
	case !isDotAtom(local):
		return "", explainLocal(whole, local)
	default:
		content = local
	}
	if n := len(local); n > maxLocal {
		return "", faultf(LocalTooLong, "the part before the @ has %d octets, %d are allowed", n, maxLocal)
	}
	return content, nil
}

// explainLocal finds the first thing that keeps local from being a dot-atom.
func explainLocal(whole, local string) *fault {
	dot := true
	for i := 0; i < len(local); i++ {
		c := local[i]
		if c == '.' && dot {
			return faultf(BadLocal, "position %d: a dot may not stand first or after another dot", i+1)
		}
		if c != '.' && c < utf8.RuneSelf && !isAtext(c) {
			return strayInLocal(whole, i)
		}
		dot = c == '.'
	}
	return faultf(BadLocal, "position %d: a dot may not stand right before the @", len(local))
}

func strayInLocal(whole string, i int) *fault {
	switch c := whole[i]; {
	case strings.ContainsAny(whole, "<>"):
		return faultf(DisplayName, "give only the address, without name and angle brackets")
	case c == '(' || c == ')', c == ' ' && strings.Contains(whole, "("):
		return faultf(Comment, "give only the address, without comments in parentheses")
	case c == '"':
		return faultf(BadQuoted, "position %d: quotes must hold the whole part before the @", i+1)
	case c == ' ':
		return faultf(BadLocal, "position %d: a space is allowed only in quotes", i+1)
	default:
		return faultf(BadLocal, "position %d: %q is allowed only in quotes", i+1, c)
	}
}

// quotedLength is the length of the quoted string that s starts with, both quotes counted.
func quotedLength(s string) (int, *fault) {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return i + 1, nil
		case '\\': // quoted-pairSMTP: printable ASCII only (RFC 5321 section 4.1.2)
			if i++; i < len(s) && s[i] >= utf8.RuneSelf {
				return 0, faultf(BadQuoted, "position %d: a backslash may only stand before an ASCII character", i)
			}
		}
	}
	return 0, faultf(BadQuoted, "the quote at the start is never closed")
}

func strayAfterQuotes(s string, n int) *fault {
	switch rest := s[n:]; {
	case strings.ContainsAny(rest, "<>"):
		return faultf(DisplayName, "give only the address, without name and angle brackets")
	case strings.HasPrefix(strings.TrimLeft(rest, " "), "("):
		return faultf(Comment, "give only the address, without comments in parentheses")
	default:
		return faultf(BadQuoted, "position %d: the @ must follow the closing quote", n+1)
	}
}

func unquote(quoted string) string {
	inside := quoted[1 : len(quoted)-1]
	if !strings.Contains(inside, `\`) {
		return inside
	}
	var b strings.Builder
	for i := 0; i < len(inside); i++ {
		if inside[i] == '\\' {
			i++
		}
		b.WriteByte(inside[i])
	}
	return b.String()
}

// foldLocal is the key's half before the @. Folding goes over NFD, as canonical
// caseless matching asks (Unicode section 3.13, D145), and ends in NFC. Quotes come
// back only where the folded text needs them, with the fewest backslashes.
func foldLocal(content string) string {
	if isASCII(content) {
		content = strings.ToLower(content)
	} else {
		content = cases.Fold().String(norm.NFD.String(content))
		content = norm.NFC.String(strings.Map(foldCherokee, content))
	}
	if isDotAtom(content) {
		return content
	}
	return quote(content)
}

// foldCherokee mends cases.Fold, which swaps the two cases of Cherokee: both fold
// to upper case there (Unicode's CaseFolding.txt).
func foldCherokee(r rune) rune {
	switch {
	case 0xab70 <= r && r <= 0xabbf:
		return r - 0xab70 + 0x13a0
	case 0x13f8 <= r && r <= 0x13fd:
		return r - 8
	}
	return r
}

func quote(content string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(content); i++ {
		if content[i] == '"' || content[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(content[i])
	}
	b.WriteByte('"')
	return b.String()
}
