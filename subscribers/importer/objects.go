package importer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"
)

// JSONL in [State.Format] is a file of JSON objects, one a line (https://jsonlines.org).
const JSONL = "jsonl"

// NotJSON is a line that holds no JSON object.
const NotJSON Reason = "not_json"

// bom is the byte order mark of UTF-8, which RFC 8259 asks for nowhere and many programs write.
const bom = "\xef\xbb\xbf"

// IsJSONL tells whether the head of a file is that of JSON Lines: its first
// character is an opening brace.
func IsJSONL(head []byte) bool {
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte(bom)), " \t\r\n")
	return len(head) > 0 && head[0] == '{'
}

// Field is a member of an object.
type Field struct {
	Name string
	Text string          // of a text; of anything else its JSON
	JSON json.RawMessage // as it stands in the file
}

// Object is one line.
type Object struct {
	Line   int
	Fields []Field // in the order of the file; of two with one name the later
	Raw    []byte  // the whole line; valid until Next
}

// Objects reads a file of objects. It is for one goroutine.
type Objects struct {
	r         *bufio.Reader
	offset    int64 // of the next byte
	line      int   // of the next byte, from 1
	maxRecord int
	buf       []byte
}

// mostFields bounds what one object may hold.
const mostFields = 500

// NewObjects reads from the start, or goes on from a state that a reader gave.
func NewObjects(r io.ReadSeeker, s State) (*Objects, error) {
	if _, err := r.Seek(s.Offset, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read JSON lines: %w", err)
	}
	o := &Objects{r: bufio.NewReaderSize(r, 256<<10), offset: s.Offset, line: max(1, s.Line), maxRecord: s.MaxRecord}
	if o.maxRecord == 0 {
		o.maxRecord = defaultMaxRecord
	}
	if s.Offset == 0 {
		if head, err := o.r.Peek(len(bom)); err == nil && string(head) == bom {
			n, _ := o.r.Discard(len(bom)) // they have been seen
			o.offset = int64(n)
		}
	}
	return o, nil
}

// State is where the reader stands: behind the object, or the RecordError, that
// Next returned last.
func (o *Objects) State() State {
	return State{Format: JSONL, Offset: o.offset, Line: o.line, MaxRecord: o.maxRecord}
}

// Next returns the next object, io.EOF after the last, a [*RecordError] if one
// line is unreadable (call Next again for the one after it), or the source's own error.
func (o *Objects) Next() (Object, error) {
	for {
		line := o.line
		text, long, err := o.readLine()
		if err != nil {
			return Object{}, err
		}
		text = bytes.TrimSpace(text)
		if long {
			return Object{}, &RecordError{Line: line, Reason: TooLong, Detail: fmt.Sprintf("the line is longer than %d bytes", o.maxRecord)}
		}
		if len(text) == 0 {
			continue
		}
		if !utf8.Valid(text) {
			return Object{}, &RecordError{Line: line, Reason: BadEncoding, Detail: "the line is not UTF-8"}
		}
		if bytes.IndexByte(text, 0) >= 0 {
			return Object{}, &RecordError{Line: line, Reason: NUL, Detail: "a NUL byte"}
		}
		fields, err := objectFields(text)
		if err != nil {
			return Object{}, &RecordError{Line: line, Reason: NotJSON, Detail: err.Error()}
		}
		return Object{Line: line, Fields: fields, Raw: text}, nil
	}
}

// readLine reads up to the next line end, keeping no more than a record may be long.
func (o *Objects) readLine() (text []byte, long bool, err error) {
	o.buf = o.buf[:0]
	for {
		part, err := o.r.ReadSlice('\n')
		o.offset += int64(len(part))
		if len(o.buf)+len(part) <= o.maxRecord+2 {
			o.buf = append(o.buf, part...)
		} else {
			long = true
		}
		switch {
		case err == nil:
			o.line++
			return o.buf, long, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case err == io.EOF && (len(o.buf) > 0 || long):
			o.line++
			return o.buf, long, nil
		default:
			return nil, false, err
		}
	}
}

// objectFields reads the members of a line's object.
func objectFields(text []byte) ([]Field, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	open, err := d.Token()
	if err != nil || open != json.Delim('{') {
		return nil, errors.New("want one JSON object on the line, such as {\"email\": \"ada@example.com\"}")
	}
	var fields []Field
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("the JSON is broken: %w", err)
		}
		f := Field{Name: name.(string)} // a member's name is always a text
		if err := d.Decode(&f.JSON); err != nil {
			return nil, fmt.Errorf("the JSON is broken: %w", err)
		}
		f.Text = string(f.JSON)
		if len(f.JSON) > 0 && f.JSON[0] == '"' {
			if err := json.Unmarshal(f.JSON, &f.Text); err != nil {
				return nil, fmt.Errorf("the JSON is broken: %w", err)
			}
		}
		if at := slices.IndexFunc(fields, func(g Field) bool { return g.Name == f.Name }); at >= 0 {
			fields[at] = f
			continue
		}
		if fields = append(fields, f); len(fields) > mostFields {
			return nil, fmt.Errorf("there are more than %d members", mostFields)
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("the JSON is broken: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("there is something behind the object: put each on a line of its own")
	}
	return fields, nil
}
