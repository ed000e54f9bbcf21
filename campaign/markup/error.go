package markup

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Error is one thing that is wrong with a source. Several may come joined; errors.As finds the first.
type Error struct {
	Line, Column int    // both from 1, the column in characters; 0 when the error has no place
	Message      string // what is wrong and what to do
}

// Error gives "line:column: message", or the message alone.
func (e *Error) Error() string {
	switch {
	case e.Line == 0:
		return e.Message
	case e.Column == 0:
		return fmt.Sprintf("line %d: %s", e.Line, e.Message)
	}
	return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Message)
}

// Limits in bytes.
const (
	maxSource = 256 << 10 // MJML
	maxHTML   = 1 << 20   // what content.Compile takes
)

// fault is an error at an offset of the source.
func fault(src string, at int, format string, args ...any) *Error {
	before := src[:min(max(at, 0), len(src))]
	return &Error{
		Line:    1 + strings.Count(before, "\n"),
		Column:  1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]),
		Message: fmt.Sprintf(format, args...),
	}
}

// placeless takes the place out of an error that tells of a page nobody wrote.
func placeless(err error) error {
	var fault *Error
	if errors.As(err, &fault) {
		return &Error{Message: fault.Message}
	}
	return err
}

// checkSource refuses what is too long or not UTF-8.
func checkSource(src string, most int) error {
	if len(src) > most {
		return &Error{Message: fmt.Sprintf("the source has %d bytes; at most %d are allowed", len(src), most)}
	}
	if utf8.ValidString(src) {
		return nil
	}
	for at, r := range src {
		if r == utf8.RuneError && !strings.HasPrefix(src[at:], "\ufffd") {
			return fault(src, at, "the source is not UTF-8 here; save it as UTF-8")
		}
	}
	return nil
}

// tooLarge is what a source is told that makes more HTML than content.Compile takes.
func tooLarge() error {
	return &Error{Message: fmt.Sprintf("the HTML gets longer than %d bytes; make the content shorter (mailboxes cut mails from about 100,000 on)", maxHTML)}
}

// quoted puts a piece of the source into a message: short, on one line.
func quoted(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if utf8.RuneCountInString(s) > 60 {
		s = string([]rune(s)[:60]) + "…"
	}
	return `"` + s + `"`
}
