package content

import "strconv"

// condition reads the rest of an if or unless.
func (p *parser) condition(t token, s *sentence) node {
	c := &condition{at: t.at}
	b := branch{test: s.test(), not: t.name == "unless"}
	p.done(s)
	for otherwise := false; ; {
		var closer token
		b.body, closer = p.block()
		c.branches = append(c.branches, b)
		switch {
		case closer.kind == tokenTag && closer.name == "end"+t.name:
			p.done(p.sentence(closer, len(closer.name)))
			return c
		case closer.kind == tokenTag && closer.name == "elsif" && !otherwise:
			s := p.sentence(closer, len(closer.name))
			b = branch{test: s.test()}
			p.done(s)
		case closer.kind == tokenTag && closer.name == "else" && !otherwise:
			otherwise, b = p.otherwise(closer), branch{}
		case !p.misplaced(t, closer):
			return c
		default:
			b = branch{}
		}
	}
}

// otherwise reads the else itself.
func (p *parser) otherwise(t token) bool {
	s := p.sentence(t, len(t.name))
	if l := s.peek(); l.kind == lexName && l.text == "if" {
		s.fail(l.at, "write {% elsif … %} for a second test")
	}
	p.done(s)
	return true
}

// misplaced reports a closer that does not belong to the block that began with t, and
// tells whether the block goes on.
func (p *parser) misplaced(t, closer token) bool {
	if closer.kind == tokenEnd {
		if !p.aborted {
			p.fail(t.at, "{% "+t.name+" %} is not closed; write {% end"+t.name+" %} where it ends")
		}
		return false
	}
	p.fail(closer.at, "{% "+closer.name+" %} does not belong here: {% "+t.name+" %} of line "+strconv.Itoa(p.line(t.at))+" is still open")
	return true
}

// choice reads the rest of a case: each when becomes tests for equality.
func (p *parser) choice(t token, s *sentence) node {
	c := &condition{at: t.at}
	s.asking = true
	subject := s.operand()
	p.done(s)
	_, closer := p.block() // what stands before the first when is not shown
	for otherwise := false; ; {
		var b branch
		keep := true
		switch {
		case closer.kind == tokenTag && closer.name == "endcase":
			p.done(p.sentence(closer, len(closer.name)))
			return c
		case closer.kind == tokenTag && closer.name == "when" && !otherwise:
			b.test = p.when(closer, subject)
		case closer.kind == tokenTag && closer.name == "else" && !otherwise:
			otherwise = p.otherwise(closer)
		case !p.misplaced(t, closer):
			return c
		default:
			keep = false
		}
		b.body, closer = p.block()
		if keep {
			c.branches = append(c.branches, b)
		}
	}
}

func (p *parser) when(t token, subject expression) expression {
	s := p.sentence(t, len(t.name))
	c := &chain{at: t.at}
	s.asking = true
	for {
		c.tests = append(c.tests, comparison{subject, s.operand(), "=="})
		if !s.sign(",") && !s.word("or") {
			break
		}
		c.joins = append(c.joins, false)
	}
	p.done(s)
	return c
}

// loop reads a for and its else.
func (p *parser) loop(t token, s *sentence) node {
	l := &loop{at: t.at, slot: p.slots, level: len(p.scopes)}
	p.slots++
	variable := p.loopHead(l, s)
	p.done(s)
	p.scopes = append(p.scopes, scope{variable, l.slot})
	var closer token
	l.body, closer = p.block()
	for otherwise := false; ; {
		var more []node
		switch {
		case closer.kind == tokenTag && closer.name == "endfor":
			p.done(p.sentence(closer, len(closer.name)))
			if !otherwise {
				p.scopes = p.scopes[:l.level]
			}
			return l
		case closer.kind == tokenTag && closer.name == "else" && !otherwise:
			otherwise = p.otherwise(closer)
			p.scopes = p.scopes[:l.level]
			l.without, closer = p.block()
		case !p.misplaced(t, closer):
			p.scopes = p.scopes[:l.level]
			return l
		default:
			more, closer = p.block()
			l.body = append(l.body, more...)
		}
	}
}

// loopHead reads: name in list [reversed] [limit: n] [offset: n].
func (p *parser) loopHead(l *loop, s *sentence) (variable string) {
	word := s.next()
	if word.kind != lexName {
		s.fail(word.at, "the name of the loop's variable is missing; write {% for x in list %}")
	} else if word.text == "forloop" || word.text == "attributes" {
		s.fail(word.at, word.text+" can't be a loop's variable; choose another name")
	}
	if !s.word("in") {
		s.fail(s.peek().at, `"in" is missing; write {% for x in list %}`)
	}
	s.asking = true
	if s.sign("(") {
		l.from = s.operand()
		s.expect("..", "the first number of the range")
		l.to = s.operand()
		s.expect(")", "the range")
	} else {
		l.list = s.operand()
	}
	for {
		s.sign(",")
		switch {
		case s.word("reversed"):
			l.reversed = true
		case s.word("limit"):
			s.expect(":", "limit")
			l.limit = s.operand()
		case s.word("offset"):
			s.expect(":", "offset")
			l.offset = s.operand()
		default:
			return word.text
		}
	}
}

// assign reads: name = value.
func (p *parser) assign(t token, s *sentence) node {
	a := &assign{at: t.at}
	name := p.ownName(s)
	s.expect("=", "the name")
	a.expression = s.piped()
	p.done(s)
	a.slot = p.ownSlot(name)
	return a
}

// capture reads the block of a capture.
func (p *parser) capture(t token, s *sentence) node {
	c := &capture{at: t.at}
	c.slot = p.ownSlot(p.ownName(s))
	p.done(s)
	for {
		body, closer := p.block()
		c.body = append(c.body, body...)
		if closer.kind == tokenTag && closer.name == "endcapture" {
			p.done(p.sentence(closer, len(closer.name)))
			return c
		}
		if !p.misplaced(t, closer) {
			return c
		}
	}
}

// ownName reads a name that the template gives.
func (p *parser) ownName(s *sentence) string {
	l := s.next()
	switch {
	case l.kind == lexText && nameWidth(l.text) == len(l.text) && l.text != "": // Liquid allows quotes here
	case l.kind != lexName:
		s.fail(l.at, "the name to assign to is missing")
	case l.text == "attributes" || l.text == "forloop":
		s.fail(l.at, l.text+" can't be assigned; choose another name")
	}
	return l.text
}

func (p *parser) ownSlot(name string) int {
	slot, ok := p.own[name]
	if !ok {
		slot = p.slots
		p.slots++
		p.own[name] = slot
	}
	return slot
}
