package content

import (
	"math"
	"strconv"
)

// loop is a for. A range is counted, never made into a list.
type loop struct {
	at            int
	slot, level   int // of its variable; how many loops are around it
	list          expression
	from, to      expression // instead of list: a range
	offset, limit expression // nil: all
	reversed      bool
	body, without []node // without: the else of a loop with nothing to walk over
}

// round is where a running loop is.
type round struct{ index, length int64 }

func (l *loop) exec(r *render) signal {
	if !r.charge(1, l.at) {
		return stop
	}
	var items []value
	first, count := int64(0), int64(0)
	if l.list != nil {
		v := l.list.eval(r)
		if v.kind == object && !r.charge(v.weight()/stepBytes, l.at) {
			return stop
		}
		items = v.items()
		count = int64(len(items))
	} else {
		first, count = l.span(r)
	}
	skip := bounded(r, l.offset, 0)
	count = max(0, count-skip)
	count = min(count, bounded(r, l.limit, count))
	if r.err != nil {
		return stop
	}
	if count == 0 {
		return r.run(l.without)
	}
	defer func(v value, at int, outer round) {
		r.slots[l.slot], r.at, r.loops[l.level] = v, at, outer
	}(r.slots[l.slot], r.at, r.loops[l.level])
	r.at = l.at
	for i := range count {
		if i == maxRounds {
			r.fail(l.at, "this loop goes round more than "+strconv.Itoa(maxRounds)+" times; add a limit")
		}
		if r.err != nil || !r.charge(1, l.at) {
			return stop
		}
		r.loops[l.level] = round{i, count}
		which := skip + i
		if l.reversed {
			which = skip + count - 1 - i
		}
		if items != nil {
			r.slots[l.slot] = items[which]
		} else {
			r.slots[l.slot] = intValue(first + which)
		}
		if r.slots[l.slot].kind == unset {
			r.slots[l.slot].kind = null
		}
		switch r.run(l.body) {
		case stop:
			return stop
		case leave:
			return next
		}
	}
	return next
}

// span gives the first number of a range and how many there are.
func (l *loop) span(r *render) (first, count int64) {
	from, ok := whole(l.from.eval(r))
	to, also := whole(l.to.eval(r))
	if !ok || !also || to < from {
		return 0, 0
	}
	if n := uint64(to) - uint64(from); n < math.MaxInt32 {
		return from, int64(n) + 1
	}
	return from, math.MaxInt32
}

// bounded reads a limit or an offset: at least 0, or otherwise when there is none.
func bounded(r *render, e expression, otherwise int64) int64 {
	if e == nil {
		return otherwise
	}
	n, ok := whole(e.eval(r))
	if !ok {
		return otherwise
	}
	return min(max(0, n), math.MaxInt32)
}

// whole reads a value as a whole number; fractions are cut off.
func whole(v value) (int64, bool) {
	n, ok := v.number()
	if !ok {
		return 0, false
	}
	if n.kind == integer {
		return n.n, true
	}
	return truncated(n.float()), true
}

// forloop is a use of forloop.FIELD; up is how many loops further out it looks.
type forloop struct {
	level int
	field string
}

func forloopFields() []string {
	return []string{"index", "index0", "rindex", "rindex0", "first", "last", "length", "parentloop"}
}

func (f *forloop) eval(r *render) value {
	now := r.loops[f.level]
	switch f.field {
	case "index":
		return intValue(now.index + 1)
	case "index0":
		return intValue(now.index)
	case "rindex":
		return intValue(now.length - now.index)
	case "rindex0":
		return intValue(now.length - now.index - 1)
	case "first":
		return boolValue(now.index == 0)
	case "last":
		return boolValue(now.index == now.length-1)
	}
	return intValue(now.length)
}
