package content

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

type lexemeKind uint8

const (
	lexEnd lexemeKind = iota
	lexName
	lexNumber
	lexText
	lexSign // operators and punctuation, as they stand
)

// lexeme is one word or sign of what stands between braces.
type lexeme struct {
	kind lexemeKind
	text string // of a text: without its quotes
	at   int    // offset in the source
}

// lexemes divides the inside of a token; base is its offset in the source.
func lexemes(text string, base int) ([]lexeme, *problem) {
	var all []lexeme
	for pos := 0; ; {
		pos += len(text[pos:]) - len(strings.TrimLeft(text[pos:], blanks))
		if pos == len(text) {
			return append(all, lexeme{kind: lexEnd, at: base + pos}), nil
		}
		l := lexeme{at: base + pos}
		rest := text[pos:]
		width := 0
		switch c := rest[0]; {
		case c == '"' || c == '\'':
			end := strings.IndexByte(rest[1:], c)
			if end < 0 {
				return nil, &problem{l.at, "the text that begins here has no closing " + string(c)}
			}
			l.kind, l.text, width = lexText, rest[1:1+end], end+2
		case isDigit(c) || c == '-' && len(rest) > 1 && isDigit(rest[1]):
			l.kind, width = lexNumber, numberWidth(rest)
			l.text = rest[:width]
		default:
			if width = nameWidth(rest); width > 0 {
				l.kind = lexName
			} else if width = signWidth(rest); width > 0 {
				l.kind = lexSign
			} else {
				r, _ := utf8.DecodeRuneInString(rest)
				return nil, &problem{l.at, "the sign " + quoted(string(r)) + " has no meaning here"}
			}
			l.text = rest[:width]
		}
		all = append(all, l)
		pos += width
	}
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// numberWidth measures digits with at most one point, which must be followed by a
// digit: in (1..5) the first number ends before the points.
func numberWidth(s string) int {
	i := 1
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	if i+1 < len(s) && s[i] == '.' && isDigit(s[i+1]) {
		for i++; i < len(s) && isDigit(s[i]); {
			i++
		}
	}
	return i
}

// nameWidth measures a name: a letter or _, then also digits and hyphens.
func nameWidth(s string) int {
	for i, r := range s {
		if r == '_' || unicode.IsLetter(r) || i > 0 && (r == '-' || unicode.IsDigit(r) || unicode.IsMark(r)) {
			continue
		}
		return i
	}
	return len(s)
}

func signWidth(s string) int {
	for _, sign := range [...]string{"==", "!=", "<>", "<=", ">=", "..", "<", ">", ".", "[", "]", "(", ")", "|", ":", ",", "="} {
		if strings.HasPrefix(s, sign) {
			return len(sign)
		}
	}
	return 0
}

// quoted puts a piece of the template into a message: short, on one line.
func quoted(s string) string {
	if utf8.RuneCountInString(s) > 40 {
		s = string([]rune(s)[:40]) + "…"
	}
	return `"` + strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s) + `"`
}
