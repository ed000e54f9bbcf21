package markup

import (
	"strings"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"
)

// selector is one of a rule, cut at its combinators. Cascadia judges the parts; how they hang together
// is followed here, from the top of the document down, since cascadia goes up from each element
// again for each part, which takes exponential time.
type selector struct {
	parts       []part
	specificity cascadia.Specificity
}

// part is what stands between combinators.
type part struct {
	cascadia.Sel
	combinator byte // before it: ' ', '>', '+' or '~'; 0 at the beginning
	counting   bool // among its siblings
}

// maxParts is how many parts a selector may have: one bit for each.
const maxParts = 64

// parseSelector reads a selector that can be inlined: one whose meaning does not change with what
// the reader does, with the client, or with what is inlined.
func parseSelector(text string) (selector, bool) {
	var s selector
	combinator := byte(0)
	for pos := 0; pos < len(text); {
		end := until(text, pos, " \t\r\n\v\f>+~")
		if end == pos {
			return s, false // a combinator without a left side
		}
		p, ok := parsePart(text[pos:end])
		if !ok || len(s.parts) == maxParts {
			return s, false
		}
		p.combinator = combinator
		s.parts = append(s.parts, p)
		s.specificity = s.specificity.Add(p.Specificity())
		combinator, pos = nextCombinator(text, end)
	}
	return s, len(s.parts) > 0 && combinator == 0
}

// nextCombinator reads what stands between two parts; at the end there is none.
func nextCombinator(text string, pos int) (combinator byte, after int) {
	for ; pos < len(text); pos++ {
		switch c := text[pos]; {
		case strings.IndexByte(blanks, c) >= 0:
			if combinator == 0 {
				combinator = ' '
			}
		case (c == '>' || c == '+' || c == '~') && (combinator == 0 || combinator == ' '):
			combinator = c
		default:
			return combinator, pos
		}
	}
	if combinator == ' ' {
		combinator = 0
	}
	return combinator, pos
}

func parsePart(text string) (part, bool) {
	low := strings.ToLower(text)
	// Style attributes are what changes here; the others are cascadia's own language.
	if strings.Contains(strings.Join(strings.Fields(low), ""), "[style") || strings.Contains(low, "!=") || strings.Contains(low, "#=") || strings.Contains(low, "|") && !strings.Contains(low, "|=") {
		return part{}, false
	}
	var p part
	for rest := low; rest != ""; {
		i := until(rest, 0, ":")
		if i == len(rest) {
			break
		}
		rest = rest[i+1:]
		name := rest[:len(rest)-len(strings.TrimLeft(rest, "abcdefghijklmnopqrstuvwxyz-"))]
		switch name {
		case "not":
			inside := rest[len(name):until(rest, len(name)+min(1, len(rest)-len(name)), ")")]
			if until(inside[min(1, len(inside)):], 0, ": \t\r\n\v\f>+~") < len(inside)-1 {
				return p, false
			}
		case "first-child", "last-child", "only-child", "nth-child", "nth-last-child",
			"first-of-type", "last-of-type", "only-of-type", "nth-of-type", "nth-last-of-type":
			p.counting = true
		default: // :hover, ::before, what only some client knows
			return p, false
		}
	}
	sel, err := cascadia.Parse(text)
	if err != nil {
		return p, false
	}
	p.Sel = sel
	return p, true
}

// onSiblings tells whether the selector asks what stands beside an element.
func (s selector) onSiblings() bool {
	for _, p := range s.parts {
		if p.counting || p.combinator == '+' || p.combinator == '~' {
			return true
		}
	}
	return false
}

// matcher walks a document for one selector after another.
type matcher struct {
	elements []*element
	marks    []marks // of each element, by its index
	budget   int     // steps that are left
}

// marks has one bit for each part of the selector.
type marks struct {
	self     uint64 // the selector up to the part matches the element
	above    uint64 // … it, or one that it stands in
	previous uint64 // … it, or one before it with the same parent
}

func newMatcher(elements []*element, budget int) *matcher {
	return &matcher{elements: elements, marks: make([]marks, len(elements)), budget: budget}
}

// each calls back for all elements that the selector matches, in their order. It is false when the
// budget is used up.
func (m *matcher) each(s selector, found func(*element)) bool {
	last := uint64(1) << (len(s.parts) - 1)
	for i, e := range m.elements {
		var parent, before marks
		if e.parent >= 0 {
			parent = m.marks[e.parent]
		}
		if e.before >= 0 {
			before = m.marks[e.before]
		}
		self := uint64(0)
		m.budget--
		for n, p := range s.parts {
			reached := uint64(1) << max(n-1, 0)
			switch p.combinator {
			case ' ':
				reached &= parent.above
			case '>':
				reached &= parent.self
			case '+':
				reached &= before.self
			case '~':
				reached &= before.previous
			}
			if reached == 0 {
				continue
			}
			if m.budget -= e.cost(p); m.budget < 0 {
				return false
			}
			if p.Match(e.node) {
				self |= 1 << n
			}
		}
		m.marks[i] = marks{self, parent.above | self, before.previous | self}
		if self&last != 0 {
			found(e)
		}
	}
	return m.budget >= 0
}

// lastMatches asks only for the last part: of an element of which it is not known where it stands.
func (s selector) lastMatches(n *html.Node) bool {
	p := s.parts[len(s.parts)-1]
	return p.counting || p.Match(n)
}
