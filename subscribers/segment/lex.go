package segment

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

type kind uint8

const (
	ending kind = iota
	word        // letters, digits and underscores; only behind a dot a digit comes first
	number
	quoted
	day    // 2026-01-31
	moment // an RFC 3339 time
	sign
)

// token is a word or sign of the text.
type token struct {
	kind kind
	text string // of a quoted text: what it stands for
	at   int    // byte offset
}

// is tells whether the token is a keyword or sign, in whatever case.
func (t token) is(text string) bool {
	return (t.kind == word || t.kind == sign) && strings.EqualFold(t.text, text)
}

// shown is the token in a message.
func (t token) shown() string {
	if t.kind == ending {
		return "the end"
	}
	return strconv.Quote(t.text)
}

// scan divides a text into tokens.
func scan(text string) ([]token, *Error) {
	var all []token
	for at := 0; at < len(text); {
		r, width := utf8.DecodeRuneInString(text[at:])
		rest := text[at:]
		switch {
		case r == utf8.RuneError && width == 1:
			return nil, positioned(text, at, "the text is not UTF-8 here")
		case unicode.IsSpace(r):
			at += width
			continue
		case r == '"' || r == '\'':
			t, n, err := scanQuoted(text, at, byte(r))
			if err != nil {
				return nil, err
			}
			all, width = append(all, t), n
		case unicode.IsLetter(r) || r == '_' || unicode.IsDigit(r) && len(all) > 0 && all[len(all)-1].is("."):
			n := strings.IndexFunc(rest, func(r rune) bool {
				return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
			})
			if n < 0 {
				n = len(rest)
			}
			all, width = append(all, token{word, rest[:n], at}), n
		case isDigit(rest, 0) || r == '-' && isDigit(rest, 1):
			t := scanNumber(text, at)
			all, width = append(all, t), len(t.text)
		default:
			n := signWidth(rest)
			if n == 0 {
				return nil, positioned(text, at, "%q has no meaning here; %s", r, hint(r))
			}
			all, width = append(all, token{sign, rest[:n], at}), n
		}
		at += width
	}
	return append(all, token{ending, "", len(text)}), nil
}

func signWidth(rest string) int {
	for _, s := range []string{"!=", "<=", ">=", "<>", "=", "<", ">", "(", ")", "[", "]", ",", "."} {
		if strings.HasPrefix(rest, s) {
			return len(s)
		}
	}
	return 0
}

// hint says what to write for a character that the language does not have.
func hint(r rune) string {
	switch r {
	case '“', '”', '„', '‘', '’', '«', '»':
		return `texts stand between straight quotes: "Lyon"`
	case '-':
		return `an attribute with such a name is written attributes["shoe-size"]`
	}
	return "texts stand between quotes"
}

// scanQuoted reads a text between quotes. A backslash and n or t are a new line
// and a tabulator; any other character behind a backslash stands for itself.
func scanQuoted(text string, at int, quote byte) (token, int, *Error) {
	var b strings.Builder
	for i := at + 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			switch c = text[i]; c {
			case 'n':
				c = '\n'
			case 't':
				c = '\t'
			}
			b.WriteByte(c)
		case c == quote:
			if !utf8.ValidString(b.String()) {
				return token{}, 0, positioned(text, at, "the text is not UTF-8 here")
			}
			return token{quoted, b.String(), at}, i + 1 - at, nil
		default:
			b.WriteByte(c)
		}
	}
	return token{}, 0, positioned(text, at, "the text that begins here has no closing %c", quote)
}

// scanNumber reads a number, a day or a time.
func scanNumber(text string, at int) token {
	rest := text[at:]
	digits := func(from int) int {
		n := from
		for isDigit(rest, n) {
			n++
		}
		return n
	}
	if n := len("2006-01-02"); len(rest) >= n && digits(0) == 4 && rest[4] == '-' && digits(5) == 7 && rest[7] == '-' && digits(8) >= 10 {
		if len(rest) > n && (rest[n] == 'T' || rest[n] == 't') {
			end := n + 1
			for end < len(rest) && strings.IndexByte("0123456789:.+-Zz", rest[end]) >= 0 {
				end++
			}
			return token{moment, rest[:end], at}
		}
		return token{day, rest[:n], at}
	}
	n := digits(1)
	if n < len(rest) && rest[n] == '.' && isDigit(rest, n+1) {
		n = digits(n + 1)
	}
	return token{number, rest[:n], at}
}

func isDigit(text string, at int) bool {
	return at < len(text) && text[at] >= '0' && text[at] <= '9'
}
