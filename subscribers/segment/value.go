package segment

import (
	"encoding/json"
	"strings"
)

// stamp is a time in Unix milliseconds.
type stamp int64

// value is what a person has under a subject: nil, a string, an int64, a
// json.Number, a bool, a stamp, a []any or a map.
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
		return p.Sent.Count
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

// given is nil for an empty text: nothing is set there.
func given(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// once is nil for a time that never was.
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
	if text, ok := v.(string); ok {
		return given(text)
	}
	return v
}
