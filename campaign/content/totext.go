package content

import (
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// A template's tokens pass through the HTML tokenizer as marks: a private character on
// each side of the token's number. Those two characters are dropped from the text itself.
const (
	markOpen  = '\ue000'
	markClose = '\ue001'
)

// textTokens makes the text part's tokens from the HTML part's. Every tag is kept, in its
// order, whatever it stands in, so that blocks stay whole; values are kept where a reader
// would see them.
func textTokens(tokens []token) []token {
	t := textMaker{tokens: tokens, lineEnds: 2}
	var src strings.Builder
	for i, token := range tokens {
		if token.kind == tokenText {
			src.WriteString(withoutMarks(token.text))
		} else {
			src.WriteString(string(markOpen) + strconv.Itoa(i) + string(markClose))
		}
	}
	t.read(src.String())
	return t.out
}

// plainText is the text of a piece of HTML.
func plainText(src string) string {
	t := textMaker{lineEnds: 2}
	t.read(withoutMarks(src))
	var b strings.Builder
	for _, token := range t.out {
		b.WriteString(token.text)
	}
	return strings.TrimSpace(b.String())
}

func withoutMarks(s string) string {
	if !strings.ContainsAny(s, string(markOpen)+string(markClose)) {
		return s
	}
	return strings.NewReplacer(string(markOpen), "", string(markClose), "").Replace(s)
}

// textMaker writes text as it walks over HTML. Line breaks and blanks are owed until
// something visible follows.
type textMaker struct {
	tokens []token
	out    []token
	line   strings.Builder // text not yet in out

	lineEnds int  // at the end of what is written
	owed     int  // line ends that must come before the next visible thing
	blank    bool // so must a blank
	cell     bool // so must a separator of cells, on the same line
	bullet   bool // a list's hyphen was the last thing written
	pre      int  // depth of <pre>
	lists    int  // depth of lists
	loops    int  // depth of template loops
	link     *link
	skipped  atom.Atom // the element that is left out, with so many of its kind inside
	skipping int
}

// link is the <a> that is open; in HTML there is but one.
type link struct {
	href  string // with marks
	text  strings.Builder
	loops int
}

func (t *textMaker) read(src string) {
	z := html.NewTokenizer(strings.NewReader(src))
	for {
		switch kind := z.Next(); kind {
		case html.ErrorToken:
			t.closeLink(0)
			if t.lineEnds == 0 {
				t.put("\n")
			}
			t.flushLine()
			return
		case html.TextToken:
			if t.skipping > 0 {
				t.keepTags(string(z.Raw()), "")
			} else {
				t.text(string(z.Text()))
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			t.start(z, kind == html.SelfClosingTagToken)
		case html.EndTagToken:
			raw := string(z.Raw())
			tag, _ := z.TagName()
			t.keepTags(raw, "")
			t.end(atom.Lookup(tag))
		default: // comments, doctype
			t.keepTags(string(z.Raw()), "")
		}
	}
}

func (t *textMaker) start(z *html.Tokenizer, selfClosing bool) {
	raw := string(z.Raw())
	name, more := z.TagName()
	tag := atom.Lookup(name)
	attributes := map[string]string{}
	for more {
		var key, val []byte
		key, val, more = z.TagAttr()
		if _, twice := attributes[string(key)]; !twice {
			attributes[string(key)] = string(val)
		}
	}
	if t.skipping > 0 {
		t.keepTags(raw, "")
		if tag == t.skipped && !selfClosing {
			t.skipping++
		}
		return
	}
	shown := ""
	switch tag {
	case atom.A:
		shown = strings.TrimSpace(attributes["href"])
	case atom.Img:
		shown = strings.TrimSpace(attributes["alt"])
	}
	if !t.balanced(shown) {
		shown = ""
	}
	t.keepTags(raw, shown)
	if isLeftOut(tag, attributes["style"]) {
		if !selfClosing && !isVoid(tag) {
			t.skipped, t.skipping = tag, 1
		}
		return
	}
	switch tag {
	case atom.A:
		t.closeLink(0)
		t.link = &link{href: shown, loops: t.loops}
	case atom.Img:
		t.text(shown)
	case atom.Br:
		t.owe(min(2, max(0, t.owed-t.lineEnds)+t.lineEnds+1))
	case atom.Hr:
		t.owe(1)
		t.visible("---")
		t.owe(1)
	case atom.Li:
		t.bullet = false
		t.owe(1)
		t.visible(strings.Repeat("  ", min(max(0, t.lists-1), 8)) + "- ")
		t.bullet = true
	case atom.Td, atom.Th:
		t.cell = t.cell && t.owed == 0 && t.lineEnds == 0
	case atom.Ul, atom.Ol:
		t.lists++
		t.owe(listSpace(t.lists))
	case atom.Pre:
		t.pre++
		t.owe(2)
	default:
		t.owe(spaceAround(tag))
	}
}

func (t *textMaker) end(tag atom.Atom) {
	if t.skipping > 0 {
		if tag == t.skipped {
			t.skipping--
		}
		return
	}
	switch tag {
	case atom.A:
		t.closeLink(0)
	case atom.Td, atom.Th:
		t.cell = true
	case atom.Li:
		t.bullet = false
		t.owe(1)
	case atom.Ul, atom.Ol:
		t.owe(listSpace(t.lists))
		t.lists = max(0, t.lists-1)
	case atom.Pre:
		t.pre = max(0, t.pre-1)
		t.owe(2)
	default:
		t.owe(spaceAround(tag))
	}
}

// spaceAround is how many line ends an element wants before and after it.
func spaceAround(tag atom.Atom) int {
	switch tag {
	case atom.P, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Blockquote, atom.Dl:
		return 2
	case atom.Div, atom.Table, atom.Tr, atom.Section, atom.Article, atom.Header, atom.Footer, atom.Nav, atom.Main,
		atom.Aside, atom.Address, atom.Figure, atom.Figcaption, atom.Center, atom.Form, atom.Fieldset,
		atom.Dt, atom.Dd, atom.Body, atom.Caption, atom.Thead, atom.Tbody, atom.Tfoot:
		return 1
	}
	return 0
}

func listSpace(depth int) int {
	if depth > 1 {
		return 1
	}
	return 2
}

// isLeftOut: what no reader sees, the hidden preheader too.
func isLeftOut(tag atom.Atom, style string) bool {
	switch tag {
	case atom.Style, atom.Script, atom.Title, atom.Template, atom.Object, atom.Svg:
		return true
	}
	return strings.Contains(strings.ReplaceAll(strings.ToLower(style), " ", ""), "display:none")
}

func isVoid(tag atom.Atom) bool {
	switch tag {
	case atom.Area, atom.Base, atom.Br, atom.Col, atom.Embed, atom.Hr, atom.Img, atom.Input, atom.Link, atom.Meta, atom.Source, atom.Track, atom.Wbr:
		return true
	}
	return false
}

// closeLink ends the link if it was opened at least so many loops deep, with its address
// behind its text unless the two are the same.
func (t *textMaker) closeLink(loops int) {
	l := t.link
	if l == nil || l.loops < loops {
		return
	}
	t.link = nil
	switch text := strings.TrimSpace(l.text.String()); {
	case l.href == "" || l.href[0] == '#' || text == l.href || "mailto:"+text == l.href || "tel:"+text == l.href:
	case text == "":
		t.text(l.href)
	default:
		owed := t.owed
		t.owed = 0
		t.text(" (" + l.href + ")")
		t.owe(owed)
	}
}

// text writes text in which marks may stand; runs of blanks become one.
func (t *textMaker) text(s string) {
	for s != "" {
		before, rest, found := strings.Cut(s, string(markOpen))
		t.words(before)
		if !found {
			return
		}
		number, after, _ := strings.Cut(rest, string(markClose))
		t.token(number, true)
		s = after
	}
}

func (t *textMaker) words(s string) {
	if t.pre > 0 {
		for i, line := range strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n") {
			if i > 0 {
				t.settle()
				t.put("\n")
			}
			if line != "" {
				t.visible(line)
			}
		}
		return
	}
	start := -1
	for i, r := range s {
		switch {
		case unicode.IsSpace(r):
			if start >= 0 {
				t.visible(s[start:i])
				start = -1
			}
			t.blank = true
		case r == '\u200b' || r == '\ufeff' || r == '\u00ad' || r == '\u034f': // fillers that show nothing
			if start >= 0 {
				t.visible(s[start:i])
				start = -1
			}
		case start < 0:
			start = i
		}
	}
	if start >= 0 {
		t.visible(s[start:])
	}
}

// token writes the template's token with this number; what is between braces and visible
// only where shown.
func (t *textMaker) token(number string, shown bool) {
	i, err := strconv.Atoi(number)
	if err != nil || i < 0 || i >= len(t.tokens) {
		return
	}
	token := t.tokens[i]
	token.hidden = false
	if token.kind == tokenOutput {
		if !shown {
			return
		}
		t.settle()
		t.note(string(markOpen) + number + string(markClose))
		t.lineEnds = 0
	} else {
		switch token.name {
		case "assign":
		case "endfor":
			t.closeLink(t.loops)
			t.loops--
			t.settle()
		case "for":
			t.settle()
			t.loops++
		default:
			t.settle()
		}
	}
	t.flushLine()
	t.out = append(t.out, token)
}

// keepTags writes the tags among the marks of a stretch of markup, but not those that will
// be written with the text they stand in.
func (t *textMaker) keepTags(raw, shown string) {
	for {
		_, rest, found := strings.Cut(raw, string(markOpen))
		if !found {
			return
		}
		number, after, _ := strings.Cut(rest, string(markClose))
		if !strings.Contains(shown, string(markOpen)+number+string(markClose)) {
			t.token(number, false)
		}
		raw = after
	}
}

// balanced tells whether the blocks in a stretch are whole, so that it can be moved.
func (t *textMaker) balanced(s string) bool {
	depth := 0
	for {
		_, rest, found := strings.Cut(s, string(markOpen))
		if !found {
			return depth == 0
		}
		number, after, _ := strings.Cut(rest, string(markClose))
		if i, err := strconv.Atoi(number); err == nil && i < len(t.tokens) && t.tokens[i].kind == tokenTag {
			switch name := t.tokens[i].name; name {
			case "if", "unless", "case", "for", "capture":
				depth++
			case "endif", "endunless", "endcase", "endfor", "endcapture":
				depth--
			case "else", "elsif", "when":
				if depth == 0 {
					return false
				}
			default: // an assignment must not move behind what uses it
				return false
			}
		}
		if depth < 0 {
			return false
		}
		s = after
	}
}

// owe asks for line ends before the next visible thing.
func (t *textMaker) owe(n int) {
	if n > 0 {
		t.owed, t.blank, t.cell = max(t.owed, n), false, false
	}
}

// settle writes what is owed.
func (t *textMaker) settle() {
	switch {
	case t.bullet:
	case t.owed > t.lineEnds:
		t.put(strings.Repeat("\n", t.owed-t.lineEnds))
	case t.lineEnds > 0:
	case t.cell:
		t.put(" | ")
	case t.blank:
		t.put(" ")
		t.note(" ")
	}
	t.owed, t.blank, t.cell, t.bullet = 0, false, false, false
}

func (t *textMaker) visible(s string) {
	t.settle()
	t.put(s)
	t.note(s)
}

// note keeps the text of the open link.
func (t *textMaker) note(s string) {
	if t.link != nil {
		t.link.text.WriteString(s)
	}
}

func (t *textMaker) put(s string) {
	t.line.WriteString(s)
	if s == "\n" || s == "\n\n" {
		t.lineEnds += len(s)
	} else {
		t.lineEnds = 0
	}
}

func (t *textMaker) flushLine() {
	if t.line.Len() > 0 {
		t.out = append(t.out, token{kind: tokenText, text: t.line.String()})
		t.line.Reset()
	}
}
