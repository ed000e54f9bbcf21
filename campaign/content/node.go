package content

// node is one piece of a compiled template.
type node interface{ exec(*render) signal }

// signal tells the blocks around how to go on.
type signal uint8

const (
	next  signal = iota
	leave        // break
	again        // continue
	stop         // render.err is set
)

func (r *render) run(nodes []node) signal {
	for _, n := range nodes {
		if s := n.exec(r); s != next {
			return s
		}
	}
	return next
}

// literal is static text, as it is and as ready lines.
type literal struct{ plain, wire []byte }

func newLiteral(plain string) *literal {
	return &literal{[]byte(plain), appendQuoted(nil, plain)}
}

func (l *literal) exec(r *render) signal {
	if !r.allow(len(l.plain), -1) {
		return stop
	}
	if r.wire {
		r.out = append(r.out, l.wire...)
	} else {
		r.out = append(r.out, l.plain...)
	}
	return next
}

// output is {{ … }}.
type output struct {
	expression expression
	at         int
	hidden     bool // in an HTML comment
}

func (o *output) exec(r *render) signal {
	if !r.charge(1, o.at) {
		return stop
	}
	v := o.expression.eval(r)
	if r.err != nil || !r.print(v, o.at) {
		return stop
	}
	if !o.hidden {
		r.marks |= v.marks
	}
	return next
}

// condition is if, unless and case: the first branch whose test holds.
type condition struct {
	branches []branch
	at       int
}

type branch struct {
	test expression // nil: else
	not  bool       // unless
	body []node
}

func (c *condition) exec(r *render) signal {
	if !r.charge(1, c.at) {
		return stop
	}
	for i := range c.branches {
		b := &c.branches[i]
		holds := b.test == nil || b.test.eval(r).truthy() != b.not
		if r.err != nil {
			return stop
		}
		if holds {
			return r.run(b.body)
		}
	}
	return next
}

// assign is {% assign name = value %}.
type assign struct {
	slot       int
	expression expression
	at         int
}

func (a *assign) exec(r *render) signal {
	if !r.charge(1, a.at) {
		return stop
	}
	v := a.expression.eval(r)
	if v.kind == unset {
		v.kind = null
	}
	r.slots[a.slot] = v
	if r.err != nil {
		return stop
	}
	return next
}

// capture prints into a name. What it holds is as safe as what was printed, and carries
// the marks that were printed in it.
type capture struct {
	slot int
	body []node
	at   int
}

func (c *capture) exec(r *render) signal {
	if !r.charge(1, c.at) {
		return stop
	}
	out, wire, marks := r.out, r.wire, r.marks
	r.out, r.wire, r.marks = nil, false, 0
	s := r.run(c.body)
	v := textValue(alias(r.out))
	v.safe, v.marks = r.part.mode == modeHTML, r.marks
	r.slots[c.slot] = v
	r.out, r.wire, r.marks = out, wire, marks
	return s
}

// jump is break or continue.
type jump struct{ signal signal }

func (j jump) exec(*render) signal { return j.signal }
