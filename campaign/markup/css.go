package markup

import "strings"

// filler is what a tag's bytes are while HTML and CSS are read: it is no letter, no blank and no sign.
const filler = '\x01'

// rule is one of a style sheet: selectors and declarations.
type rule struct {
	from, to     int // in the text of the style element, with its braces
	selectors    []string
	declarations []declaration
}

// declaration is a property with its value.
type declaration struct {
	name      string // in lower case
	value     string // on one line, without comments and !important
	important bool
}

// rules reads a style sheet. It leaves out what can only stand in a style element: at-rules, rules
// inside rules, rules with a tag of the template language, and what is not well formed.
func rules(css string) []rule {
	var all []rule
	for pos := 0; pos < len(css); {
		switch {
		case strings.IndexByte(blanks, css[pos]) >= 0:
			pos++
		case strings.HasPrefix(css[pos:], "/*"):
			pos = skip(css, pos)
		case strings.HasPrefix(css[pos:], "<!--"):
			pos += len("<!--")
		case strings.HasPrefix(css[pos:], "-->"):
			pos += len("-->")
		case css[pos] == '@':
			pos = until(css, pos, ";{")
			if pos < len(css) && css[pos] == '{' {
				pos = until(css, pos+1, "}")
			}
			pos++
		default:
			from := pos
			open := until(css, pos, "{")
			end := until(css, min(open+1, len(css)), "}")
			if pos = end + 1; end < len(css) {
				if r, ok := readRule(css[from:open], css[open+1:end]); ok {
					r.from, r.to = from, pos
					all = append(all, r)
				}
			}
		}
	}
	return all
}

func readRule(prelude, body string) (rule, bool) {
	if strings.IndexByte(prelude, filler) >= 0 || strings.IndexByte(body, filler) >= 0 || strings.IndexByte(body, '{') >= 0 {
		return rule{}, false
	}
	r := rule{declarations: declarations(body)}
	for _, s := range split(plain(prelude), ',') {
		r.selectors = append(r.selectors, strings.Trim(s, blanks))
	}
	return r, len(r.declarations) > 0
}

// declarations reads what stands between the braces of a rule, or in a style attribute. What is
// no declaration is left out, as a browser does.
func declarations(css string) []declaration {
	var all []declaration
	for _, part := range split(plain(css), ';') {
		name, value, found := strings.Cut(part, ":")
		d := declaration{name: strings.Trim(name, blanks), value: oneLine(value)}
		if !strings.HasPrefix(d.name, "--") {
			d.name = strings.ToLower(d.name)
		}
		if i := strings.LastIndexByte(d.value, '!'); i >= 0 && strings.EqualFold(strings.Trim(d.value[i+1:], blanks), "important") {
			d.important, d.value = true, strings.Trim(d.value[:i], blanks)
		}
		if found && isProperty(d.name) && d.value != "" && isClosed(d.value) {
			all = append(all, d)
		}
	}
	return all
}

// isProperty allows letters, digits, hyphens, and the * in front by which old Outlook is addressed.
func isProperty(name string) bool {
	name = strings.TrimPrefix(name, "*")
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return name != ""
}

// isClosed tells whether a value ends all that it begins, so that another may follow it.
func isClosed(value string) bool {
	var open []byte
	for pos := 0; pos < len(value); {
		end := skip(value, pos)
		switch c := value[pos]; c {
		case '"', '\'':
			if _, closed := quotedText(value, pos); !closed {
				return false
			}
		case '\\':
			if end-pos < 2 {
				return false
			}
		case '(':
			open = append(open, ')')
		case '[':
			open = append(open, ']')
		case '{', '}', '<':
			return false
		case ')', ']':
			if len(open) == 0 || open[len(open)-1] != c {
				return false
			}
			open = open[:len(open)-1]
		}
		pos = end
	}
	return len(open) == 0
}

// skip gives the end of what begins at pos: a comment, a string, an escape, else one byte.
func skip(css string, pos int) int {
	switch c := css[pos]; {
	case strings.HasPrefix(css[pos:], "/*"):
		if i := strings.Index(css[pos+2:], "*/"); i >= 0 {
			return pos + 2 + i + 2
		}
		return len(css)
	case c == '\\':
		return min(pos+2, len(css))
	case c == '"' || c == '\'':
		end, _ := quotedText(css, pos)
		return end
	}
	return pos + 1
}

// quotedText gives the end of a string, which may also be that of its line.
func quotedText(css string, pos int) (end int, closed bool) {
	for i := pos + 1; i < len(css); i++ {
		switch css[i] {
		case css[pos]:
			return i + 1, true
		case '\\':
			i++
		case '\n':
			return i, false
		}
	}
	return len(css), false
}

// until finds the first of some signs that stands in no string, comment, bracket or brace; else the end.
func until(css string, pos int, signs string) int {
	depth := 0
	for pos < len(css) {
		c := css[pos]
		if depth == 0 && strings.IndexByte(signs, c) >= 0 {
			return pos
		}
		switch c {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth = max(0, depth-1)
		}
		pos = skip(css, pos)
	}
	return len(css)
}

// split divides at a sign, as until finds it.
func split(css string, sign byte) []string {
	var parts []string
	for pos := 0; ; {
		end := until(css, pos, string(sign))
		parts = append(parts, css[pos:end])
		if end == len(css) {
			return parts
		}
		pos = end + 1
	}
}

// plain takes the comments out.
func plain(css string) string {
	if !strings.Contains(css, "/*") {
		return css
	}
	var b strings.Builder
	for pos := 0; pos < len(css); {
		end := skip(css, pos)
		if strings.HasPrefix(css[pos:], "/*") {
			b.WriteByte(' ')
		} else {
			b.WriteString(css[pos:end])
		}
		pos = end
	}
	return b.String()
}

// oneLine makes one space of each run of blanks that is not in a string.
func oneLine(css string) string {
	css = strings.Trim(css, blanks)
	if !strings.ContainsAny(css, "\t\r\n\v\f") && !strings.Contains(css, "  ") {
		return css
	}
	var b strings.Builder
	for pos := 0; pos < len(css); {
		end := pos
		for end < len(css) && strings.IndexByte(blanks, css[end]) >= 0 {
			end++
		}
		if end > pos {
			b.WriteByte(' ')
		} else {
			end = skip(css, pos)
			b.WriteString(css[pos:end])
		}
		pos = end
	}
	return b.String()
}

// attributeText writes a value so that it can stand in an attribute between the given quotes.
func attributeText(css string, quote byte) string {
	if !strings.ContainsAny(css, `"'&`) {
		return css
	}
	var b strings.Builder
	for pos := 0; pos < len(css); {
		end := skip(css, pos)
		piece := css[pos:end]
		if other := byte('"' + '\'' - quote); piece[0] == quote { // closed, see isClosed
			if inside := piece[1 : len(piece)-1]; strings.IndexByte(inside, other) < 0 && strings.IndexByte(inside, '\\') < 0 {
				piece = string(other) + inside + string(other)
			}
		}
		piece = strings.ReplaceAll(piece, "&", "&amp;")
		if quote == '"' {
			piece = strings.ReplaceAll(piece, `"`, "&quot;")
		} else {
			piece = strings.ReplaceAll(piece, "'", "&#39;")
		}
		b.WriteString(piece)
		pos = end
	}
	return b.String()
}
