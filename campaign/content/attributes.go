package content

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"unsafe"
)

// fields are the attributes of one person that the template names, found by one pass over
// the JSON object and read only when asked for.
type fields struct {
	scanned bool
	raw     []span
	values  []value // unset: not read yet
	all     value
}

// span is where a value stands in the JSON.
type span struct {
	from, to int
	escaped  bool // a text with a backslash in it
}

func newFields(n int) fields {
	return fields{raw: make([]span, n), values: make([]value, n)}
}

func (f *fields) forget() {
	f.scanned, f.all = false, value{}
	clear(f.raw)
	clear(f.values)
}

// attribute gives the value of one of the named keys.
func (r *render) attribute(key int) value {
	f := &r.fields
	if !f.scanned {
		f.scanned = true
		if err := scanObject(r.person.Attributes, r.keys, f.raw); err != nil {
			r.err = &Error{Part: "attributes", Message: err.Error()}
		}
	}
	if f.values[key].kind == unset {
		f.values[key] = readValue(r.person.Attributes, f.raw[key])
	}
	return f.values[key]
}

// allAttributes reads the whole object: only for a computed key.
func (r *render) allAttributes() value {
	if r.fields.all.kind == unset {
		r.fields.all = value{kind: null}
		if len(r.person.Attributes) > 0 {
			r.fields.all = decode(r.person.Attributes)
		}
	}
	return r.fields.all
}

func readValue(data []byte, at span) value {
	if at.to == 0 {
		return value{kind: null}
	}
	raw := data[at.from:at.to]
	switch raw[0] {
	case '"':
		if !at.escaped {
			return textValue(alias(raw[1 : len(raw)-1]))
		}
	case 't':
		return boolValue(true)
	case 'f':
		return boolValue(false)
	case 'n':
		return value{kind: null}
	case '{', '[':
	default:
		return numeral(alias(raw))
	}
	return decode(raw)
}

// numeral keeps the digits as they came, so that 1.50 and long numbers print unchanged.
func numeral(digits string) value {
	v, ok := textValue(digits).number()
	if !ok {
		return textValue(digits)
	}
	v.s = digits
	return v
}

// decode reads nested JSON, escaped texts too. What encoding/json refuses is nothing.
func decode(raw []byte) value {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var tree any
	if d.Decode(&tree) != nil {
		return value{kind: null}
	}
	return valueOf(tree, 0)
}

// valueOf turns what encoding/json gives into a value; what lies deeper than maxDepth is nothing.
func valueOf(tree any, depth int) value {
	switch tree := tree.(type) {
	case string:
		return textValue(tree)
	case json.Number:
		return numeral(string(tree))
	case bool:
		return boolValue(tree)
	case []any:
		if depth == maxDepth {
			break
		}
		items := make([]value, len(tree))
		for i, item := range tree {
			items[i] = valueOf(item, depth+1)
		}
		return listValue(items)
	case map[string]any:
		if depth == maxDepth {
			break
		}
		members := make(map[string]value, len(tree))
		for key, member := range tree {
			members[key] = valueOf(member, depth+1)
		}
		return objectValue(members)
	}
	return value{kind: null}
}

// scanObject finds the values of the named keys in a JSON object; of equal keys the last
// counts. It checks the object's own shape, not the inside of values: these are checked
// when they are read. No bytes at all are an empty object.
func scanObject(data []byte, names []string, found []span) error {
	s := scanner{data: data}
	s.blanks()
	if s.pos == len(data) {
		return nil
	}
	if !s.take('{') {
		return errors.New("not a JSON object")
	}
	if s.blanks(); s.take('}') {
		return nil
	}
	for {
		s.blanks()
		key := s.pos
		escaped, ok := s.text()
		if !ok {
			return s.broken("a key")
		}
		which := keyIndex(names, data[key:s.pos], escaped)
		s.blanks()
		if !s.take(':') {
			return s.broken("a colon")
		}
		s.blanks()
		from := s.pos
		if escaped, ok = s.value(); !ok {
			return s.broken("a value")
		}
		if which >= 0 {
			found[which] = span{from, s.pos, escaped}
		}
		s.blanks()
		if s.take('}') {
			return nil
		}
		if !s.take(',') {
			return s.broken("a comma")
		}
	}
}

// keyIndex finds a key, given with its quotes, among the names.
func keyIndex(names []string, key []byte, escaped bool) int {
	if !escaped {
		return slices.Index(names, alias(key[1:len(key)-1]))
	}
	var unescaped string
	if json.Unmarshal(key, &unescaped) != nil {
		return -1
	}
	return slices.Index(names, unescaped)
}

type scanner struct {
	data []byte
	pos  int
}

func (s *scanner) broken(missing string) error {
	return errors.New("not a JSON object: " + missing + " is missing at byte " + strconv.Itoa(s.pos))
}

func (s *scanner) blanks() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return
		}
	}
}

func (s *scanner) take(c byte) bool {
	if s.pos == len(s.data) || s.data[s.pos] != c {
		return false
	}
	s.pos++
	return true
}

// text passes over a string.
func (s *scanner) text() (escaped, ok bool) {
	if !s.take('"') {
		return false, false
	}
	for i := s.pos; i < len(s.data); i++ {
		switch s.data[i] {
		case '\\':
			escaped = true
			i++
		case '"':
			s.pos = i + 1
			return escaped, true
		}
	}
	return escaped, false
}

// value passes over any value; nested ones by counting brackets outside of strings.
func (s *scanner) value() (escaped, ok bool) {
	if s.pos == len(s.data) {
		return false, false
	}
	start, depth := s.pos, 0
	switch s.data[s.pos] {
	case '"':
		return s.text()
	case '{', '[':
	default:
		for s.pos < len(s.data) && (isAlphanumeric(s.data[s.pos]) || s.data[s.pos] == '-' || s.data[s.pos] == '+' || s.data[s.pos] == '.') {
			s.pos++
		}
		return false, s.pos > start
	}
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case '"':
			if _, ok := s.text(); !ok {
				return false, false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				s.pos++
				return false, true
			}
		}
		s.pos++
	}
	return false, false
}

// alias reads bytes as a string without a copy. It is right as long as nobody changes
// the bytes while the string is in use: values do not outlive their render, and a
// person's bytes are not written to meanwhile.
func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
