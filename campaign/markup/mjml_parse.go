package markup

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
)

var (
	attributeName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	className     = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_ -]*$`)
	fontName      = regexp.MustCompile(`^[\p{L}\p{N} _-]+$`) // the compiler makes a pattern of it
)

// Limits of an MJML source. The compiler needs one or two milliseconds for an element.
const (
	maxMJMLElements = 500
	maxValue        = 500       // bytes of an attribute that the compiler reads
	maxClasses      = 20        // of one element
	maxInherited    = 256 << 10 // bytes of attributes that elements get from mj-attributes, all together
	maxImages       = 20        // of a carousel, which writes CSS for each pair of them
	maxFonts        = 10
)

// node is an element of an MJML source, in the form that the compiler takes instead of a source.
type node struct {
	name       string
	line       int
	at         int // in the masked text
	attributes []attribute
	raw        string // of the tag, in which the attributes have their places
	content    string
	children   []*node
}

// mjmlReader reads the masked source. It is stricter than the compiler's own parser, which closes what
// is open and drops what it does not expect: here that is an error with its line.
type mjmlReader struct {
	*mask
	pos      int
	line     int
	counted  int // up to where lines were counted
	elements int
	marker   string // encloses the CSS of mj-style elements that are to be inlined
	inlined  string // that CSS
	holder

	root, body     *node
	before, behind string // tags of the template language outside of the root
	dropped        []int  // tags in comments that go
}

// readMJML reads the source, and checks it.
func readMJML(m *mask) (*mjmlReader, *Error) {
	r := &mjmlReader{mask: m, line: 1, marker: "/*" + m.prefix + "inline*/", holder: holder{prefix: m.prefix}}
	top := &node{}
	if err := r.children(top); err != nil {
		return nil, err
	}
	for _, n := range top.children {
		switch {
		case n.name == "mj-raw" && r.root == nil:
			r.before += n.content
		case n.name == "mj-raw":
			r.behind += n.content
		case r.root != nil:
			return nil, r.fail(n.at, "a second <mjml> begins; a mail has one")
		default:
			r.root = n
		}
	}
	if r.root == nil {
		return nil, r.fail(0, "there is no <mjml>; MJML begins with <mjml><mj-body>")
	}
	if err := r.check(r.root); err != nil {
		return nil, err
	}
	if err := r.hold(r, r.root); err != nil {
		return nil, err
	}
	if fonts := r.used(r.inlined); fonts != "" { // which the compiler looks for in the body alone
		r.texts = append(r.texts, held{r.holder.prefix + "h" + strconv.Itoa(len(r.texts)) + "z" + fonts, ""})
		r.body.children = append(r.body.children, &node{name: "mj-raw", content: r.texts[len(r.texts)-1].word})
	}
	return r, nil
}

func (r *mjmlReader) fail(at int, format string, args ...any) *Error {
	return fault(r.src, r.origin(at), format, args...)
}

// children reads up to the end tag of the parent.
func (r *mjmlReader) children(parent *node) *Error {
	for {
		next := strings.IndexByte(r.text[r.pos:], '<')
		end := r.pos + next
		if next < 0 {
			end = len(r.text)
		}
		if err := r.between(parent, r.pos, end); err != nil {
			return err
		}
		r.pos = end
		rest := r.text[end:]
		switch {
		case rest == "" && parent.name == "":
			return nil
		case rest == "":
			return r.fail(parent.at, "<%s> is not closed; write </%s> where it ends", parent.name, parent.name)
		case strings.HasPrefix(rest, "<!--"):
			if err := r.comment(parent); err != nil {
				return err
			}
		case strings.HasPrefix(rest, "<!"), strings.HasPrefix(rest, "<?"):
			to := strings.IndexByte(rest, '>')
			if parent.name != "" || to < 0 {
				return r.fail(end, "%s can't stand here", quoted(rest[:min(len(rest), 20)]))
			}
			r.pos += to + 1
		case strings.HasPrefix(rest, "</"):
			name := tagName(rest, 2)
			to := strings.IndexByte(rest, '>')
			if name != parent.name || to < 0 {
				if parent.name == "" {
					return r.fail(end, "</%s> ends what has not begun", name)
				}
				return r.fail(end, "</%s> stands where </%s> is expected, for the <%s> of line %d", name, parent.name, parent.name, parent.line)
			}
			r.pos += to + 1
			return nil
		default:
			if err := r.element(parent); err != nil {
				return err
			}
		}
	}
}

// between takes what stands between elements: blanks, and tags of the template language.
func (r *mjmlReader) between(parent *node, from, to int) *Error {
	words := strings.Trim(r.text[from:to], blanks)
	if words == "" {
		return nil
	}
	at := from + strings.Index(r.text[from:to], words)
	for rest := words; rest != ""; {
		i, start, end := r.next(rest)
		if text := strings.Trim(rest[:max(start, 0)], blanks); i < 0 || text != "" {
			if i < 0 {
				text = rest
			}
			here := at + len(words) - len(rest) + strings.Index(rest, text)
			if parent.name == "" {
				return r.fail(here, "%s stands outside of <mjml>", quoted(text))
			}
			return r.fail(here, "text can't stand directly in <%s>; write it into an mj-text", parent.name)
		}
		if parent.name != "" && !takesTags(parent.name) {
			here := at + len(words) - len(rest)
			return r.fail(here, "a tag of the template language can't stand between the elements of <%s>; write it into one of them, or around <%s>", parent.name, parent.name)
		}
		rest = strings.TrimLeft(rest[end:], blanks)
	}
	parent.children = append(parent.children, &node{name: "mj-raw", line: r.lineOf(at), at: at, content: words})
	return nil
}

// comment hands a comment on where the compiler does. Elsewhere it goes, with the tags in it.
func (r *mjmlReader) comment(parent *node) *Error {
	end := strings.Index(r.text[r.pos+4:], "-->")
	if end < 0 {
		return r.fail(r.pos, "the comment is not closed; write --> where it ends")
	}
	end += r.pos + 4 + 3
	if parent.name == "mjml" || !contains(inside[parent.name], "mj-raw") {
		for rest := r.text[r.pos:end]; ; {
			i, _, to := r.next(rest)
			if i < 0 {
				break
			}
			r.dropped = append(r.dropped, i)
			rest = rest[to:]
		}
	} else {
		parent.children = append(parent.children, &node{name: "mj-raw", line: r.lineOf(r.pos), at: r.pos, content: r.text[r.pos:end]})
		if err := r.count(r.pos); err != nil {
			return err
		}
	}
	r.pos = end
	return nil
}

func (r *mjmlReader) count(at int) *Error {
	if r.elements++; r.elements > maxMJMLElements {
		return r.fail(at, "the source has more than %d elements", maxMJMLElements)
	}
	return nil
}

// element reads one, with all that is in it.
func (r *mjmlReader) element(parent *node) *Error {
	n := &node{name: tagName(r.text[r.pos:], 1), at: r.pos, line: r.lineOf(r.pos)}
	if err := r.mayBe(n, parent); err != nil {
		return err
	}
	if err := r.count(n.at); err != nil {
		return err
	}
	end := tagEnd(r.text, r.pos)
	if end < 0 {
		return r.fail(n.at, "the tag <%s is not closed; write > where it ends, and see whether a quote is missing", n.name)
	}
	n.raw = r.text[r.pos:end]
	r.pos = end
	if err := r.attributes(n, parent); err != nil {
		return err
	}
	parent.children = append(parent.children, n)
	switch closed := strings.HasSuffix(n.raw, "/>"); {
	case closed:
		return nil
	case holdsHTML(n.name):
		return r.html(n)
	}
	return r.children(n)
}

// mayBe tells what is wrong with an element at its place.
func (r *mjmlReader) mayBe(n, parent *node) *Error {
	switch {
	case mayStand(n.name, parent.name):
		return nil
	case n.name == "mj-include":
		return r.fail(n.at, "mj-include is not allowed, since a template reads no files; put the file's text here")
	case n.name == "mj-html-attributes":
		return r.fail(n.at, "mj-html-attributes is not allowed; write the elements with mj-raw or mj-table, with the attributes they need")
	case parent.name == "":
		return r.fail(n.at, "<%s> stands outside of <mjml>", n.name)
	case !strings.HasPrefix(n.name, "mj"):
		return r.fail(n.at, "<%s> can't stand directly in <%s>; write HTML into an mj-text, mj-table or mj-raw", n.name, parent.name)
	case !isElement(n.name) && n.name != "mj-all" && n.name != "mj-class":
		return r.fail(n.at, "MJML has no element <%s>", n.name)
	case parentsOf(n.name) == "":
		return r.fail(n.at, "<%s> can't stand in <%s>", n.name, parent.name)
	}
	return r.fail(n.at, "<%s> can't stand in <%s>; it stands in %s", n.name, parent.name, parentsOf(n.name))
}

// tagEnd is behind the > of the tag that begins at pos, or -1. One in quotes does not count.
func tagEnd(s string, pos int) int {
	quote := byte(0)
	for i := pos; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			return i + 1
		}
	}
	return -1
}

// attributes reads those of an element, and refuses what only looks like one.
func (r *mjmlReader) attributes(n, parent *node) *Error {
	n.attributes, _, _ = readAttributes(n.raw, 1+len(n.name))
	if len(n.attributes) > maxOfOne {
		return r.fail(n.at, "<%s> has more than %d attributes", n.name, maxOfOne)
	}
	defaults := parent.name == "mj-attributes" || parent.name == "mj-class"
	for _, a := range n.attributes {
		at := n.at + a.nameEnd - len(a.name)
		if i, _, _ := r.next(a.name); i >= 0 {
			return r.fail(at, "a tag of the template language can't stand among the attributes of <%s>; write it into a value", n.name)
		}
		if !attributeName.MatchString(a.name) || a.name == "constructor" {
			return r.fail(at, "%s is no attribute of <%s>", quoted(a.name), n.name)
		}
		value := n.raw[a.from:a.to]
		i, _, _ := r.next(value)
		switch {
		case i >= 0 && (defaults || n.name == "mj-font" || a.name == "mj-class"):
			return r.fail(at, "a tag of the template language can't stand here; write it at the elements for which it is meant")
		case a.name == "mj-class" || n.name == "mj-class" && a.name == "name":
			if names := strings.Fields(value); len(names) > maxClasses {
				return r.fail(at, "<%s> has more than %d classes", n.name, maxClasses)
			}
			if !className.MatchString(value) || strings.Contains(" "+value+" ", " constructor ") {
				return r.fail(at, "%s is no name of a class; letters, digits and hyphens are allowed", quoted(value))
			}
		case n.name == "mj-font" && a.name == "name" && !fontName.MatchString(value):
			return r.fail(at, "%s is no name of a font; letters, digits and hyphens are allowed", quoted(value))
		}
	}
	return nil
}

// html reads what an element holds, up to its end tag.
func (r *mjmlReader) html(n *node) *Error {
	from, unclosed := r.pos, false
	for depth := 1; ; {
		i := strings.IndexByte(r.text[r.pos:], '<')
		if i < 0 {
			return r.fail(n.at, "<%s> is not closed; write </%s> where it ends", n.name, n.name)
		}
		r.pos += i
		rest := r.text[r.pos:]
		switch {
		case strings.HasPrefix(rest, "<!--") && !unclosed:
			end := strings.Index(rest[4:], "-->")
			if end >= 0 {
				r.pos += 4 + end + 3
				continue
			}
			unclosed = true // and so are all that follow
		case strings.HasPrefix(rest, "</") && tagName(rest[:min(len(rest), 40)], 2) == n.name:
			if depth--; depth == 0 {
				n.content = strings.Trim(r.text[from:r.pos], blanks)
				end := strings.IndexByte(rest, '>')
				if end < 0 {
					return r.fail(r.pos, "</%s is not closed; write > where it ends", n.name)
				}
				r.pos += end + 1
				return nil
			}
		case tagName(rest[:min(len(rest), 40)], 1) == n.name:
			depth++
		case strings.HasPrefix(strings.ToLower(rest[:min(len(rest), 11)]), "<mj-include"):
			return r.fail(r.pos, "mj-include is not allowed, since a template reads no files; put the file's text here")
		}
		r.pos++
	}
}

// lineOf counts lines of the source; offsets rise.
func (r *mjmlReader) lineOf(at int) int {
	at = r.origin(at)
	r.line += strings.Count(r.src[r.counted:at], "\n")
	r.counted = at
	return r.line
}

// json writes the tree for the compiler.
func (n *node) json(b *strings.Builder) {
	b.WriteString(`{"file":".","absoluteFilePath":".","includedIn":[],"tagName":`)
	text := func(s string) {
		word, _ := json.Marshal(s) // a string
		b.Write(word)
	}
	text(n.name)
	b.WriteString(`,"line":` + strconv.Itoa(n.line) + `,"attributes":{`)
	for i, a := range n.attributes {
		if i > 0 {
			b.WriteByte(',')
		}
		text(a.name)
		b.WriteByte(':')
		if a.text == "true" || a.text == "false" {
			b.WriteString(a.text)
		} else {
			text(a.text)
		}
	}
	b.WriteByte('}')
	if n.content != "" {
		b.WriteString(`,"content":`)
		text(n.content)
	}
	if len(n.children) > 0 {
		b.WriteString(`,"children":[`)
		for i, c := range n.children {
			if i > 0 {
				b.WriteByte(',')
			}
			c.json(b)
		}
		b.WriteByte(']')
	}
	b.WriteByte('}')
}
