package markup

import "strings"

// What goldmark spends more than a little time on for each byte is limited in number. A mail that
// people read to its end stays far below.
const (
	maxMarkdown = 128 << 10 // bytes
	maxMarkers  = 16        // of quotes and lists, at the beginning of one line
	maxBrackets = 2_000     // all [ of a mail
	maxColumns  = 30
	maxCells    = 20_000 // of all tables
)

// checkMarkdown refuses what would take goldmark long, before it reads it.
func checkMarkdown(m *mask) error {
	columns, cells, brackets, at := 0, 0, 0, 0
	for line := range strings.Lines(m.text) {
		switch n := delimits(line); {
		case n > maxColumns:
			return fault(m.src, m.origin(at), "the table has %d columns; at most %d are allowed", n, maxColumns)
		case n > 0:
			columns = max(columns, n) // of which table a row is part is not known here
		case strings.Trim(line, blanks+">") == "":
			columns = 0
		}
		cells += columns
		brackets += strings.Count(line, "[")
		switch {
		case cells > maxCells:
			return fault(m.src, m.origin(at), "the tables have more than %d cells", maxCells)
		case brackets > maxBrackets:
			return fault(m.src, m.origin(at), "the text has more than %d opening brackets", maxBrackets)
		case markers(line) > maxMarkers:
			return fault(m.src, m.origin(at), "lists and quotes stand inside each other more than %d deep", maxMarkers)
		}
		at += len(line)
	}
	return nil
}

// markers counts what may begin a quote or a list at the beginning of a line.
func markers(line string) int {
	n := 0
	for i := 0; i < len(line) && strings.IndexByte(" \t>-+*.)0123456789", line[i]) >= 0; i++ {
		switch line[i] {
		case '>':
			n++
		case ' ', '\t':
			if i > 0 && strings.IndexByte("-+*.)", line[i-1]) >= 0 {
				n++
			}
		}
	}
	return n
}
