package segment

import (
	"strconv"
	"strings"
)

// Bounds of a text.
const (
	longestText     = 10_000 // bytes
	deepest         = 50     // brackets and nots
	mostComparisons = 500
)

// Parse reads a condition. An empty text is the condition that everybody
// meets. The error is an [*Error].
func Parse(text string) (*Condition, error) {
	if len(text) > longestText {
		return nil, positioned(text, longestText, "the condition has %d bytes, %d are allowed: shorten it", len(text), longestText)
	}
	if strings.TrimSpace(text) == "" {
		return &Condition{root: always{}}, nil
	}
	tokens, err := scan(text)
	if err != nil {
		return nil, err
	}
	p := &parser{text: text, tokens: tokens}
	root := p.alternatives()
	if t := p.peek(); p.err == nil && t.kind != ending {
		p.fail(t, "%s is not expected here: join conditions with and, or", t.shown())
	}
	if p.err != nil {
		return nil, p.err
	}
	return &Condition{root: root, needs: p.needs, text: text}, nil
}

// parser reads tokens; after the first error it goes on idly.
type parser struct {
	text   string
	tokens []token
	pos    int
	depth  int
	count  int
	needs  Needs
	err    *Error
}

func (p *parser) peek() token { return p.tokens[p.pos] }

func (p *parser) next() token {
	t := p.tokens[p.pos]
	if t.kind != ending {
		p.pos++
	}
	return t
}

// take goes behind a keyword or sign if it comes next.
func (p *parser) take(text string) bool {
	if p.err == nil && p.peek().is(text) {
		p.next()
		return true
	}
	return false
}

func (p *parser) fail(t token, format string, args ...any) {
	if p.err == nil {
		p.err = positioned(p.text, t.at, format, args...)
	}
}

func (p *parser) expect(text, why string) {
	if t := p.peek(); !p.take(text) {
		p.fail(t, "%q is expected here %s, not %s", text, why, t.shown())
	}
}

// alternatives := conjunction { "or" conjunction }
func (p *parser) alternatives() node {
	nodes := []node{p.conjunction()}
	for p.take("or") {
		nodes = append(nodes, p.conjunction())
	}
	if len(nodes) == 1 {
		return nodes[0]
	}
	return or(nodes)
}

// conjunction := negation { "and" negation }
func (p *parser) conjunction() node {
	nodes := []node{p.negation()}
	for p.take("and") {
		nodes = append(nodes, p.negation())
	}
	if len(nodes) == 1 {
		return nodes[0]
	}
	return and(nodes)
}

// negation := "not" negation | "(" alternatives ")" | comparison
func (p *parser) negation() node {
	t := p.peek()
	switch {
	case p.err != nil:
		return always{}
	case !t.is("not") && !t.is("("):
		return p.comparison()
	}
	if p.depth++; p.depth > deepest {
		p.fail(t, "brackets and nots are nested more than %d deep; divide the condition with and, or", deepest)
		return always{}
	}
	defer func() { p.depth-- }()
	if p.take("not") {
		return not{p.negation()}
	}
	p.take("(")
	inner := p.alternatives()
	p.expect(")", "to close the bracket")
	return inner
}

func (p *parser) comparison() node {
	t := p.peek()
	if p.count++; p.count > mostComparisons {
		p.fail(t, "there are more than %d comparisons; ask for several values with in (…)", mostComparisons)
	}
	s, sent := p.subject()
	if p.err != nil {
		return always{}
	}
	if sent != 0 {
		p.needs.Campaigns = with(p.needs.Campaigns, sent)
		return sentTo(sent)
	}
	c := &comparison{subject: s}
	s.need(&p.needs)
	p.question(c)
	return c
}

// subject := name | "attributes" key { key } | "list" "(" id ")" [ ".confirmed_at" ] | "sent" "(" id ")"
func (p *parser) subject() (s subject, sent int64) {
	t := p.next()
	name := strings.ToLower(t.text)
	if t.kind != word {
		p.fail(t, "a name is expected here, such as email or attributes.city, not %s", t.shown())
		return s, 0
	}
	switch name {
	case "sent":
		return s, p.id("campaign")
	case "list":
		s = subject{name: name, list: p.id("list")}
		if p.take(".") {
			if t := p.next(); !t.is("confirmed_at") {
				p.fail(t, "a list has .confirmed_at, not %s", t.shown())
			}
			s.path = []string{"confirmed_at"}
		}
		return s, 0
	case "attributes":
		return subject{name: name, path: p.keys(t)}, 0
	}
	if _, known := natureOf(name); !known {
		hint := ""
		if near := nearest(name); near != "" {
			hint = "did you mean " + near + "? "
		}
		p.fail(t, "%s is unknown: %san attribute is written attributes.%s", t.shown(), hint, t.text)
	}
	return subject{name: name}, 0
}

func (p *parser) id(of string) int64 {
	p.expect("(", "and then the number of the "+of)
	t := p.next()
	n, err := strconv.ParseInt(t.text, 10, 64)
	if t.kind != number && t.kind != quoted || err != nil || n <= 0 {
		p.fail(t, "the number of a %s is expected here, not %s", of, t.shown())
	}
	p.expect(")", "behind the number")
	return n
}

// keys := ( "." word | "[" text "]" ) { … }
func (p *parser) keys(at token) []string {
	var path []string
	for p.err == nil {
		switch {
		case p.take("."):
			t := p.next()
			if t.kind != word {
				p.fail(t, "the name of an attribute is expected behind the dot, not %s; one with spaces is written attributes[\"…\"]", t.shown())
			}
			path = append(path, t.text)
		case p.take("["):
			t := p.next()
			if t.kind != quoted {
				p.fail(t, "the name of an attribute is expected here between quotes, not %s", t.shown())
			}
			path = append(path, t.text)
			p.expect("]", "behind the name")
		default:
			if len(path) == 0 {
				p.fail(at, "which attribute? write attributes.city")
			}
			return path
		}
	}
	return path
}
