package content

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxErrors is where the list of a part's errors ends; a template with more has one cause.
const maxErrors = 20

// parser turns the tokens of one part into nodes. It goes on after an error, to find more.
type parser struct {
	part    string
	src     string
	mode    mode
	tokens  []token
	pos     int
	depth   int
	scopes  []scope // the loops around, outermost first
	slots   int
	own     map[string]int // slots of what is assigned or captured
	names   []Variable
	pending []*name // whose root is settled when all assignments are known
	keys    *[]string
	filters map[string]filter
	errs    []*Error
	aborted bool
	counted struct{ at, line int } // how far lines were counted
}

// scope is a loop that is being parsed.
type scope struct {
	variable string
	slot     int
}

// parsed is what the parser makes of a part.
type parsed struct {
	part  *part
	names []Variable
}

// parse reads a part whose tokens are already cut.
func (p *parser) parse() (parsed, error) {
	nodes, last := p.block()
	for last.kind != tokenEnd { // an end without a beginning
		p.stray(last)
		var more []node
		more, last = p.block()
		nodes = append(nodes, more...)
	}
	p.settle()
	slices.SortStableFunc(p.errs, func(a, b *Error) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	var all []error
	for _, e := range p.errs {
		all = append(all, e)
	}
	return parsed{&part{p.part, p.src, p.mode, nodes, p.slots}, p.names}, errors.Join(all...)
}

func newParser(part, src string, mode mode, keys *[]string, filters map[string]filter) *parser {
	return &parser{part: part, src: src, mode: mode, own: map[string]int{}, keys: keys, filters: filters}
}

// tokenize cuts the source.
func (p *parser) tokenize() ([]token, error) {
	if len(p.src) > maxSource {
		return nil, &Error{Part: p.part, Message: fmt.Sprintf("the template has %d bytes; at most %d are allowed", len(p.src), maxSource)}
	}
	for at, r := range p.src {
		if r == utf8.RuneError && !strings.HasPrefix(p.src[at:], "\ufffd") {
			line, column := position(p.src, at)
			return nil, &Error{p.part, line, column, "the template is not UTF-8 here; save it as UTF-8"}
		}
	}
	tokens, problem := cut(p.src)
	if problem != nil {
		line, column := position(p.src, problem.at)
		return nil, &Error{p.part, line, column, problem.text}
	}
	if p.mode == modeHTML {
		hideComments(tokens)
	}
	return tokens, nil
}

func (p *parser) fail(at int, message string) {
	if len(p.errs) == maxErrors {
		p.abort()
		return
	}
	line, column := position(p.src, at)
	p.errs = append(p.errs, &Error{p.part, line, column, message})
}

// line is the line of an offset. Offsets mostly rise, so that the source is counted once.
func (p *parser) line(at int) int {
	if at < p.counted.at {
		p.counted.at, p.counted.line = 0, 0
	}
	p.counted.line += strings.Count(p.src[p.counted.at:at], "\n")
	p.counted.at = at
	return p.counted.line + 1
}

// abort leaves the rest of the part unread.
func (p *parser) abort() { p.aborted, p.pos = true, len(p.tokens) }

// done reports the first problem of a sentence.
func (p *parser) done(s *sentence) {
	if s.end(); s.problem != nil {
		p.fail(s.problem.at, s.problem.text)
	}
}

// block reads nodes up to a tag that no block begins with: an else, an end, and gives that tag
// (or the end of the tokens) to whoever knows what it belongs to.
func (p *parser) block() ([]node, token) {
	var nodes []node
	for p.pos < len(p.tokens) {
		t := p.tokens[p.pos]
		p.pos++
		switch t.kind {
		case tokenText:
			nodes = append(nodes, newLiteral(t.text))
		case tokenOutput:
			s := p.sentence(t, 0)
			nodes = append(nodes, &output{s.piped(), t.at, t.hidden})
			p.done(s)
		case tokenTag:
			if isCloser(t.name) {
				return nodes, t
			}
			if n := p.tag(t); n != nil {
				nodes = append(nodes, n)
			}
		}
	}
	return nodes, token{kind: tokenEnd, at: len(p.src)}
}

func isCloser(tag string) bool {
	switch tag {
	case "else", "elsif", "when", "endif", "endunless", "endcase", "endfor", "endcapture":
		return true
	}
	return false
}

func tagNames() []string {
	return []string{
		"if", "elsif", "else", "endif", "unless", "endunless", "case", "when", "endcase", "for", "endfor",
		"break", "continue", "assign", "capture", "endcapture", "comment", "endcomment", "raw", "endraw",
	}
}

func (p *parser) stray(t token) {
	p.fail(t.at, "{% "+t.name+" %} has no beginning")
}

// tag reads one tag and, of a block, all up to its end.
func (p *parser) tag(t token) node {
	s := p.sentence(t, len(t.name))
	switch t.name {
	case "if", "unless":
		return p.enter(t, func() node { return p.condition(t, s) })
	case "case":
		return p.enter(t, func() node { return p.choice(t, s) })
	case "for":
		return p.enter(t, func() node { return p.loop(t, s) })
	case "capture":
		return p.enter(t, func() node { return p.capture(t, s) })
	case "assign":
		return p.assign(t, s)
	case "break", "continue":
		p.done(s)
		if len(p.scopes) == 0 {
			p.fail(t.at, "{% "+t.name+" %} stands in no loop")
		}
		if t.name == "break" {
			return jump{leave}
		}
		return jump{again}
	case "include", "render", "layout":
		p.fail(t.at, "a template can't take in another one; put its text here")
	case "":
		p.fail(t.at, "the tag is empty")
	default:
		p.fail(t.at, "unknown tag "+quoted(t.name)+suggestion(t.name, tagNames()))
	}
	return nil
}

// enter counts how deep blocks stand in each other.
func (p *parser) enter(t token, read func() node) node {
	if p.depth == maxDepth {
		p.fail(t.at, fmt.Sprintf("blocks stand inside each other more than %d deep", maxDepth))
		p.abort()
		return nil
	}
	p.depth++
	defer func() { p.depth-- }()
	return read()
}

// resolve finds out what a name means. Loop variables are known now; whether a name is
// assigned only at the end. A person's value is noted at place at of the list of names, before
// those that stand in its brackets.
func (p *parser) resolve(s *sentence, l lexeme, steps []step, at int) expression {
	for i := len(p.scopes) - 1; i >= 0; i-- {
		if p.scopes[i].variable == l.text {
			return &name{word: l.text, at: l.at, slot: p.scopes[i].slot, steps: steps}
		}
	}
	if l.text == "forloop" {
		return p.forloop(s, l, steps)
	}
	n := &name{word: l.text, at: l.at, slot: -1, root: rootNamed(l.text), steps: steps}
	switch {
	case n.root == rootAttributes && len(steps) == 0:
		s.fail(l.at, "attributes needs the name of one: attributes.city")
	case n.root == rootAttributes && steps[0].index == nil:
		n.root, n.key, n.steps = rootAttribute, p.key(steps[0].key), steps[1:]
		if len(*p.keys) > maxKeys {
			s.fail(l.at, fmt.Sprintf("the content names more than %d different attributes", maxKeys))
			p.abort()
		}
	case n.root != rootNone && n.root != rootAttributes && len(steps) > 0 && steps[0].key != "size":
		s.fail(l.at, l.text+" is a text and has no parts; a person's own fields are written attributes.x")
	}
	if n.root != rootNone {
		p.names = slices.Insert(p.names, at, Variable{Path: path(l.text, steps), Part: p.part, Line: p.line(l.at), InCondition: s.asking})
	}
	p.pending = append(p.pending, n)
	return n
}

// key gives an attribute its index.
func (p *parser) key(attribute string) int {
	if i := slices.Index(*p.keys, attribute); i >= 0 {
		return i
	}
	*p.keys = append(*p.keys, attribute)
	return len(*p.keys) - 1
}

func (p *parser) forloop(s *sentence, l lexeme, steps []step) expression {
	f := &forloop{level: len(p.scopes) - 1}
	for len(steps) > 1 && steps[0].key == "parentloop" {
		steps = steps[1:]
		f.level--
	}
	switch {
	case f.level < 0:
		s.fail(l.at, "forloop is known only inside a loop")
	case len(steps) != 1 || steps[0].index != nil:
		s.fail(l.at, "forloop needs one of its parts: forloop.index")
	case steps[0].key == "parentloop" || !slices.Contains(forloopFields(), steps[0].key):
		s.fail(l.at, "forloop has no part "+quoted(steps[0].key)+suggestion(steps[0].key, forloopFields()))
	default:
		f.field = steps[0].key
		return f
	}
	return constant{value{kind: null}}
}

// settle gives each name its slot, now that all assignments are known.
func (p *parser) settle() {
	for _, n := range p.pending {
		if len(p.errs) >= maxErrors {
			return
		}
		if slot, ok := p.own[n.word]; ok {
			n.slot = slot
		} else if n.root == rootNone && !p.aborted {
			p.unknown(n)
		}
	}
}

func (p *parser) unknown(n *name) {
	known := append(rootNames(), keys(p.own)...)
	hint := suggestion(n.word, known)
	if hint == "" && slices.Contains(*p.keys, n.word) {
		hint = fmt.Sprintf("; did you mean %q?", "attributes."+n.word)
	}
	if hint == "" {
		hint = "; a person's own fields are written attributes." + n.word
	}
	p.fail(n.at, "unknown variable "+quoted(n.word)+hint)
}
