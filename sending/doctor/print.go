package doctor

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// columns is the width to which the report is wrapped.
const columns = 100

// Print writes the report for people: grouped by check, with what to do and
// what to publish below each finding. A record stands on a line of its own, to
// be copied whole.
func (r Report) Print(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "%s, return path %s, sent from %s\n", r.Domain, r.ReturnPath, orUnknown(strings.Join(r.Egress, ", ")))
	wide := 0
	for _, f := range r.Findings {
		wide = max(wide, len(f.Code))
	}
	for _, title := range checkTitles() {
		head := false
		for _, f := range r.Findings {
			if f.Check != title[0] {
				continue
			}
			if !head {
				fmt.Fprintf(b, "\n%s\n", title[1])
				head = true
			}
			f.print(b, wide)
		}
	}
	fmt.Fprintf(b, "\n%s, %s, %d ok, in %.1f s\n", plural(r.Count(Error), "error"), plural(r.Count(Warning), "warning"), r.Count(OK), r.Took.Seconds())
	return b.Flush()
}

func (f Finding) print(b *bufio.Writer, wide int) {
	left := fmt.Sprintf("  %-7s  %-*s  ", f.Severity, wide, f.Code)
	for i, line := range wrap(f.Message, columns-len(left)) {
		if i > 0 {
			left = strings.Repeat(" ", len(left))
		}
		fmt.Fprintf(b, "%s%s\n", left, line)
	}
	indent := strings.Repeat(" ", len(left))
	for i, line := range wrap(f.Fix, columns-len(left)-2) {
		mark := "→ "
		if i > 0 {
			mark = "  "
		}
		fmt.Fprintf(b, "%s%s%s\n", indent, mark, line)
	}
	if f.Record != nil {
		fmt.Fprintf(b, "      %s\n", f.Record.Zone())
	}
}

// wrap cuts a text into lines at its spaces; a longer word stays whole.
func wrap(text string, most int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > most {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func orUnknown(text string) string {
	if text == "" {
		return "unknown addresses"
	}
	return text
}
