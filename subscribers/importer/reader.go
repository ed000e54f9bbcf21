package importer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// What may be wrong with a file as a whole.
var (
	ErrEmpty    = errors.New("the file is empty: its first line must name the columns")
	ErrNoHeader = errors.New("the first line holds an e-mail address: put a line with the names of the columns above it, such as email")
	ErrNotText  = errors.New("this is not a text file: save the table as CSV (a spreadsheet's own format is not read)")
)

// Options of a [Reader]; a zero field takes its default or is detected.
type Options struct {
	MaxRecord int      // longest record, in bytes of its UTF-8 text: 64 KiB
	Delimiter rune     // any ASCII character but quote, CR, LF and NUL
	Encoding  string   // utf-8, utf-16le, utf-16be, latin1 and their usual other names; a byte order mark outweighs it
	Columns   []string // names for a file without a header line; none: the first line has them
}

const defaultMaxRecord = 64 << 10

// Reader reads one file. It is for one goroutine.
type Reader struct {
	window    window
	columns   []string
	encoding  encoding
	delimiter byte
	maxRecord int
	line      int   // of the next byte, from 1
	lineByOne int64 // up to this offset a quoted field must close on its own line
	cuts      []cut
	fields    [][]byte
}

// Record is one line of the table, or several where a quoted field holds line ends.
type Record struct {
	Line   int      // where it starts; the header is usually line 1
	Offset int64    // bytes of the source up to the end of this record
	Fields [][]byte // UTF-8, one for each column; valid until Next
}

// NewReader reads the head of r up to and including the header line. It fails with
// ErrEmpty, ErrNoHeader, ErrNotText, with a [*RecordError] about the header, on
// options that make no sense, or with what r failed with.
func NewReader(r io.Reader, opt Options) (*Reader, error) {
	head := make([]byte, headSize)
	n, err := io.ReadFull(r, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, fmt.Errorf("read the head of the table: %w", err)
	}
	head = head[:n]
	enc, mark, err := chooseEncoding(head, opt.Encoding)
	if err != nil {
		return nil, err
	}
	t, err := open(io.MultiReader(bytes.NewReader(head[mark:]), r), enc, opt.MaxRecord)
	if err != nil {
		return nil, err
	}
	t.window.offset = int64(mark)
	t.window.more()
	if err := t.chooseDelimiter(opt.Delimiter); err != nil {
		return nil, err
	}
	if len(opt.Columns) > 0 {
		t.columns = slices.Clone(opt.Columns)
		return t, nil
	}
	if err := t.readHeader(); err != nil {
		return nil, err
	}
	return t, nil
}

// open makes a reader at the start of a line, before it knows delimiter and columns.
func open(r io.Reader, enc encoding, maxRecord int) (*Reader, error) {
	if maxRecord == 0 {
		maxRecord = defaultMaxRecord
	}
	if maxRecord < 0 {
		return nil, fmt.Errorf("longest record of %d bytes: it must be positive", maxRecord)
	}
	return &Reader{
		window:    newWindow(newDecoder(r, enc), enc, maxRecord),
		encoding:  enc,
		maxRecord: maxRecord,
		line:      1,
	}, nil
}

// Columns are the names in the header line, without the space around them. They
// may repeat and may be empty.
func (t *Reader) Columns() []string { return slices.Clone(t.columns) }

// Encoding is utf-8, utf-16le, utf-16be or latin1 (read as Windows-1252).
func (t *Reader) Encoding() string { return string(t.encoding) }

// Delimiter is what stands between two fields.
func (t *Reader) Delimiter() rune { return rune(t.delimiter) }

func (t *Reader) readHeader() error {
	record, err := t.record()
	if err == io.EOF {
		return ErrEmpty
	}
	if err != nil {
		return fmt.Errorf("the header: %w", err)
	}
	for _, field := range record.Fields {
		if looksLikeAddress(field) {
			return ErrNoHeader
		}
	}
	for _, field := range record.Fields {
		t.columns = append(t.columns, strings.TrimSpace(string(field)))
	}
	return nil
}

func looksLikeAddress(field []byte) bool {
	_, domain, ok := bytes.Cut(bytes.TrimSpace(field), []byte("@"))
	return ok && bytes.IndexByte(domain, '.') > 0 && bytes.IndexByte(domain, ' ') < 0
}

// Next returns the next record, io.EOF after the last, a [*RecordError] if one is
// unreadable (call Next again for the one after it), or the source's own error.
func (t *Reader) Next() (Record, error) {
	record, err := t.record()
	if err != nil {
		return Record{}, err
	}
	return record, nil
}

// record reads one record; before the header is known it takes any number of fields.
func (t *Reader) record() (Record, error) {
	for {
		text, n, f := t.find()
		switch {
		case f != nil:
			return Record{}, t.giveUp(f)
		case n == 0:
			return Record{}, t.window.err
		case len(text) == 0:
			t.line++
			t.window.advance(n)
			continue
		}
		line := t.line
		t.line += 1 + lineEnds(text)
		t.window.advance(n)
		if err := t.check(line, text); err != nil {
			return Record{}, err
		}
		return Record{Line: line, Offset: t.window.offset, Fields: t.cutFields(text)}, nil
	}
}

// find looks for the end of the record at the start of the window: its text, and
// its length n with the line end. n is 0 at the end of the source.
func (t *Reader) find() (text []byte, n int, _ *fault) {
	for {
		rest := t.window.rest()
		if tooMuch := t.maxRecord + 2; len(rest) > tooMuch {
			rest = rest[:tooMuch]
		}
		final := t.window.err == io.EOF && len(rest) == len(t.window.rest())
		text, n, f := t.scan(rest, final)
		switch {
		case f != nil:
			return nil, 0, f
		case n > 0 && len(text) <= t.maxRecord:
			return text, n, nil
		case n > 0 || len(rest) > t.maxRecord+1:
			return nil, 0, &fault{TooLong, t.maxRecord, fmt.Sprintf("the record is longer than %d bytes; is a quote never closed?", t.maxRecord)}
		case !t.window.more():
			if final || len(t.window.rest()) == 0 || t.window.err != io.EOF {
				return nil, 0, nil
			}
		}
	}
}

// check refuses records whose text cannot be trusted, and those with more fields
// than there are columns.
func (t *Reader) check(line int, text []byte) error {
	if bytes.IndexByte(text, 0) >= 0 {
		return t.refuse(line, text, NUL, "a NUL byte", func(field []byte) bool { return bytes.IndexByte(field, 0) >= 0 })
	}
	if !utf8.Valid(text) {
		return t.refuse(line, text, BadEncoding, t.encoding.invalid(), func(field []byte) bool { return !utf8.Valid(field) })
	}
	if t.columns == nil {
		return nil
	}
	for i := len(t.columns); i < len(t.cuts); i++ {
		if c := t.cuts[i]; c.from < c.to {
			return t.refuse(line, text, TooManyFields,
				fmt.Sprintf("%d fields, but there are %d columns; a field that holds %q needs quotes", len(t.cuts), len(t.columns), t.delimiter), nil)
		}
	}
	return nil
}

// cutFields makes the fields from the cuts, one for each column.
func (t *Reader) cutFields(text []byte) [][]byte {
	t.fields = t.fields[:0]
	for _, c := range t.cuts {
		field := text[c.from:c.to:c.to]
		if c.doubled {
			field = undouble(field)
		}
		t.fields = append(t.fields, field)
	}
	if t.columns == nil {
		return t.fields
	}
	for len(t.fields) < len(t.columns) {
		t.fields = append(t.fields, nil)
	}
	return t.fields[:len(t.columns)]
}
