package subscribers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"facteur/internal/address"
)

// plain is a value fit for a header line: line ends and tabs become spaces,
// other controls are dropped.
func plain(field []byte) string {
	field = trimmed(field)
	for _, c := range field {
		if c < ' ' || c == 0x7f || c >= utf8.RuneSelf { // C1 controls are two bytes
			return strings.TrimSpace(strings.Map(func(r rune) rune {
				switch {
				case r == '\t' || r == '\n' || r == '\r':
					return ' '
				case unicode.IsControl(r):
					return -1
				}
				return r
			}, string(field)))
		}
	}
	return string(field)
}

// trimmed is bytes.TrimSpace with a short way for the common case.
func trimmed(field []byte) []byte {
	if n := len(field); n == 0 || word(field[0]) && word(field[n-1]) {
		return field
	}
	return bytes.TrimSpace(field)
}

func word(c byte) bool { return c > ' ' && c < utf8.RuneSelf }

// appendJSON writes a value as encoding/json does, so that an unchanged person
// is found unchanged. The value is valid UTF-8; 0xe2 may start U+2028, which
// encoding/json escapes.
func appendJSON(to, value []byte) []byte {
	for _, c := range value {
		if c < ' ' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' || c == 0xe2 {
			text, _ := json.Marshal(string(value)) // a string always has a JSON form
			return append(to, text...)
		}
	}
	to = append(to, '"')
	to = append(to, value...)
	return append(to, '"')
}

func addressProblem(c *importColumn, err error) *ImportProblem {
	p := &ImportProblem{Column: clipped(c.header), Reason: "invalid_address", Detail: "this is no e-mail address"}
	var invalid *address.Invalid
	if errors.As(err, &invalid) {
		p.Reason, p.Detail = string(invalid.Reason), invalid.Detail
	}
	return p
}

func tooLong(c *importColumn, bytes int) *ImportProblem {
	return &ImportProblem{
		Column: clipped(c.header), Reason: "value_too_long",
		Detail: fmt.Sprintf("the value has %d bytes, %d are allowed", bytes, longestValue),
	}
}

func (t *importTable) nameTooLong(characters int) *ImportProblem {
	p := &ImportProblem{Reason: "value_too_long", Detail: fmt.Sprintf("the name has %d characters, %d are allowed", characters, longestName)}
	for _, c := range []*importColumn{t.name, t.first, t.last} {
		if c != nil {
			p.Column = clipped(c.header)
			break
		}
	}
	return p
}

// listed names the columns of a file in a message.
func listed(headers []string) string {
	const most = 20
	names := make([]string, 0, most)
	for i, h := range headers {
		if i == most {
			names = append(names, fmt.Sprintf("and %d more", len(headers)-most))
			break
		}
		names = append(names, fmt.Sprintf("%q", clipped(h)))
	}
	return strings.Join(names, ", ")
}

// clipped keeps a header short enough to be repeated.
func clipped(header string) string {
	const most = 60
	if utf8.RuneCountInString(header) <= most {
		return header
	}
	return string([]rune(header)[:most]) + "…"
}
