package inspect

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// page is an HTML part that has been read: its elements with their lines, and
// its text, of which each piece is seen or not.
type page struct {
	source   string
	elements []*element // in the order of the document
	runs     []run
	seen     string   // all text that is seen, blocks on lines of their own
	faults   []string // what is opened and not closed, or the reverse
	grave    bool     // one of them breaks the layout
	sheet    sheet
	body     look
}

// element is one element, with what is known about it.
type element struct {
	*html.Node
	line   int
	look   look
	style  map[string]string // what is declared for it, by its own style or by sheets
	link   *element          // the <a href> in which it is, or it itself
	parent *element
	runs   [2]int // the pieces of text within it: from, to
}

// run is one piece of text.
type run struct {
	text  string
	of    *element
	line  int
	quiet bool // it is in code or preformatted: written about, not meant
}

// lineAttribute carries an element's line through the parser, which forgets it.
const lineAttribute = "facteur-line"

// readPage parses HTML as a mail program would, without scripts.
func readPage(source string) *page {
	p := &page{source: source, sheet: sheet{shown: map[string]bool{}}}
	doc, err := html.ParseWithOptions(strings.NewReader(p.scan()), html.ParseOptionEnableScripting(false))
	if err != nil { // nested deeper than any program goes
		p.faults = append(p.faults, "it cannot be read: "+err.Error())
		p.grave = true
		return p
	}
	elements, depth := 0, 0
	var measure func(n *html.Node, at int)
	measure = func(n *html.Node, at int) {
		depth = max(depth, at)
		if n.Type == html.ElementNode {
			if elements++; n.DataAtom == atom.Style && n.FirstChild != nil {
				p.sheet.read(n.FirstChild.Data)
			}
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			measure(c, at+1)
		}
	}
	measure(doc, 0)
	p.sheet.afford(elements, depth)
	w := walker{page: p}
	w.children(doc, nil, ground())
	p.seen = strings.TrimSpace(w.text.String())
	return p
}

// tracked are the elements that must be closed and of which a mail is built;
// the end of others may be left out, or does little harm.
var tracked = words{
	"table": true, "div": true, "a": true, "span": true, "center": true, "font": true, "b": true, "strong": true, "i": true, "em": true, "u": true, "small": true, "h1": true, "h2": true, "h3": true, "h4": true,
	"ul": true, "ol": true, "blockquote": true, "section": true, "article": true, "header": true, "footer": true, "main": true, "pre": true,
}

// scan notes what is not closed, and returns the source with each element's
// line in it.
func (p *page) scan() string {
	type opened struct {
		name string
		line int
	}
	var open []opened
	var out strings.Builder
	fault := func(grave bool, line int, what string) {
		p.grave = p.grave || grave
		p.faults = append(p.faults, fmt.Sprintf("HTML line %d: %s", line, what))
	}
	close := func(at int) { // all above an element that is closed
		for _, o := range open[at:] {
			fault(o.name == "table" || o.name == "a", o.line, "<"+o.name+"> is not closed")
		}
		open = open[:at]
	}
	line, read := 1, 0
	z := html.NewTokenizer(strings.NewReader(p.source))
	for kind := z.Next(); kind != html.ErrorToken; kind = z.Next() {
		raw := string(z.Raw())
		read += len(raw)
		name, _ := z.TagName()
		tag := string(name)
		switch kind {
		case html.StartTagToken, html.SelfClosingTagToken:
			if tag == "noscript" {
				z.NextIsNotRawText()
			}
			end := 1 + strings.IndexAny(raw[1:]+">", " \t\r\n\f/>")
			out.WriteString(raw[:end] + " " + lineAttribute + `="` + strconv.Itoa(line) + `"` + raw[end:])
			if tracked[tag] && kind == html.StartTagToken && len(open) < 1000 {
				for _, o := range open {
					if o.name == "a" && tag == "a" {
						fault(true, line, "<a> within <a>")
					}
				}
				open = append(open, opened{tag, line})
			}
		case html.EndTagToken:
			out.WriteString(raw)
			if !tracked[tag] {
				break
			}
			at := len(open) - 1
			for at >= 0 && open[at].name != tag {
				at--
			}
			if at < 0 {
				fault(false, line, "</"+tag+"> closes nothing")
				break
			}
			close(at + 1)
			open = open[:at]
		default:
			out.WriteString(raw)
			if kind == html.CommentToken && !strings.HasSuffix(raw, ">") {
				fault(true, line, "a comment is not closed")
			}
		}
		line += strings.Count(raw, "\n")
	}
	if read < len(p.source) {
		out.WriteString(p.source[read:])
		fault(true, line, "it ends within a tag")
	}
	close(0)
	return out.String()
}

// walker goes through a parsed page.
type walker struct {
	*page
	text strings.Builder
}

// blocks end a line of text.
var blocks = map[atom.Atom]bool{
	atom.Address: true, atom.Article: true, atom.Blockquote: true, atom.Br: true, atom.Center: true, atom.Dd: true, atom.Div: true, atom.Dl: true, atom.Dt: true, atom.Footer: true, atom.H1: true, atom.H2: true,
	atom.H3: true, atom.H4: true, atom.H5: true, atom.H6: true, atom.Header: true, atom.Hr: true, atom.Li: true, atom.Main: true, atom.Ol: true, atom.P: true, atom.Pre: true, atom.Section: true,
	atom.Table: true, atom.Tbody: true, atom.Td: true, atom.Th: true, atom.Tr: true, atom.Ul: true,
}

func (w *walker) children(n *html.Node, parent *element, l look) {
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		switch c.Type {
		case html.TextNode:
			w.run(c.Data, parent)
		case html.ElementNode:
			w.element(c, parent, l)
		}
	}
}

func (w *walker) element(n *html.Node, parent *element, l look) {
	e := &element{Node: n, parent: parent}
	e.line, _ = strconv.Atoi(e.attr(lineAttribute)) // 0 for what the parser added
	if parent != nil {
		e.link = parent.link
	}
	if n.DataAtom == atom.A && strings.TrimSpace(e.attr("href")) != "" {
		e.link = e
	}
	e.style = w.sheet.style(e)
	e.look = l.within(e, w.sheet.shown)
	w.elements = append(w.elements, e)
	if n.DataAtom == atom.Body {
		w.body = e.look
	}
	switch n.DataAtom {
	case atom.Head, atom.Title, atom.Style, atom.Script, atom.Template, atom.Iframe, atom.Object, atom.Noembed, atom.Noframes:
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			if c.Type == html.ElementNode {
				w.element(c, e, e.look)
			}
		}
		return
	}
	w.breakLine(n)
	e.runs[0] = len(w.runs)
	w.children(n, e, e.look)
	e.runs[1] = len(w.runs)
	w.breakLine(n)
}

func (w *walker) breakLine(n *html.Node) {
	if blocks[n.DataAtom] && w.text.Len() > 0 {
		w.text.WriteByte('\n')
	}
}

func (w *walker) run(text string, of *element) {
	if strings.TrimSpace(text) == "" || of == nil {
		w.text.WriteByte(' ')
		return
	}
	r := run{text: text, of: of, line: of.line}
	for e := of; e != nil; e = e.parent {
		switch e.DataAtom {
		case atom.Code, atom.Pre, atom.Kbd, atom.Samp, atom.Tt:
			r.quiet = true
		}
	}
	w.runs = append(w.runs, r)
	if of.look.hidden == "" {
		const blanks = " \t\r\n"
		if strings.ContainsRune(blanks, rune(text[0])) {
			w.text.WriteByte(' ')
		}
		w.text.WriteString(strings.Join(strings.Fields(text), " "))
		if strings.ContainsRune(blanks, rune(text[len(text)-1])) {
			w.text.WriteByte(' ')
		}
	}
}

// all are the elements of a kind.
func (p *page) all(kinds ...atom.Atom) []*element {
	var found []*element
	for _, e := range p.elements {
		for _, k := range kinds {
			if e.DataAtom == k {
				found = append(found, e)
			}
		}
	}
	return found
}

// attr is an attribute's value, or "".
func (e *element) attr(name string) string {
	value, _ := e.has(name)
	return value
}

func (e *element) has(name string) (string, bool) {
	for _, a := range e.Attr {
		if a.Key == name && a.Namespace == "" {
			return a.Val, true
		}
	}
	return "", false
}

// where names an element for a person.
func (e *element) where() string {
	tag := "<" + e.Data
	for _, name := range []string{"href", "src", "name", "rel", "width", "style"} {
		if v := e.attr(name); v != "" {
			tag += " " + name + `="` + excerpt(v) + `"`
			break
		}
	}
	if e.line == 0 {
		return "HTML: " + tag + ">"
	}
	return fmt.Sprintf("HTML line %d: %s>", e.line, tag)
}

// textOf is the text within an element that is seen.
func (p *page) textOf(e *element) string {
	var b strings.Builder
	for _, r := range p.runs[e.runs[0]:e.runs[1]] {
		if r.of.look.hidden == "" {
			b.WriteString(r.text + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// letters counts what is read: letters and digits, not the blanks with which
// preheaders are padded.
func letters(s string) int {
	n := 0
	for _, r := range s {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			n++
		}
	}
	return n
}
