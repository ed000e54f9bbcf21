package importer

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// chooseDelimiter settles the delimiter from what was asked, from a first line
// "sep=;" as spreadsheets write it, or from the first lines themselves.
func (t *Reader) chooseDelimiter(asked rune) error {
	if asked != 0 && !mayDelimit(asked) {
		return fmt.Errorf("delimiter %q: it must be one ASCII character, and no quote or line end", asked)
	}
	first := firstLine(t.window.rest())
	told := len(first) == len("sep=;") && bytes.HasPrefix(first, []byte("sep=")) && mayDelimit(rune(first[4]))
	switch {
	case asked != 0:
		t.delimiter = byte(asked)
	case told:
		t.delimiter = first[len(first)-1]
	default:
		t.delimiter = guessDelimiter(t.window.rest())
	}
	if told {
		t.skipLine()
	}
	return nil
}

func mayDelimit(d rune) bool {
	return 0 < d && d < utf8.RuneSelf && d != '"' && d != '\r' && d != '\n'
}

// guessDelimiter takes the candidate in the header line that most of the next lines
// hold as often as the header does; among equals the one that makes more columns.
func guessDelimiter(text []byte) byte {
	const looked = 50
	lines := firstLines(text, looked)
	best, bestAgree, bestCount := byte(','), 0, 0
	for _, d := range []byte{',', ';', '\t', '|'} {
		if len(lines) == 0 {
			break
		}
		count, agree := countUnquoted(lines[0], d), 0
		if count == 0 {
			continue
		}
		for _, line := range lines {
			if countUnquoted(line, d) == count {
				agree++
			}
		}
		if agree > bestAgree || agree == bestAgree && count > bestCount {
			best, bestAgree, bestCount = d, agree, count
		}
	}
	return best
}

// firstLines are up to n lines that hold something, cut outside quotes.
func firstLines(text []byte, n int) (lines [][]byte) {
	text = text[:min(len(text), headSize)]
	start, quoted := 0, false
	for i, c := range text {
		switch {
		case c == '"':
			quoted = !quoted
		case quoted || c != '\n' && c != '\r':
		default:
			if i > start {
				lines = append(lines, text[start:i])
			}
			if start = i + 1; len(lines) == n {
				return lines
			}
		}
	}
	if len(lines) == 0 && len(text) > 0 {
		lines = append(lines, text[start:])
	}
	return lines
}

func countUnquoted(line []byte, d byte) (n int) {
	quoted := false
	for _, c := range line {
		switch {
		case c == '"':
			quoted = !quoted
		case c == d && !quoted:
			n++
		}
	}
	return n
}
