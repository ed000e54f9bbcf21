package content

import (
	"math"
	"sort"
	"strconv"
	"strings"
)

type kind uint8

const (
	unset   kind = iota // a slot nothing was assigned to yet
	null                // nothing: an absent attribute
	boolean             // n is 0 or 1
	integer             // n; s holds the digits as they came, if they came from outside
	float               // n holds the bits; s as above
	text                // s
	list                // many.items
	object              // many.fields
	blank               // the literals blank and empty, only to compare with
)

// marks says which of the words the law asks for a value carries.
type marks uint8

const (
	markUnsubscribe marks = 1 << iota
	markPostal
)

// value is what an expression gives. It is small and passed by value; texts may alias
// the person's bytes and do not outlive a render.
type value struct {
	kind  kind
	safe  bool // HTML already, not to be escaped
	marks marks
	n     int64
	s     string
	many  *many
}

// many is what lists and objects hold; weight is counted once, when they are made.
type many struct {
	items  []value
	fields map[string]value
	weight int
}

func textValue(s string) value { return value{kind: text, s: s} }
func intValue(n int64) value   { return value{kind: integer, n: n} }
func floatValue(f float64) value {
	return value{kind: float, n: int64(math.Float64bits(f))}
}

func listValue(items []value) value {
	m := &many{items: items}
	for _, item := range items {
		m.weight += itemWeight + item.weight()
	}
	return value{kind: list, many: m}
}

func objectValue(fields map[string]value) value {
	m := &many{fields: fields}
	for key, member := range fields {
		m.weight += itemWeight + len(key) + member.weight()
	}
	return value{kind: object, many: m}
}

func boolValue(b bool) value {
	if b {
		return value{kind: boolean, n: 1}
	}
	return value{kind: boolean}
}

func (v value) float() float64 { return math.Float64frombits(uint64(v.n)) }

// truthy: nothing, false and the empty text are false, all else is true.
func (v value) truthy() bool {
	switch v.kind {
	case unset, null, blank:
		return false
	case boolean:
		return v.n != 0
	case text:
		return v.s != ""
	}
	return true
}

// blank tells whether a reader would see nothing.
func (v value) blank() bool {
	switch v.kind {
	case unset, null, blank:
		return true
	case boolean:
		return v.n == 0
	case text:
		return strings.TrimSpace(v.s) == ""
	case list:
		return len(v.many.items) == 0
	case object:
		return len(v.many.fields) == 0
	}
	return false
}

// appendTo prints a value as a reader sees it; an object prints nothing.
func (v value) appendTo(dst []byte) []byte {
	switch v.kind {
	case text:
		return append(dst, v.s...)
	case integer, float:
		if v.s != "" {
			return append(dst, v.s...)
		}
		if v.kind == integer {
			return strconv.AppendInt(dst, v.n, 10)
		}
		f := v.float()
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return dst
		}
		if f == math.Trunc(f) {
			return strconv.AppendFloat(dst, f, 'f', 1, 64)
		}
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	case boolean:
		return strconv.AppendBool(dst, v.n != 0)
	case list:
		for i, item := range v.many.items {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = item.appendTo(dst)
		}
	}
	return dst
}

// text is the printed value as a string.
func (v value) text() string {
	if v.kind == text {
		return v.s
	}
	return string(v.appendTo(nil))
}

// number reads the value as a number, a text too if it looks like one; ok is false
// for anything else. The kind of the result is integer or float.
func (v value) number() (n value, ok bool) {
	switch v.kind {
	case integer, float:
		return v, true
	case text:
		s := strings.TrimSpace(v.s)
		if s == "" || len(s) > 40 || !isDigit(s[len(s)-1]) || s[0] != '-' && s[0] != '.' && !isDigit(s[0]) {
			return value{}, false
		}
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return intValue(n), true
		}
		for i := range len(s) { // not 0x1p4, not 1_000
			if c := s[i]; !isDigit(c) && c != '.' && c != '-' && c != 'e' && c != 'E' && c != '+' {
				return value{}, false
			}
		}
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return floatValue(f), true
		}
	}
	return value{}, false
}

// real is a number as a float, whichever kind it is.
func (v value) real() float64 {
	if v.kind == integer {
		return float64(v.n)
	}
	return v.float()
}

// weight is about how many bytes an operation on the value has to look at.
func (v value) weight() int {
	switch v.kind {
	case text:
		return len(v.s)
	case list, object:
		return v.many.weight
	}
	return 0
}

// itemWeight makes a list cost a quarter of a step for each item.
const itemWeight = stepBytes / 4

// items are what a loop walks over: a list's items, an object's [key, value] pairs in the
// order of their keys, a single other value once, nothing for nothing.
func (v value) items() []value {
	switch v.kind {
	case list:
		return v.many.items
	case object:
		keys := make([]string, 0, len(v.many.fields))
		for key := range v.many.fields {
			keys = append(keys, key)
		}
		sort.Strings(keys)
		pairs := make([]value, len(keys))
		for i, key := range keys {
			pairs[i] = listValue([]value{textValue(key), v.many.fields[key]})
		}
		return pairs
	case unset, null, blank:
		return nil
	}
	if v.kind == text && v.s == "" {
		return nil
	}
	return []value{v}
}
