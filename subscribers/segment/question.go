package segment

import "strconv"

// question reads what a comparison asks about its subject.
func (p *parser) question(c *comparison) {
	t := p.peek()
	switch {
	case p.take("is"):
		p.being(c)
		return
	case p.take("not"):
		if in := p.peek(); !p.take("in") {
			p.fail(in, "in is expected behind not, not %s", in.shown())
		}
		c.op = notWithin
	case p.take("in"):
		c.op = within
	case p.take("contains"):
		c.op = contains
	case p.take("starts"):
		p.expect("with", "behind starts")
		c.op = startsWith
	case p.take("ends"):
		p.expect("with", "behind ends")
		c.op = endsWith
	default:
		if c.op = signed(t); p.err == nil && c.op != "" {
			p.next()
		} else {
			p.fail(t, "a question is expected behind %s: =, !=, <, <=, >, >=, contains, starts with, ends with, in (…), is set; not %s", c.subject.String(), t.shown())
			return
		}
	}
	if c.op == within || c.op == notWithin {
		p.several(c, t)
	} else {
		p.value(c, t)
	}
}

// signed is the question that a sign asks, "" if it asks none.
func signed(t token) op {
	if t.kind != sign {
		return ""
	}
	switch o := op(t.text); o {
	case equal, unequal, less, atMost, more, atLeast:
		return o
	case "<>":
		return unequal
	}
	return ""
}

// being reads what follows "is".
func (p *parser) being(c *comparison) {
	t := p.next()
	if c.subject.nature() == standing {
		for _, status := range []string{"confirmed", "pending", "unsubscribed", "absent"} {
			if t.is(status) {
				c.op, c.values = isStanding, []literal{{nature: standing, text: status, shown: status}}
				return
			}
		}
		if t.is("not") {
			p.fail(t, "not stands before the list: not %s is confirmed", c.subject.String())
		}
		p.fail(t, "a list is confirmed, pending, unsubscribed or absent, not %s", t.shown())
		return
	}
	switch {
	case t.is("set"):
		c.op = isSet
	case t.is("not"):
		p.expect("set", "behind is not")
		c.op = isNotSet
	case t.is("true"), t.is("false"):
		if c.op = isTrue; t.is("false") {
			c.op = isFalse
		}
		if c.subject.nature() != anything {
			p.fail(t, "%s is never true or false", c.subject.String())
		}
	default:
		p.fail(t, "set, not set, true or false is expected behind is, not %s", t.shown())
	}
}

// several reads the values of in (…).
func (p *parser) several(c *comparison, at token) {
	why := "before the values"
	if p.peek().kind == number {
		why += "; a time to come stands behind =, < or >: < in 3 days"
	}
	p.expect("(", why)
	for p.err == nil {
		p.value(c, at)
		if !p.take(",") {
			break
		}
	}
	p.expect(")", "behind the values, which commas divide")
}

// value reads one value and refuses what could never be compared.
func (p *parser) value(c *comparison, at token) {
	t := p.peek()
	v, ok := p.literal()
	if !ok {
		return
	}
	c.values = append(c.values, v)
	n, ordered := c.subject.nature(), c.op == less || c.op == atMost || c.op == more || c.op == atLeast
	spelling := c.op == contains || c.op == startsWith || c.op == endsWith
	switch {
	case n == standing:
		p.fail(at, "a list is asked with is: %s is confirmed", c.subject.String())
	case spelling && n != textual && n != anything:
		p.fail(at, "%s is no text: %s cannot be asked of it", c.subject.String(), c.op)
	case spelling && v.nature != textual && !(c.op == contains && n == anything && v.nature != timely):
		p.fail(t, "a text between quotes is expected behind %s, not %s", c.op, v.shown)
	case n == textual && ordered:
		p.fail(at, "%s is a text: it is neither before nor after another; ask = or starts with", c.subject.String())
	case n != anything && v.nature != n:
		p.fail(t, "%s is %s: it cannot be compared with %s", c.subject.String(), described(n), v.shown)
	case n == anything && ordered && v.nature != numeric && v.nature != timely:
		p.fail(t, "only numbers and times are before or after another, not %s", v.shown)
	}
}

func described(n nature) string {
	switch n {
	case textual:
		return "a text"
	case numeric:
		return "a number"
	default:
		return "a time"
	}
}

// literal reads a value.
func (p *parser) literal() (literal, bool) {
	if p.err != nil {
		return literal{}, false
	}
	t := p.next()
	switch {
	case t.kind == quoted:
		return textLiteral(t.text), true
	case t.kind == number && unit(p.peek().text) != "":
		u := unit(p.next().text)
		n := p.amount(t)
		p.expect("ago", "behind "+u+"s; a time to come is written in 3 days")
		return relativeLiteral(n, u, true), p.err == nil
	case t.kind == number:
		v, ok := numberLiteral(t.text)
		if !ok {
			p.fail(t, "%s is no number", t.shown())
		}
		return v, ok
	case t.kind == day, t.kind == moment:
		read := dayLiteral
		if t.kind == moment {
			read = momentLiteral
		}
		v, ok := read(t.text)
		if !ok {
			p.fail(t, "%s is no day of the calendar: write 2026-01-31 or 2026-01-31T12:00:00Z", t.shown())
		}
		return v, ok
	case t.is("true"), t.is("false"):
		return boolLiteral(t.is("true")), true
	case t.is("now"):
		return nowLiteral(), true
	case t.is("today"):
		return todayLiteral(), true
	case t.is("in"):
		at := p.next()
		n := p.amount(at)
		name := p.next()
		u := unit(name.text)
		if u == "" {
			p.fail(name, "hours, days, weeks, months or years is expected here, not %s", name.shown())
		}
		return relativeLiteral(n, u, false), p.err == nil
	case t.kind == word:
		p.fail(t, "a value is expected here; a text stands between quotes: %s", quote(t.text))
	default:
		p.fail(t, "a value is expected here, not %s", t.shown())
	}
	return literal{}, false
}

// amount is the whole number of a relative time.
func (p *parser) amount(t token) int {
	n, err := strconv.Atoi(t.text)
	if t.kind != number || err != nil || n < 0 || n > mostUnits {
		p.fail(t, "a whole number up to %d is expected here, not %s", mostUnits, t.shown())
		return 0
	}
	return n
}
