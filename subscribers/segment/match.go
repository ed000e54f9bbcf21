package segment

import (
	"strings"
	"time"
)

// evaluation is one person being judged.
type evaluation struct {
	person     *Person
	now        time.Time
	attributes map[string]any
	read       bool
}

func (c *comparison) holds(e *evaluation) bool {
	if c.op == isStanding {
		return c.values[0].text == e.standing(c.subject.list)
	}
	v := e.value(&c.subject)
	switch c.op {
	case isSet:
		return v != nil
	case isNotSet:
		return v == nil
	case isTrue, isFalse:
		b, ok := truth(v)
		return ok && b == (c.op == isTrue)
	case within, notWithin:
		for i := range c.values {
			if c.compare(e, equal, v, &c.values[i]) {
				return c.op == within
			}
		}
		return c.op == notWithin
	case unequal:
		return !c.compare(e, equal, v, &c.values[0])
	}
	return c.compare(e, c.op, v, &c.values[0])
}

// standing is where the person stands with a list.
func (e *evaluation) standing(list int64) string {
	for _, sub := range e.person.Subscriptions {
		if sub.ListID == list {
			return sub.Status
		}
	}
	return "absent"
}

// compare asks one question of one value; what cannot be compared does not hold.
func (c *comparison) compare(e *evaluation, o op, v any, l *literal) bool {
	if v == nil {
		return false
	}
	if list, ok := v.([]any); ok {
		return o == contains && c.member(e, list, l)
	}
	switch l.nature {
	case numeric:
		if o == contains { // a part of what is written there: 69 of 69001
			text, ok := spelled(v)
			return ok && strings.Contains(fold(text), l.text)
		}
		n, ok := numberOf(v)
		return ok && ordered(o, n.compare(l.number))
	case timely:
		from, to := l.span(e.now)
		at, ok := timeOf(v)
		return ok && placed(o, at, from, to)
	case textual:
		text, ok := spelled(v)
		return ok && c.spelt(o, fold(text), l.text)
	}
	b, ok := truth(v)
	return ok && (o == equal || o == contains) && b == l.yes
}

// member tells whether a list has a value; lists inside of it are not looked into.
func (c *comparison) member(e *evaluation, list []any, l *literal) bool {
	for _, v := range list {
		if _, nested := v.([]any); !nested && c.compare(e, equal, v, l) {
			return true
		}
	}
	return false
}

// spelt compares folded texts.
func (c *comparison) spelt(o op, text, l string) bool {
	switch o {
	case contains:
		return strings.Contains(text, l)
	case startsWith:
		return strings.HasPrefix(text, l)
	case endsWith:
		return strings.HasSuffix(text, l)
	}
	// A language is also its dialects: fr is fr-CA.
	return text == l || c.subject.name == "locale" && len(text) > len(l) && strings.HasPrefix(text, l) && (text[len(l)] == '-' || text[len(l)] == '_') && l != ""
}

// ordered tells whether the order of two numbers is the one that was asked for.
func ordered(o op, order int) bool {
	switch o {
	case equal:
		return order == 0
	case less:
		return order < 0
	case atMost:
		return order <= 0
	case more:
		return order > 0
	case atLeast:
		return order >= 0
	}
	return false
}

// placed compares a time with a span such as a whole day: until a day means
// until its end, after it means from the next on.
func placed(o op, at, from, to int64) bool {
	switch o {
	case equal:
		return at >= from && at < to
	case less:
		return at < from
	case atMost:
		return at < to
	case more:
		return at >= to
	case atLeast:
		return at >= from
	}
	return false
}
