package content

import (
	"strconv"
	"strings"
)

// Variable is one place where a template uses a person's value. What was assigned in the
// template, and loop variables, are not among them.
type Variable struct {
	Path        string // as written: name, attributes.city, attributes.items[0].title
	Part        string // subject, html or text
	Line        int    // from 1
	HasDefault  bool   // a default filter follows: an absent value leaves no gap
	InCondition bool   // asked for in a test or walked by a loop, where absence is an answer
}

// root is where a name begins.
type root uint8

const (
	rootNone root = iota // only ever assigned in the template
	rootName
	rootEmail
	rootLocale
	rootUnsubscribe
	rootPreferences
	rootWeb
	rootTrack
	rootPostal
	rootAttribute  // one top-level key of the attributes
	rootAttributes // all of them: the key is computed
)

func rootNamed(name string) root {
	switch name {
	case "name":
		return rootName
	case "email":
		return rootEmail
	case "locale":
		return rootLocale
	case "unsubscribe_url":
		return rootUnsubscribe
	case "preferences_url":
		return rootPreferences
	case "web_url":
		return rootWeb
	case "track_url": // of the house's own making: nobody writes it
		return rootTrack
	case "postal_address":
		return rootPostal
	case "attributes":
		return rootAttributes
	}
	return rootNone
}

func rootNames() []string {
	return []string{"name", "email", "locale", "attributes", "unsubscribe_url", "preferences_url", "web_url", "postal_address"}
}

// expression is anything that gives a value. After a limit was passed (render.err) any
// value will do.
type expression interface{ eval(*render) value }

type constant struct{ v value }

func (c constant) eval(*render) value { return c.v }

// name is a use of a person's value or of an assigned one. An assigned name hides the
// person's from the moment of its assignment.
type name struct {
	word  string
	at    int
	slot  int // of the template's own variable; -1 when it assigns none of this name
	root  root
	key   int // of rootAttribute: index into Message.keys
	steps []step
}

// step goes from a value to one of its members.
type step struct {
	key   string
	index expression // instead of key: a number or a text
}

func (n *name) eval(r *render) value {
	v := value{kind: null}
	if n.slot >= 0 && r.slots[n.slot].kind != unset {
		v = r.slots[n.slot]
	} else {
		switch n.root {
		case rootAttribute:
			v = r.attribute(n.key)
		case rootAttributes:
			v = r.allAttributes()
		case rootNone:
		default:
			v = r.own(n.root)
		}
	}
	for i := range n.steps {
		v = n.steps[i].follow(r, v)
	}
	return v
}

// own gives the person's value that is not an attribute; an empty one counts as absent.
func (r *render) own(root root) value {
	v := value{kind: text}
	switch root {
	case rootName:
		v.s = r.person.Name
	case rootEmail:
		v.s = r.person.Email
	case rootLocale:
		v.s = r.person.Locale
	case rootUnsubscribe:
		v.s, v.marks = r.person.UnsubscribeURL, markUnsubscribe
	case rootPreferences:
		v.s = r.person.PreferencesURL
	case rootWeb:
		v.s = r.person.WebURL
	case rootTrack:
		v.s = r.person.TrackURL
	case rootPostal:
		v.s, v.marks = r.postal, markPostal
	}
	if v.s == "" {
		return value{kind: null}
	}
	return v
}

func (s *step) follow(r *render, v value) value {
	key := s.key
	if s.index != nil {
		index := s.index.eval(r)
		if index.kind >= list || !r.charge(index.weight()/stepBytes, r.at) {
			return value{kind: null}
		}
		if n, ok := index.number(); ok && n.kind == integer && v.kind == list {
			return at(v.many.items, n.n)
		}
		key = index.text()
	}
	switch v.kind {
	case object:
		if member, ok := v.many.fields[key]; ok {
			return member
		}
		if key == "size" {
			return intValue(int64(len(v.many.fields)))
		}
	case list:
		switch key {
		case "size":
			return intValue(int64(len(v.many.items)))
		case "first":
			return at(v.many.items, 0)
		case "last":
			return at(v.many.items, -1)
		}
	case text:
		if key == "size" {
			if r.charge(v.weight()/stepBytes, r.at) {
				return size(r, v, nil)
			}
		}
	}
	return value{kind: null}
}

// at picks an item; a negative index counts from the end.
func at(items []value, i int64) value {
	if i < 0 {
		i += int64(len(items))
	}
	if i < 0 || i >= int64(len(items)) {
		return value{kind: null}
	}
	return items[i]
}

// path writes a name as the template has it.
func path(word string, steps []step) string {
	var b strings.Builder
	b.WriteString(word)
	for _, s := range steps {
		switch index := s.index.(type) {
		case nil:
			if nameWidth(s.key) == len(s.key) {
				b.WriteString("." + s.key)
			} else {
				b.WriteString("[" + strconv.Quote(s.key) + "]")
			}
		case constant:
			b.WriteString("[" + index.v.text() + "]")
		default:
			b.WriteString("[…]")
		}
	}
	return b.String()
}
