package markup

import (
	"fmt"
	"io"
	"strings"

	"golang.org/x/net/html"
)

// Limits of a page.
const (
	maxDepth      = 256    // of elements in each other
	maxElements   = 20_000 // also those in conditional comments
	maxAttributes = 100_000
)

// document is what Inline sees of a page: its elements with their places in the source, and the
// style sheets. The tree is made by the rules that matter for selectors; misnested tags are not
// repaired as a browser does, which could make a large tree of a small source.
type document struct {
	elements []*element
	outlook  []*html.Node // elements in conditional comments, of which it is not known where they stand
	sheets   []sheet
}

type element struct {
	node       *html.Node
	parent     int // index, or -1
	before     int // index of the sibling before it, or -1
	last       int // index of the last child so far, or -1
	place      int // its number among its siblings
	from       int // of the start tag in the source, or -1
	attributes []attribute
	end        int  // of the last attribute, or of the name, in the tag
	bytes      int  // of the attributes
	uncertain  bool // has tags of the template language among its attributes
	head       bool // the head, or in it
}

// sheet is the text of a style element.
type sheet struct {
	from, to       int // of the text in the source
	openAt, endsAt int // of the whole element
	head           bool
	usable         bool // its media and type are those of all mail
	removed        []edit
}

// cost of matching a part, in steps of one comparison.
func (e *element) cost(p part) int {
	n := 1 + e.bytes/64
	if p.counting {
		n += e.place
		for s := e.node.NextSibling; s != nil && n < 1<<20; s = s.NextSibling {
			n++
		}
	}
	return n
}

type builder struct {
	src   string // with filler for tags
	doc   *document
	stack []int
	open  map[string]int // how many of a name are on the stack
	body  int
	wrong string // with the page, so that it can't be read on
	count struct{ elements, attributes int }
}

// readDocument finds the elements of a page.
func readDocument(src, original string) (*document, error) {
	b := &builder{src: src, doc: &document{}, open: map[string]int{}, body: -1}
	root := &html.Node{Type: html.DocumentNode}
	b.add(nil, "html", -1)
	root.AppendChild(b.doc.elements[0].node)
	z := html.NewTokenizer(strings.NewReader(src))
	pos, style := 0, -1 // style is the sheet whose text comes
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			if z.Err() != io.EOF {
				return nil, &Error{Message: "the HTML can't be read: " + z.Err().Error()}
			}
			if style >= 0 { // a style element without an end
				b.doc.sheets[style].endsAt = pos
			}
			return b.doc, nil
		}
		from := pos
		pos += len(z.Raw())
		switch kind {
		case html.StartTagToken, html.SelfClosingTagToken:
			name := tagName(src[from:pos], 1)
			b.start(name, from, pos)
			if kind == html.SelfClosingTagToken && b.top() == name && (b.open["svg"]+b.open["math"] > 0 || strings.Contains(name, ":")) {
				b.pop()
			}
			if b.wrong != "" {
				return nil, fault(original, from, "%s", b.wrong)
			}
			if name == "style" {
				style = b.sheet(from, pos)
			}
		case html.TextToken:
			if style >= 0 {
				b.doc.sheets[style].from, b.doc.sheets[style].to = from, pos
			}
		case html.EndTagToken:
			if style >= 0 {
				b.doc.sheets[style].endsAt = pos
				style = -1
			}
			b.end(tagName(src[from:pos], 2))
		case html.CommentToken:
			if strings.HasPrefix(src[from:], "<!--[if") {
				b.outlook(src[from+len("<!--") : pos])
				if b.wrong != "" {
					return nil, fault(original, from, "%s", b.wrong)
				}
			}
		}
	}
}

// outlook notes the elements of a conditional comment.
func (b *builder) outlook(comment string) {
	for z := html.NewTokenizer(strings.NewReader(comment)); ; {
		kind := z.Next()
		if kind == html.ErrorToken || b.wrong != "" {
			return
		}
		if kind == html.StartTagToken || kind == html.SelfClosingTagToken {
			raw := string(z.Raw())
			name := tagName(raw, 1)
			attributes, _, _ := readAttributes(raw, 1+len(name))
			b.doc.outlook = append(b.doc.outlook, newNode(name, attributes))
			b.counted(len(attributes))
		}
	}
}

func newNode(name string, attributes []attribute) *html.Node {
	n := &html.Node{Type: html.ElementNode, Data: name}
	for _, a := range attributes {
		n.Attr = append(n.Attr, html.Attribute{Key: a.name, Val: a.text})
	}
	return n
}

// sheet notes the style element that was added last.
func (b *builder) sheet(from, to int) int {
	e := b.doc.elements[len(b.doc.elements)-1]
	s := sheet{from: to, to: to, openAt: from, endsAt: to, head: e.head, usable: !e.uncertain}
	for _, a := range e.attributes {
		value := strings.ToLower(strings.Trim(a.text, blanks))
		switch a.name {
		case "media":
			s.usable = s.usable && (value == "" || value == "all" || value == "screen")
		case "type":
			s.usable = s.usable && (value == "" || value == "text/css")
		}
	}
	b.doc.sheets = append(b.doc.sheets, s)
	return len(b.doc.sheets) - 1
}

// start places an element that the source begins.
func (b *builder) start(name string, from, to int) {
	attributes, end, uncertain := readAttributes(b.src[from:to], 1+len(name))
	uncertain = uncertain || strings.IndexByte(name, filler) >= 0
	switch {
	case name == "html", name == "body" && b.body >= 0:
		e := b.doc.elements[0]
		if name == "body" {
			e = b.doc.elements[b.body]
		}
		if e.from < 0 { // until now it was only supposed
			e.from, e.end, e.attributes, e.uncertain = from, end, attributes, uncertain
			e.node.Attr = newNode(name, attributes).Attr
		}
		return
	case name == "head" && b.open["head"] == 0 && b.body < 0:
		b.add(attributes, name, from)
		return
	case inHead(name), b.open["head"] > 0 && (name == "noscript" || name == "template"):
		if b.body < 0 && b.open["head"] == 0 {
			b.add(nil, "head", -1)
		}
	default:
		b.needBody(name)
	}
	if name != "body" {
		b.imply(name)
	}
	b.add(attributes, name, from)
	e := b.doc.elements[len(b.doc.elements)-1]
	e.end, e.uncertain = end, uncertain
	if name == "body" {
		b.body = len(b.doc.elements) - 1
	}
	if isVoid(name) {
		b.pop()
	}
}

func inHead(name string) bool {
	switch name {
	case "title", "meta", "link", "style", "base", "script":
		return true
	}
	return false
}

// needBody ends the head, and supposes a body for what can't stand outside of one.
func (b *builder) needBody(name string) {
	if b.body >= 0 || b.open["frameset"] > 0 {
		return
	}
	for b.open["head"] > 0 {
		b.pop()
	}
	if name != "body" {
		b.add(nil, "body", -1)
		b.body = len(b.doc.elements) - 1
	}
}

// imply closes what the new element ends without a tag, and opens what a table is short of.
func (b *builder) imply(name string) {
	switch name {
	case "li":
		b.close("li", "ul", "ol")
	case "dt", "dd":
		b.close("dt", "dl")
		b.close("dd", "dl")
	case "option":
		b.close("option", "select")
	case "tr":
		b.close("tr", "table")
		if b.top() == "table" {
			b.add(nil, "tbody", -1)
		}
	case "td", "th":
		b.close("td", "tr", "table")
		b.close("th", "tr", "table")
		if b.top() == "table" {
			b.add(nil, "tbody", -1)
		}
		if t := b.top(); t == "tbody" || t == "thead" || t == "tfoot" {
			b.add(nil, "tr", -1)
		}
	case "tbody", "thead", "tfoot", "caption", "colgroup":
		for _, part := range []string{"tbody", "thead", "tfoot", "caption", "colgroup"} {
			b.close(part, "table")
		}
	}
	if endsParagraph(name) {
		b.close("p", "td", "th", "caption", "button", "table")
	}
}

func endsParagraph(name string) bool {
	switch name {
	case "address", "article", "aside", "blockquote", "center", "details", "dialog", "dir", "div", "dl", "fieldset",
		"figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hgroup", "hr", "li", "dt", "dd",
		"main", "menu", "nav", "ol", "p", "pre", "section", "summary", "table", "ul":
		return true
	}
	return false
}

// end closes the innermost element of a name, and what stands open in it. What is in a cell does not
// close what is around its table.
func (b *builder) end(name string) {
	switch name {
	case "html", "body":
	case "table":
		b.close(name)
	case "tr", "td", "th", "tbody", "thead", "tfoot", "caption":
		b.close(name, "table")
	default:
		b.close(name, "td", "th", "caption", "table")
	}
}

// close pops up to the innermost element of a name, unless one of the bounds comes first.
func (b *builder) close(name string, bounds ...string) {
	if b.open[name] == 0 {
		return
	}
	for i := len(b.stack) - 1; i >= 0; i-- {
		here := b.name(i)
		if here == name {
			for len(b.stack) > i {
				b.pop()
			}
			return
		}
		for _, bound := range bounds {
			if here == bound {
				return
			}
		}
	}
}

func (b *builder) name(i int) string { return b.doc.elements[b.stack[i]].node.Data }
func (b *builder) top() string       { return b.name(len(b.stack) - 1) }

func (b *builder) pop() {
	b.open[b.top()]--
	b.stack = b.stack[:len(b.stack)-1]
}

// add makes an element the last child of the one that is open.
func (b *builder) add(attributes []attribute, name string, from int) {
	e := &element{node: newNode(name, attributes), parent: -1, before: -1, last: -1, from: from, attributes: attributes, head: name == "head"}
	for _, a := range attributes {
		e.bytes += len(a.name) + len(a.text)
	}
	index := len(b.doc.elements)
	if len(b.stack) > 0 {
		e.parent = b.stack[len(b.stack)-1]
		parent := b.doc.elements[e.parent]
		parent.node.AppendChild(e.node)
		e.before, parent.last = parent.last, index
		if e.before >= 0 {
			e.place = b.doc.elements[e.before].place + 1
		}
		e.head = e.head || parent.head
	}
	b.doc.elements = append(b.doc.elements, e)
	b.stack = append(b.stack, index)
	b.open[name]++
	b.counted(len(attributes))
	if len(b.stack) > maxDepth {
		b.wrong = fmt.Sprintf("elements stand inside each other more than %d deep", maxDepth)
	}
}

func (b *builder) counted(attributes int) {
	b.count.elements++
	b.count.attributes += attributes
	if b.count.elements > maxElements {
		b.wrong = fmt.Sprintf("the page has more than %d elements", maxElements)
	}
	if attributes > maxOfOne {
		b.wrong = fmt.Sprintf("the element has more than %d attributes", maxOfOne)
	}
	if b.count.attributes > maxAttributes {
		b.wrong = fmt.Sprintf("the page has more than %d attributes", maxAttributes)
	}
}

func isVoid(name string) bool {
	switch name {
	case "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr":
		return true
	}
	return false
}
