package content

import (
	"strconv"
	"sync"
)

// The limits of one render of one part. They are met only by mistakes and by malice.
const (
	maxSource   = 1 << 20  // bytes of one part's template
	maxDepth    = 32       // blocks inside each other, and brackets in a name
	maxKeys     = 500      // different attributes that all parts name
	maxSteps    = 20_000   // see the package comment
	maxRounds   = 10_000   // of one loop
	maxOutput   = 2 << 20  // bytes printed, before encoding
	keepScratch = 64 << 10 // bytes of scratch that a resting render may hold on to
	stepBytes   = 256      // so many bytes that a filter or a test reads or makes cost a step
)

// mode is how values are written.
type mode uint8

const (
	modeText    mode = iota // as they are
	modeHTML                // escaped
	modeDerived             // the text part that was made from the HTML: markup in values is taken out
)

// part is one compiled template.
type part struct {
	name  string // subject, html or text
	src   string // for the places of errors
	mode  mode
	nodes []node
	slots int // variables of the template's own
}

// render is the state of one message being written. It is reused.
type render struct {
	person *Recipient
	postal string
	keys   []string // the attributes that templates name

	part    *part
	out     []byte
	wire    bool // out takes quoted-printable lines
	written int  // bytes printed in this part
	steps   int  // left
	marks   marks
	at      int // where the innermost loop stands, or what runs now
	slots   []value
	loops   [maxDepth]round
	err     *Error

	fields  fields
	args    [2]value
	scratch []byte // of one print
	escaped []byte // of one print
	plain   []byte // of a subject
}

func newRenders(keys []string, slots int, postal string) *sync.Pool {
	return &sync.Pool{New: func() any {
		return &render{keys: keys, postal: postal, slots: make([]value, slots), fields: newFields(len(keys))}
	}}
}

// begin readies a render for a person.
func (m *Message) begin(person *Recipient) *render {
	r := m.renders.Get().(*render)
	r.person = person
	return r
}

// end forgets the person.
func (m *Message) end(r *render) {
	r.person, r.out, r.err = nil, nil, nil
	if cap(r.scratch)+cap(r.escaped)+cap(r.plain) > keepScratch {
		r.scratch, r.escaped, r.plain = nil, nil, nil
	}
	clear(r.slots)
	clear(r.args[:])
	r.fields.forget()
	m.renders.Put(r)
}

// write renders a part behind dst.
func (r *render) write(dst []byte, p *part, wire bool) ([]byte, *Error) {
	r.part, r.out, r.wire = p, dst, wire
	r.written, r.steps, r.marks, r.at, r.err = 0, maxSteps, 0, -1, nil
	clear(r.slots)
	r.run(p.nodes)
	return r.out, r.err
}

// fail stops the render; the first reason counts.
func (r *render) fail(at int, message string) {
	if r.err == nil {
		line, column := position(r.part.src, at)
		r.err = &Error{Part: r.part.name, Line: line, Column: column, Message: message}
	}
}

// charge takes steps from the budget, and fails at the innermost loop (or at the place
// given, outside of loops) when it is used up.
func (r *render) charge(steps, at int) bool {
	if r.steps -= steps; r.steps >= 0 {
		return true
	}
	if r.at >= 0 {
		at = r.at
	}
	r.steps = 0
	r.fail(at, "this takes more than "+strconv.Itoa(maxSteps)+" steps; loop over less")
	return false
}

// allow counts bytes to be printed.
func (r *render) allow(n, at int) bool {
	if r.written += n; r.written <= maxOutput {
		return true
	}
	if r.at >= 0 {
		at = r.at
	}
	r.fail(at, "this makes the "+r.part.name+" larger than "+strconv.Itoa(maxOutput>>20)+" MiB")
	return false
}

// print writes a value in the part's way; false when a limit was passed.
func (r *render) print(v value, at int) bool {
	s := v.s
	if v.kind != text {
		if v.kind <= null {
			return true
		}
		r.scratch = v.appendTo(r.scratch[:0])
		s = alias(r.scratch)
	}
	if r.part.mode == modeHTML && !v.safe && needsEscape(s) {
		r.escaped = appendEscaped(r.escaped[:0], s)
		s = alias(r.escaped)
	}
	if !r.allow(len(s), at) {
		return false
	}
	if r.wire {
		r.out = appendQuoted(r.out, s)
	} else {
		r.out = append(r.out, s...)
	}
	return true
}
