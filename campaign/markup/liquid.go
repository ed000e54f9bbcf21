package markup

import (
	"sort"
	"strconv"
	"strings"
)

const blanks = " \t\r\n\v\f"

// maxTags is how many tags a source may have.
const maxTags = 5_000

// tag is one {{ … }} or {% … %} of the source. A comment block is one tag from end to end.
// Of a raw block the two tags that enclose it: what stands between is text.
type tag struct {
	from, to int
	name     string // the first word of a {% … %}, "" for {{ … }}
	text     string // of a {{ … }}: what stands inside
}

// tags finds those of the template language, by the rules of campaign/content.
func tags(src string) ([]tag, *Error) {
	var all []tag
	for pos := 0; ; {
		open := opening(src, pos)
		if open < 0 {
			return all, nil
		}
		t, ok := braces(src, open)
		if !ok {
			return nil, fault(src, open, "%s is not closed (or a quote inside it is not)", src[open:open+2])
		}
		if len(all) >= maxTags {
			return nil, fault(src, open, "the source has more than %d tags of the template language", maxTags)
		}
		if t.name != "raw" && t.name != "comment" {
			all = append(all, t)
			pos = t.to
			continue
		}
		at, after := closing(src, t.to, t.name)
		if at < 0 {
			return nil, fault(src, open, "{%% %s %%} is not closed; write {%% end%s %%} where it ends", t.name, t.name)
		}
		if t.name == "comment" {
			t.to = after
			all = append(all, t)
		} else {
			all = append(all, t, tag{from: at, to: after, name: "endraw"})
		}
		pos = after
	}
}

// opening finds the next {{ or {% from pos on, or -1.
func opening(src string, pos int) int {
	for {
		i := strings.IndexByte(src[pos:], '{')
		if i < 0 || pos+i+1 >= len(src) {
			return -1
		}
		pos += i
		if c := src[pos+1]; c == '{' || c == '%' {
			return pos
		}
		pos++
	}
}

// braces reads the tag that opens at the offset. Closing braces inside quotes do not count.
func braces(src string, open int) (t tag, ok bool) {
	closing := byte('}')
	if src[open+1] == '%' {
		closing = '%'
	}
	from := open + 2
	if from < len(src) && src[from] == '-' {
		from++
	}
	remark := strings.HasPrefix(strings.TrimLeft(src[from:], blanks), "#")
	for i, quote := from, byte(0); i+1 < len(src); i++ {
		c := src[i]
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case (c == '"' || c == '\'') && !remark:
			quote = c
		case c == closing && src[i+1] == '}':
			t = tag{from: open, to: i + 2}
			inside := strings.Trim(strings.TrimSuffix(src[from:i], "-"), blanks)
			if closing == '}' {
				t.text = inside
			} else if t.name = inside; strings.ContainsAny(inside, blanks) {
				t.name = inside[:strings.IndexAny(inside, blanks)]
			}
			if closing == '%' && t.name == "" {
				t.name = "#" // an empty tag, which content.Compile will refuse
			}
			return t, true
		}
	}
	return tag{}, false
}

// closing finds the {% endNAME %} of a block whose inside is not read. Comments may stand in comments.
func closing(src string, pos int, name string) (at, after int) {
	for depth := 1; ; {
		i := strings.Index(src[pos:], "{%")
		if i < 0 {
			return -1, 0
		}
		at = pos + i
		pos = at + 2
		inside := strings.TrimLeft(strings.TrimPrefix(src[at+2:], "-"), blanks)
		if word, ok := strings.CutPrefix(inside, "end"+name); ok {
			tail := strings.TrimPrefix(strings.TrimLeft(word, blanks), "-")
			if tail, ok = strings.CutPrefix(tail, "%}"); ok {
				if depth--; depth == 0 {
					return at, len(src) - len(tail)
				}
			}
		} else if word, ok := strings.CutPrefix(inside, name); ok && name == "comment" {
			if strings.HasPrefix(strings.TrimPrefix(strings.TrimLeft(word, blanks), "-"), "%}") {
				depth++
			}
		}
	}
}

// nesting is 1 for a tag that begins a block, -1 for one that ends it.
func (t tag) nesting() int {
	switch t.name {
	case "if", "unless", "case", "for", "capture":
		return 1
	case "endif", "endunless", "endcase", "endfor", "endcapture":
		return -1
	}
	return 0
}

// mask is a source whose tags are words of letters and digits, which Markdown and MJML hand
// through wherever text or a value may stand.
type mask struct {
	src    string
	text   string
	tags   []tag
	prefix string
	starts []int // of the words in text
}

// masked replaces the tags.
func masked(src string) (*mask, *Error) {
	all, err := tags(src)
	if err != nil {
		return nil, err
	}
	m := &mask{src: src, tags: all, prefix: unusedPrefix(src)}
	var b strings.Builder
	pos := 0
	for i, t := range all {
		b.WriteString(src[pos:t.from])
		m.starts = append(m.starts, b.Len())
		b.WriteString(m.word(i))
		pos = t.to
	}
	b.WriteString(src[pos:])
	m.text = b.String()
	return m, nil
}

// unusedPrefix gives "liquidq" with one q more than any word of the source has, so that what is
// found later was put there.
func unusedPrefix(src string) string {
	low, most := strings.ToLower(src), 0
	for {
		_, rest, found := strings.Cut(low, "liquid")
		if !found {
			return "liquid" + strings.Repeat("q", most+1)
		}
		low = rest
		most = max(most, len(rest)-len(strings.TrimLeft(rest, "q")))
	}
}

// word stands for a tag.
func (m *mask) word(i int) string { return m.prefix + strconv.Itoa(i) + "z" }

// next finds the first word in s: its tag and where it stands, or -1.
func (m *mask) next(s string) (i, from, to int) {
	for pos := 0; ; {
		at := strings.Index(s[pos:], m.prefix)
		if at < 0 {
			return -1, 0, 0
		}
		from = pos + at
		pos = from + len(m.prefix)
		end := pos
		for end < len(s) && s[end] >= '0' && s[end] <= '9' {
			end++
		}
		if n, err := strconv.Atoi(s[pos:end]); err == nil && n < len(m.tags) && end < len(s) && s[end] == 'z' {
			return n, from, end + 1
		}
	}
}

// restore puts the tags back, and tells in which order they stand.
func (m *mask) restore(s string) (out string, order []int) {
	if len(m.tags) == 0 {
		return s, nil
	}
	var b strings.Builder
	for {
		i, from, to := m.next(s)
		if i < 0 {
			b.WriteString(s)
			return b.String(), order
		}
		b.WriteString(s[:from])
		b.WriteString(m.src[m.tags[i].from:m.tags[i].to])
		order = append(order, i)
		s = s[to:]
	}
}

// origin is the offset in the source of an offset in the text.
func (m *mask) origin(at int) int {
	i := sort.SearchInts(m.starts, at+1) - 1 // the last word that begins at or before it
	if i < 0 {
		return at
	}
	if over := at - m.starts[i] - len(m.word(i)); over >= 0 {
		return m.tags[i].to + over
	}
	return m.tags[i].from
}

// firstMissing is the first tag that an order lacks, or -1.
func (m *mask) firstMissing(order []int) int {
	seen := make([]bool, len(m.tags))
	for _, i := range order {
		seen[i] = true
	}
	for i, ok := range seen {
		if !ok {
			return i
		}
	}
	return -1
}

// repeated is the first {% … %} that an order has twice, or -1.
func (m *mask) repeated(order []int) int {
	seen := make([]bool, len(m.tags))
	for _, i := range order {
		if seen[i] && m.tags[i].name != "" {
			return i
		}
		seen[i] = true
	}
	return -1
}
