package importer

import (
	"fmt"
	"io"
	"slices"
)

// State is all that is needed to go on behind a record: where, and what the head
// of the file had shown. It is kept as JSON between two runs.
type State struct {
	Format    string   `json:"format,omitempty"`     // "": CSV
	Offset    int64    `json:"offset"`               // bytes of the source that are done
	Line      int      `json:"line"`                 // of the byte at Offset
	LineByOne int64    `json:"line_by_one,omitzero"` // up to here quotes must close on their line
	Columns   []string `json:"columns"`
	Encoding  string   `json:"encoding"`
	Delimiter string   `json:"delimiter"`
	MaxRecord int      `json:"max_record"`
}

// State is where the reader stands: behind the record, or the RecordError, that
// Next returned last.
func (t *Reader) State() State {
	s := State{
		Offset:    t.window.offset,
		Line:      t.line,
		Columns:   slices.Clone(t.columns),
		Encoding:  string(t.encoding),
		Delimiter: string(rune(t.delimiter)),
		MaxRecord: t.maxRecord,
	}
	if t.lineByOne > s.Offset {
		s.LineByOne = t.lineByOne
	}
	return s
}

// Resume goes on from a state. The source must be the same bytes as before; the
// records that follow are those the first reader would have given.
func Resume(r io.ReadSeeker, s State) (*Reader, error) {
	enc, err := namedEncoding(s.Encoding)
	if err != nil || enc == "" || len(s.Delimiter) != 1 || len(s.Columns) == 0 || s.Offset < 0 || s.Line < 1 {
		return nil, fmt.Errorf("resume a table at offset %d, line %d: the state is not one that a reader gave", s.Offset, s.Line)
	}
	if _, err := r.Seek(s.Offset, io.SeekStart); err != nil {
		return nil, fmt.Errorf("resume a table: %w", err)
	}
	t, err := open(r, enc, s.MaxRecord)
	if err != nil {
		return nil, err
	}
	t.window.offset = s.Offset
	t.line = s.Line
	t.lineByOne = s.LineByOne
	t.columns = slices.Clone(s.Columns)
	t.delimiter = s.Delimiter[0]
	return t, nil
}
