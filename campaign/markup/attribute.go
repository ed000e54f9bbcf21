package markup

import (
	"strings"

	"golang.org/x/net/html"
)

// attribute is one of a start tag, with its place.
type attribute struct {
	name     string // in lower case
	text     string // the value as it is meant
	nameEnd  int    // offsets in the tag: behind the name,
	from, to int    // of the value between its quotes; both nameEnd when there is none
	quote    byte   // ", ' or 0
}

// tagName is the name behind the < or </ of a tag, in lower case.
func tagName(raw string, from int) string {
	to := from
	for to < len(raw) && strings.IndexByte(blanks+"/>", raw[to]) < 0 {
		to++
	}
	return strings.ToLower(raw[from:to])
}

// maxOfOne is how many attributes one element may have; one more is read, so that this is seen.
const maxOfOne = 100

// readAttributes reads a start tag from behind its name on; of two attributes with one name the
// first counts. It is uncertain what they are when a tag of the template language stands among
// them, or in a class or an id. The end is that of the last attribute.
func readAttributes(raw string, pos int) (all []attribute, end int, uncertain bool) {
	end = pos
	seen := map[string]bool{}
	for {
		for pos < len(raw) && strings.IndexByte(blanks+"/", raw[pos]) >= 0 {
			pos++
		}
		if pos >= len(raw) || raw[pos] == '>' || len(all) > maxOfOne {
			return all, end, uncertain
		}
		from := pos
		for pos++; pos < len(raw) && strings.IndexByte(blanks+"/>=", raw[pos]) < 0; {
			pos++
		}
		a := attribute{name: strings.ToLower(raw[from:pos]), nameEnd: pos, from: pos, to: pos}
		uncertain = uncertain || strings.IndexByte(a.name, filler) >= 0
		value := pos + len(raw[pos:]) - len(strings.TrimLeft(raw[pos:], blanks))
		if value < len(raw) && raw[value] == '=' {
			value++
			value += len(raw[value:]) - len(strings.TrimLeft(raw[value:], blanks))
			a.from, a.to, a.quote = readValue(raw, value)
			if pos = a.to; a.quote != 0 {
				pos = min(pos+1, len(raw))
			}
		}
		end = pos
		a.text = html.UnescapeString(raw[a.from:a.to])
		switch a.name {
		case "class", "id":
			uncertain = uncertain || strings.IndexByte(a.text, filler) >= 0
		case "style": // which will need quotes around it
			uncertain = uncertain || a.quote == 0 && strings.IndexByte(raw[a.from:a.to], '"') >= 0
		}
		if !seen[a.name] {
			seen[a.name] = true
			all = append(all, a)
		}
	}
}

// readValue finds where a value begins and ends.
func readValue(raw string, pos int) (from, to int, quote byte) {
	if pos < len(raw) && (raw[pos] == '"' || raw[pos] == '\'') {
		from = pos + 1
		if i := strings.IndexByte(raw[from:], raw[pos]); i >= 0 {
			return from, from + i, raw[pos]
		}
		return from, len(raw), raw[pos]
	}
	to = pos
	for to < len(raw) && strings.IndexByte(blanks+">", raw[to]) < 0 {
		to++
	}
	return pos, to, 0
}
