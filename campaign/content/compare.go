package content

import (
	"cmp"
	"strings"
)

// comparison is one test: a single operand's truth, or two operands and a sign.
type comparison struct {
	left, right expression
	sign        string // empty: the truth of left
}

// chain is tests joined by "and" and "or", read from the right without precedence,
// as Liquid reads them: a and b or c is a and (b or c).
type chain struct {
	tests []comparison
	joins []bool // between tests[i] and tests[i+1]: true for "and"
	at    int
}

func (c *chain) eval(r *render) value {
	last := len(c.tests) - 1
	result := c.tests[last].holds(r, c.at)
	for i := last - 1; i >= 0; i-- {
		if c.joins[i] {
			result = result && c.tests[i].holds(r, c.at)
		} else {
			result = result || c.tests[i].holds(r, c.at)
		}
	}
	return boolValue(result)
}

func (c *comparison) holds(r *render, at int) bool {
	if r.err != nil || !r.charge(1, at) {
		return false
	}
	left := c.left.eval(r)
	if c.sign == "" {
		return left.truthy()
	}
	right := c.right.eval(r)
	if !r.charge((left.weight()+right.weight())/stepBytes, at) {
		return false
	}
	switch c.sign {
	case "==":
		return equal(left, right)
	case "!=", "<>":
		return !equal(left, right)
	case "contains":
		return contains(left, right)
	}
	order, ok := compare(left, right)
	switch c.sign {
	case "<":
		return ok && order < 0
	case "<=":
		return ok && order <= 0
	case ">":
		return ok && order > 0
	}
	return ok && order >= 0
}

// equal compares loosely between a number and a text that reads as one, since imported
// attributes are often texts. Lists and objects equal nothing.
func equal(a, b value) bool {
	switch {
	case a.kind == blank || b.kind == blank:
		return a.blank() && b.blank()
	case a.kind <= null || b.kind <= null:
		return a.kind <= null && b.kind <= null
	case a.kind == boolean || b.kind == boolean:
		return a.kind == b.kind && a.n == b.n
	}
	order, ok := compare(a, b)
	return ok && order == 0
}

// compare orders two texts by their bytes, or two numbers, or a number and a text that
// reads as one; ok is false for all else.
func compare(a, b value) (order int, ok bool) {
	if a.kind == text && b.kind == text {
		return strings.Compare(a.s, b.s), true
	}
	x, ok := a.number()
	if !ok {
		return 0, false
	}
	y, ok := b.number()
	if !ok {
		return 0, false
	}
	if x.kind == integer && y.kind == integer {
		return cmp.Compare(x.n, y.n), true
	}
	return cmp.Compare(x.real(), y.real()), true
}

func contains(all, part value) bool {
	switch all.kind {
	case text:
		return part.kind > null && strings.Contains(all.s, part.text())
	case list:
		for _, item := range all.many.items {
			if equal(item, part) {
				return true
			}
		}
	case object:
		_, found := all.many.fields[part.text()]
		return found
	}
	return false
}
