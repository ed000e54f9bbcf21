package segment

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"
)

// evaluation is one person being judged.
type evaluation struct {
	person     *Person
	now        time.Time
	attributes map[string]any
	read       bool
}

// fold makes texts that differ only in case, or in how a letter is composed, equal.
func fold(text string) string {
	for i := range len(text) {
		if c := text[i]; c >= 0x80 {
			return strings.ToLower(norm.NFC.String(text))
		} else if c >= 'A' && c <= 'Z' {
			return strings.ToLower(text)
		}
	}
	return text
}

// value is what a person has under a subject: nil, a string, a float64, a
// bool, a stamp, a []any or a map.
type stamp int64 // Unix milliseconds

func (e *evaluation) value(s *subject) any {
	p := e.person
	switch s.name {
	case "email":
		return given(p.Email)
	case "domain":
		return given(p.Domain)
	case "name":
		return given(p.Name)
	case "locale":
		return given(p.Locale)
	case "timezone":
		return given(p.Timezone)
	case "created_at":
		return once(p.CreatedAt)
	case "first_sent_at":
		return once(p.Sent.FirstAt)
	case "last_sent_at":
		return once(p.Sent.LastAt)
	case "sent_count":
		return float64(p.Sent.Count)
	case "list":
		for _, sub := range p.Subscriptions {
			if sub.ListID == s.list {
				return once(sub.ConfirmedAt)
			}
		}
		return nil
	}
	return e.attribute(s.path)
}

func given(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func once(at int64) any {
	if at == 0 {
		return nil
	}
	return stamp(at)
}

// attribute follows a path into the person's attributes.
func (e *evaluation) attribute(path []string) any {
	if !e.read {
		e.read = true
		d := json.NewDecoder(strings.NewReader(e.person.Attributes))
		d.UseNumber()
		_ = d.Decode(&e.attributes) // what cannot be read is not there
	}
	var v any = e.attributes
	for _, key := range path {
		object, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = object[key]
	}
	switch n := v.(type) {
	case json.Number:
		return plainNumber(n)
	case string:
		return given(n)
	}
	return v
}

func plainNumber(n json.Number) any {
	f, err := n.Float64()
	if err != nil || math.IsInf(f, 0) {
		return n.String()
	}
	return f
}

func (c *comparison) holds(e *evaluation) bool {
	if c.op == isStanding {
		return c.values[0].text == e.standing(c.subject.list)
	}
	v := e.value(&c.subject)
	switch c.op {
	case isSet:
		return v != nil
	case isNotSet:
		return v == nil
	case isTrue, isFalse:
		b, ok := truth(v)
		return ok && b == (c.op == isTrue)
	case within, notWithin:
		for i := range c.values {
			if c.compare(e, equal, v, &c.values[i]) {
				return c.op == within
			}
		}
		return c.op == notWithin
	case unequal:
		return !c.compare(e, equal, v, &c.values[0])
	}
	return c.compare(e, c.op, v, &c.values[0])
}

// standing is where the person stands with a list.
func (e *evaluation) standing(list int64) string {
	for _, sub := range e.person.Subscriptions {
		if sub.ListID == list {
			return sub.Status
		}
	}
	return "absent"
}

// truth reads yes and no, as imports write them too.
func truth(v any) (yes, ok bool) {
	switch t := v.(type) {
	case bool:
		return t, true
	case string:
		switch fold(strings.TrimSpace(t)) {
		case "true", "yes", "oui", "1":
			return true, true
		case "false", "no", "non", "0":
			return false, true
		}
	case float64:
		return t != 0, t == 0 || t == 1
	}
	return false, false
}

// compare asks one question of one value; what cannot be compared does not hold.
func (c *comparison) compare(e *evaluation, o op, v any, l *literal) bool {
	if v == nil {
		return false
	}
	if list, ok := v.([]any); ok {
		return o == contains && c.member(e, list, l)
	}
	switch l.nature {
	case numeric:
		n, ok := numberOf(v)
		return ok && ordered(o, compareFloats(n, l.number))
	case timely:
		from, to := l.span(e.now)
		at, ok := timeOf(v)
		return ok && placed(o, at, from, to)
	case textual:
		text, ok := v.(string)
		if !ok {
			if text, ok = spelled(v); !ok {
				return false
			}
		}
		return c.spelt(o, fold(text), l.text)
	}
	b, ok := truth(v)
	return ok && o == equal && b == l.yes
}

func (c *comparison) member(e *evaluation, list []any, l *literal) bool {
	for _, v := range list {
		if n, ok := v.(json.Number); ok {
			v = plainNumber(n)
		}
		if _, nested := v.([]any); !nested && c.compare(e, equal, v, l) {
			return true
		}
	}
	return false
}

func (c *comparison) spelt(o op, text, l string) bool {
	switch o {
	case contains:
		return strings.Contains(text, l)
	case startsWith:
		return strings.HasPrefix(text, l)
	case endsWith:
		return strings.HasSuffix(text, l)
	}
	// A language is also its dialects: fr is fr-CA.
	return text == l || c.subject.name == "locale" && len(text) > len(l) && strings.HasPrefix(text, l) && (text[len(l)] == '-' || text[len(l)] == '_') && l != ""
}

func spelled(v any) (string, bool) {
	switch t := v.(type) {
	case float64:
		return strconv.FormatFloat(t, 'f', -1, 64), true
	case bool:
		return strconv.FormatBool(t), true
	}
	return "", false
}

// numberOf reads numbers, and texts that are numbers: imports keep texts.
func numberOf(v any) (float64, bool) {
	switch t := v.(type) {
	case float64:
		return t, true
	case string:
		n, err := strconv.ParseFloat(strings.TrimSpace(t), 64)
		return n, err == nil && !math.IsNaN(n) && !math.IsInf(n, 0)
	}
	return 0, false
}

// timeOf reads times: as RFC 3339, as a day, or as Unix seconds.
func timeOf(v any) (int64, bool) {
	switch t := v.(type) {
	case stamp:
		return int64(t), true
	case float64:
		return int64(t * 1000), math.Abs(t) < 1e11
	case string:
		text := strings.TrimSpace(t)
		for _, layout := range []string{time.DateOnly, time.RFC3339Nano, time.DateTime} {
			if at, err := time.Parse(layout, text); err == nil {
				return at.UnixMilli(), true
			}
		}
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > -1e11 && n < 1e11 {
			return n * 1000, true
		}
	}
	return 0, false
}

func compareFloats(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func ordered(o op, order int) bool {
	switch o {
	case equal, contains:
		return order == 0
	case less:
		return order < 0
	case atMost:
		return order <= 0
	case more:
		return order > 0
	case atLeast:
		return order >= 0
	}
	return false
}

// placed compares a time with a span such as a whole day: until a day means
// until its end, after it means from the next on.
func placed(o op, at, from, to int64) bool {
	switch o {
	case equal, contains:
		return at >= from && at < to
	case less:
		return at < from
	case atMost:
		return at < to
	case more:
		return at >= to
	case atLeast:
		return at >= from
	}
	return false
}
