package importer

import (
	"bytes"
	"fmt"
	"strings"
)

// Reason is a stable code for why a record could not be read.
type Reason string

// The reasons.
const (
	OpenQuote      Reason = "open_quote"       // a quote that never closes
	TextAfterQuote Reason = "text_after_quote" // "Ann"x
	TooLong        Reason = "record_too_long"  // over Options.MaxRecord
	TooManyFields  Reason = "too_many_fields"  // more than columns, and not empty
	NUL            Reason = "nul_byte"
	BadEncoding    Reason = "bad_encoding" // not valid in the encoding of the file
)

// RecordError is about one record; the reader already stands behind it.
type RecordError struct {
	Line    int    // where the record starts
	Column  string // its name, if one field is to blame
	Reason  Reason
	Detail  string // a sentence for a person: what is wrong and what to do
	Excerpt string // the start of the record, for a list of the refused
}

func (e *RecordError) Error() string {
	if e.Column != "" {
		return fmt.Sprintf("line %d, column %q: %s", e.Line, e.Column, e.Detail)
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Detail)
}

// giveUp leaves the line on which the faulty record starts, and remembers to read
// the rest of what was scanned line by line.
func (t *Reader) giveUp(f *fault) error {
	w := &t.window
	scanned := w.rest()[:min(f.at, len(w.rest()))]
	err := &RecordError{Line: t.line, Reason: f.reason, Detail: f.detail, Excerpt: excerpt(firstLine(w.rest()))}
	t.lineByOne = max(t.lineByOne, w.offset+t.encoding.width(scanned))
	t.skipLine()
	return err
}

// skipLine drops everything up to and including the next line end, however far it is.
func (t *Reader) skipLine() {
	w := &t.window
	for {
		rest := w.rest()
		i := bytes.IndexAny(rest, "\r\n")
		if i < 0 {
			w.advance(len(rest))
			if !w.more() {
				return
			}
			continue
		}
		n := lineEnd(rest[i:], w.err != nil)
		if n < 0 {
			w.advance(i)
			w.more()
			continue
		}
		w.advance(i + n)
		t.line++
		return
	}
}

// refuse makes the error for a record that was found whole and is already passed.
func (t *Reader) refuse(line int, text []byte, reason Reason, detail string, guilty func(field []byte) bool) error {
	err := &RecordError{Line: line, Reason: reason, Detail: detail, Excerpt: excerpt(text)}
	if guilty == nil {
		return err
	}
	for i, c := range t.cuts {
		if i < len(t.columns) && guilty(text[c.from:c.to]) {
			err.Column = t.columns[i]
			break
		}
	}
	return err
}

func firstLine(b []byte) []byte {
	if i := bytes.IndexAny(b, "\r\n"); i >= 0 {
		return b[:i]
	}
	return b
}

// excerpt is a copy of at most 200 bytes, made fit to be written anywhere.
func excerpt(text []byte) string {
	const most = 200
	cut := ""
	if len(text) > most {
		text, cut = text[:most], "…"
	}
	clean := strings.ToValidUTF8(string(text), "\ufffd")
	return strings.ReplaceAll(clean, "\x00", "\ufffd") + cut
}
