package content

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Error is one thing that is wrong with a template, a frame or a person's values.
// Compile joins several of them; errors.As finds the first.
type Error struct {
	Part         string // subject, html or text; else the field that was refused: from, to, boundary, headers …
	Line, Column int    // both from 1, the column in characters; 0 when the error has no place in a template
	Message      string // what is wrong and what to do
}

// Error gives "part:line:column: message", or "part: message" without a place.
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Part + ": " + e.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.Part, e.Line, e.Column, e.Message)
}

// position counts line and column of a byte offset; a negative offset has none.
func position(src string, at int) (line, column int) {
	if at < 0 {
		return 0, 0
	}
	before := src[:min(at, len(src))]
	line = 1 + strings.Count(before, "\n")
	return line, 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
}

// suggestion gives `; did you mean "x"?` for the candidate nearest to the word, or
// nothing when none is near.
func suggestion(word string, candidates []string) string {
	best, distance := "", 1+min(2, len(word)/2)
	for _, candidate := range candidates {
		if d := edits(word, candidate, distance); d < distance {
			best, distance = candidate, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// edits is the Damerau-Levenshtein distance (two swapped neighbours count once),
// given up as atLeast when the lengths alone differ so much.
func edits(a, b string, atLeast int) int {
	if len(a)-len(b) >= atLeast || len(b)-len(a) >= atLeast {
		return atLeast
	}
	before, above, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(above[j+1]+1, row[j]+1, above[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, above, row = above, row, before
	}
	return above[len(b)]
}
