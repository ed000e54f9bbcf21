package content

import (
	"bytes"
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// maxChunk is the longest piece without a place to fold that is written as it is; anything
// longer goes into encoded words, which can be cut anywhere, so that no line comes near
// the 998 of RFC 5322 2.1.1.
const maxChunk = 900

// appendUnstructured writes a text as the value of a header such as Subject, whose name
// stands before it in dst. The text must be clean.
func appendUnstructured(dst []byte, s string) []byte {
	if isPrintable(s) && longestChunk(s) <= maxChunk {
		return appendFolded(dst, s)
	}
	return appendEncodedWords(dst, s)
}

// appendMailbox writes `name <address>`; the name is quoted or encoded where it must be.
func appendMailbox(dst []byte, name, address string) []byte {
	if name != "" {
		switch {
		case !isPrintable(name) || longestChunk(name) > maxChunk/2: // quoting may double it
			dst = appendEncodedWords(dst, name)
		case isPhrase(name):
			dst = appendFolded(dst, name)
		case strings.ContainsAny(name, `"\`):
			dst = appendFolded(dst, `"`+strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(name)+`"`)
		case column(dst)+len(name)+2 <= lineWidth:
			dst = append(append(append(dst, '"'), name...), '"')
		default:
			dst = appendFolded(dst, `"`+name+`"`)
		}
		if column(dst)+len(address)+3 > lineWidth {
			dst = append(dst, '\r', '\n')
		}
		dst = append(dst, ' ')
	}
	dst = append(append(dst, '<'), address...)
	return append(dst, '>')
}

// column is where dst's last line ends.
func column(dst []byte) int { return len(dst) - 1 - bytes.LastIndexByte(dst, '\n') }

// isPrintable: ASCII without controls, and nothing that reads as an encoded word.
func isPrintable(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '=' && i+1 < len(s) && s[i+1] == '?' {
			return false
		}
	}
	return true
}

// isPhrase: atoms with single blanks between them (RFC 5322 3.2.3).
func isPhrase(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c == ' ' && i > 0 && i+1 < len(s) && s[i-1] != ' ' {
			continue
		}
		if !isAlphanumeric(c) && strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) < 0 {
			return false
		}
	}
	return true
}

// foldable: a blank that stands alone between two words. Readers differ in what they make
// of several blanks at a fold.
func foldable(s string, i int) bool {
	return s[i] == ' ' && i > 0 && i+1 < len(s) && s[i-1] != ' ' && s[i+1] != ' '
}

func longestChunk(s string) int {
	longest, from := 0, 0
	for i := range len(s) {
		if foldable(s, i) {
			longest, from = max(longest, i-from), i+1
		}
	}
	return max(longest, len(s)-from)
}

// appendFolded writes ASCII, with line breaks before blanks so that lines stay within 76
// where words allow it.
func appendFolded(dst []byte, s string) []byte {
	at := column(dst)
	if at+len(s) <= lineWidth {
		return append(dst, s...)
	}
	for from := 0; from < len(s); {
		end := from + 1
		for end < len(s) && !foldable(s, end) {
			end++
		}
		if from > 0 && at+end-from > lineWidth { // s[from] is the blank
			dst = append(dst, '\r', '\n')
			at = 0
		}
		dst = append(dst, s[from:end]...)
		at += end - from
		from = end
	}
	return dst
}

const (
	wordStart = "=?utf-8?q?"
	wordStop  = "?="
	wordWidth = 75 - len(wordStart) - len(wordStop) // RFC 2047 2
)

// appendEncodedWords writes a text as encoded words (RFC 2047), each on a line of its own
// after the first, whole characters in each. The shorter of the two encodings is taken.
func appendEncodedWords(dst []byte, s string) []byte {
	s = strings.ToValidUTF8(s, "\ufffd")
	quotedLength := 0
	for _, r := range s {
		quotedLength += wordCost(r)
	}
	b64 := base64.StdEncoding.EncodedLen(len(s)) < quotedLength
	room := min(wordWidth, lineWidth-column(dst)-len(wordStart)-len(wordStop))
	for first := true; first || s != ""; first = false {
		if !first {
			dst = append(dst, '\r', '\n', ' ')
			room = wordWidth
		}
		var word string
		if word, s = cutWord(s, room, b64); word == "" && s != "" {
			continue
		}
		if b64 {
			dst = append(dst, "=?utf-8?b?"...)
			dst = base64.StdEncoding.AppendEncode(dst, []byte(word))
		} else {
			dst = append(dst, wordStart...)
			dst = appendWordQ(dst, word)
		}
		dst = append(dst, wordStop...)
	}
	return dst
}

// cutWord takes as many characters as fit in so many columns.
func cutWord(s string, room int, b64 bool) (word, rest string) {
	used := 0
	for i, r := range s {
		width := wordCost(r)
		if b64 {
			width = len(string(r))
		}
		if b64 && (used+width+2)/3*4 > room || !b64 && used+width > room {
			return s[:i], s[i:]
		}
		used += width
	}
	return s, ""
}

// wordCost is a character's width in Q encoding, within the narrow set that is allowed in
// names too (RFC 2047 5 (3)).
func wordCost(r rune) int {
	if r == ' ' || isWordLiteral(r) {
		return 1
	}
	return 3 * utf8.RuneLen(r)
}

func isWordLiteral(r rune) bool {
	return r < utf8.RuneSelf && (isAlphanumeric(byte(r)) || r == '!' || r == '*' || r == '+' || r == '-' || r == '/')
}

func appendWordQ(dst []byte, word string) []byte {
	for _, r := range word {
		switch {
		case r == ' ':
			dst = append(dst, '_')
		case isWordLiteral(r):
			dst = append(dst, byte(r))
		default:
			var buffer [utf8.UTFMax]byte
			for _, c := range buffer[:utf8.EncodeRune(buffer[:], r)] {
				dst = append(dst, '=', upperHex(c>>4), upperHex(c&15))
			}
		}
	}
	return dst
}

// clean makes a person's text fit for a header: controls become blanks, blanks around it go.
// It writes into buffer when it has to change anything.
func clean(buffer []byte, s string) (string, []byte) {
	s = strings.Trim(s, " ")
	dirty := false
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			dirty = true
			break
		}
	}
	if !dirty {
		return s, buffer
	}
	buffer = append(buffer[:0], s...)
	for i, c := range buffer {
		if c < ' ' || c == 0x7f {
			buffer[i] = ' '
		}
	}
	return strings.Trim(alias(buffer), " "), buffer
}
