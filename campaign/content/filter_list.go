package content

import (
	"math/bits"
	"slices"
	"strings"
	"unicode/utf8"
)

func size(_ *render, in value, _ []value) value {
	switch in.kind {
	case text:
		return intValue(int64(utf8.RuneCountInString(in.s)))
	case list:
		return intValue(int64(len(in.many.items)))
	case object:
		return intValue(int64(len(in.many.fields)))
	}
	return intValue(0)
}

func first(_ *render, in value, _ []value) value { return endOf(in, 0) }
func last(_ *render, in value, _ []value) value  { return endOf(in, -1) }

func endOf(in value, index int64) value {
	if in.kind != list {
		return value{kind: null}
	}
	return at(in.many.items, index)
}

func join(r *render, in value, args []value) value {
	if in.kind != list {
		return in
	}
	between := " "
	if len(args) > 0 {
		between = args[0].text()
	}
	if !r.charge(len(between)*len(in.many.items)/stepBytes, r.at) {
		return value{kind: null}
	}
	var b []byte
	for i, item := range in.many.items {
		if i > 0 {
			b = append(b, between...)
		}
		b = item.appendTo(b)
	}
	return textValue(alias(b))
}

// sorted orders by value, or by a member of each item. Nothing comes last, and what can't
// be compared with its neighbour keeps its place.
func sorted(r *render, in value, args []value) value {
	if in.kind != list {
		return in
	}
	rounds := bits.Len(uint(len(in.many.items)))
	if !r.charge(in.weight()*rounds/stepBytes, r.at) {
		return value{kind: null}
	}
	key := func(v value) value { return v }
	if len(args) > 0 {
		by := step{key: args[0].text()}
		key = func(v value) value { return by.follow(r, v) }
	}
	items := slices.Clone(in.many.items)
	slices.SortStableFunc(items, func(a, b value) int { return order(key(a), key(b)) })
	return listValue(items)
}

// order is total: numbers, then texts, then all else in the order it came in.
func order(a, b value) int {
	rank := func(v value) int {
		switch v.kind {
		case integer, float:
			return 0
		case text:
			return 1
		}
		return 2
	}
	if x, y := rank(a), rank(b); x != y || x == 2 {
		return x - y
	}
	if a.kind == text {
		return strings.Compare(a.s, b.s)
	}
	o, _ := compare(a, b)
	return o
}

func reverse(_ *render, in value, _ []value) value {
	if in.kind != list {
		return in
	}
	items := slices.Clone(in.many.items)
	slices.Reverse(items)
	return listValue(items)
}

// uniq keeps the first of those that print alike.
func uniq(_ *render, in value, _ []value) value {
	if in.kind != list {
		return in
	}
	seen := make(map[string]bool, len(in.many.items))
	var items []value
	for _, item := range in.many.items {
		if printed := item.text(); !seen[printed] {
			seen[printed] = true
			items = append(items, item)
		}
	}
	return listValue(items)
}

// mapTo gives one member of each item.
func mapTo(r *render, in value, args []value) value {
	if in.kind != list {
		return in
	}
	member := step{key: args[0].text()}
	items := make([]value, len(in.many.items))
	for i, item := range in.many.items {
		items[i] = member.follow(r, item)
	}
	return listValue(items)
}
