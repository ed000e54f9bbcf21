package segment

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Condition is a parsed text. It never changes, and many goroutines may use it
// at once.
type Condition struct {
	root  node
	needs Needs
	text  string // as it was written
}

// node is a part of a condition.
type node interface {
	holds(e *evaluation) bool
	write(b *strings.Builder, within int) // within: how tightly the surroundings bind
}

// How tightly things bind.
const (
	bindsOr = iota
	bindsAnd
	bindsNot
)

type (
	always struct{}
	and    []node
	or     []node
	not    struct{ of node }
	sentTo int64 // a campaign
)

// comparison asks one question about one subject.
type comparison struct {
	subject subject
	op      op
	values  []literal
}

// op is a question's verb.
type op string

// The verbs, as the canonical text has them.
const (
	equal      op = "="
	unequal    op = "!="
	less       op = "<"
	atMost     op = "<="
	more       op = ">"
	atLeast    op = ">="
	contains   op = "contains"
	startsWith op = "starts with"
	endsWith   op = "ends with"
	within     op = "in"
	notWithin  op = "not in"
	isSet      op = "is set"
	isNotSet   op = "is not set"
	isTrue     op = "is true"
	isFalse    op = "is false"
	isStanding op = "is" // confirmed, pending, unsubscribed, absent
)

// Match judges one person at a moment, from which relative times count. What
// [Condition.Needs] does not name is not looked at.
func (c *Condition) Match(p *Person, now time.Time) bool {
	e := evaluation{person: p, now: now}
	return c.root.holds(&e)
}

// Needs says what [Condition.Match] must know of a person.
func (c *Condition) Needs() Needs {
	n := c.needs
	n.Campaigns, n.Lists = slices.Clone(n.Campaigns), slices.Clone(n.Lists)
	return n
}

// String is a text that parses to the same condition; "" for the one that
// everybody meets. It is the canonical one, or as it was written where the
// canonical one would be longer than a text may be.
func (c *Condition) String() string {
	var b strings.Builder
	if c.root.write(&b, bindsOr); b.Len() > longestText {
		return c.text
	}
	return b.String()
}

func (always) holds(*evaluation) bool      { return true }
func (always) write(*strings.Builder, int) {}
func (n not) holds(e *evaluation) bool     { return !n.of.holds(e) }
func (s sentTo) holds(e *evaluation) bool  { return slices.Contains(e.person.Sent.Campaigns, int64(s)) }

func (s sentTo) write(b *strings.Builder, _ int) {
	b.WriteString("sent(" + strconv.FormatInt(int64(s), 10) + ")")
}

func (a and) holds(e *evaluation) bool {
	for _, n := range a {
		if !n.holds(e) {
			return false
		}
	}
	return true
}

func (o or) holds(e *evaluation) bool {
	for _, n := range o {
		if n.holds(e) {
			return true
		}
	}
	return false
}

func (a and) write(b *strings.Builder, within int) { join(b, a, " and ", bindsAnd, within) }
func (o or) write(b *strings.Builder, within int)  { join(b, o, " or ", bindsOr, within) }

func join(b *strings.Builder, nodes []node, between string, binds, within int) {
	if binds < within {
		b.WriteByte('(')
		defer b.WriteByte(')')
	}
	for i, n := range nodes {
		if i > 0 {
			b.WriteString(between)
		}
		n.write(b, binds+1)
	}
}

func (n not) write(b *strings.Builder, _ int) {
	b.WriteString("not ")
	n.of.write(b, bindsNot)
}

func (c *comparison) write(b *strings.Builder, _ int) {
	b.WriteString(c.subject.String() + " " + string(c.op))
	switch c.op {
	case within, notWithin:
		for i, v := range c.values {
			if i == 0 {
				b.WriteString(" (")
			} else {
				b.WriteString(", ")
			}
			b.WriteString(v.shown)
		}
		b.WriteByte(')')
	case isSet, isNotSet, isTrue, isFalse:
	default:
		b.WriteString(" " + c.values[0].shown)
	}
}
