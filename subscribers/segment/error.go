package segment

import "fmt"

// Error says where a condition is wrong, and what to do.
type Error struct {
	Line    int // from 1
	Column  int // in characters, from 1
	Message string
}

// Error gives "line 1, column 8: …".
func (e *Error) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Message)
}

// positioned makes an error at a byte offset of the text.
func positioned(text string, at int, format string, args ...any) *Error {
	e := &Error{Line: 1, Column: 1, Message: fmt.Sprintf(format, args...)}
	for i, r := range text {
		if i >= at {
			break
		}
		if e.Column++; r == '\n' {
			e.Line, e.Column = e.Line+1, 1
		}
	}
	return e
}
