package importer

import "bytes"

// cut is where one field stands in the text of a record, without its quotes.
type cut struct {
	from, to int
	doubled  bool // holds "" for each quote
}

// fault is what is wrong with the record at the start of the window.
type fault struct {
	reason Reason
	at     int // how far the scan had come
	detail string
}

// scan finds the record at the start of b: its text, its length n with the line
// end, and its cuts. n is 0 if the end is not in b; final says that nothing follows b.
func (t *Reader) scan(b []byte, final bool) (text []byte, n int, _ *fault) {
	t.cuts = t.cuts[:0]
	for i := 0; ; i++ {
		c := cut{from: i}
		if quote := t.skipSpace(b, i); quote < len(b) && b[quote] == '"' {
			var f *fault
			if c, i, f = t.scanQuoted(b, quote, final); f != nil {
				return nil, 0, f
			}
		} else {
			for i < len(b) && b[i] != t.delimiter && b[i] != '\n' && b[i] != '\r' {
				i++
			}
			c.to = i
		}
		if i == len(b) && (!final || len(b) == 0) {
			return nil, 0, nil
		}
		t.cuts = append(t.cuts, c)
		if i < len(b) && b[i] == t.delimiter {
			continue
		}
		n := lineEnd(b[i:], final)
		if n < 0 {
			return nil, 0, nil
		}
		return b[:i], i + n, nil
	}
}

// scanQuoted reads the field whose opening quote is at i. It returns the place
// after the closing quote, or len(b) if that is not in b.
func (t *Reader) scanQuoted(b []byte, i int, final bool) (c cut, next int, _ *fault) {
	c.from = i + 1
	for i++; ; i++ {
		quote := bytes.IndexByte(b[i:], '"')
		line := b[i:]
		if quote >= 0 {
			line = b[i : i+quote]
		}
		if t.window.offset < t.lineByOne && bytes.ContainsAny(line, "\r\n") {
			return c, 0, &fault{OpenQuote, i, "a quote is opened and never closed"}
		}
		if quote < 0 {
			if final {
				return c, 0, &fault{OpenQuote, len(b), "a quote is opened and never closed"}
			}
			return c, len(b), nil
		}
		if i += quote; i+1 < len(b) && b[i+1] == '"' {
			c.doubled = true
			i++
			continue
		}
		c.to = i
		i = t.skipSpace(b, i+1)
		if i < len(b) && b[i] != t.delimiter && b[i] != '\n' && b[i] != '\r' {
			return c, 0, &fault{TextAfterQuote, i, "text follows a closing quote; a quote inside a quoted field is written twice"}
		}
		return c, i, nil
	}
}

// skipSpace is the place of the next byte from i on that is no space: space around
// quotes is no part of a field.
func (t *Reader) skipSpace(b []byte, i int) int {
	for i < len(b) && b[i] == ' ' && t.delimiter != ' ' {
		i++
	}
	return i
}

// lineEnd is the length of the LF, CRLF or CR that b starts with, 0 at the end of
// the source, -1 if the next byte must be known first.
func lineEnd(b []byte, final bool) int {
	switch {
	case len(b) == 0:
		return 0
	case b[0] == '\n':
		return 1
	case len(b) > 1 && b[1] == '\n':
		return 2
	case len(b) > 1 || final:
		return 1
	}
	return -1
}

// lineEnds counts the line ends in a text, CRLF as one.
func lineEnds(text []byte) int {
	n := bytes.Count(text, []byte("\n"))
	for i := bytes.IndexByte(text, '\r'); i >= 0; {
		if i+1 == len(text) || text[i+1] != '\n' {
			n++
		}
		next := bytes.IndexByte(text[i+1:], '\r')
		if next < 0 {
			break
		}
		i += 1 + next
	}
	return n
}

// undouble turns "" into " in place.
func undouble(field []byte) []byte {
	w := bytes.IndexByte(field, '"')
	for r := w; r < len(field); r++ {
		field[w] = field[r]
		w++
		if field[r] == '"' {
			r++
		}
	}
	return field[:w:w]
}
