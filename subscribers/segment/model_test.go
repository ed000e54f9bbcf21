package segment_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"facteur/subscribers/segment"

	"pgregory.net/rapid"
)

// The model judges a tree that was never a text, by the plainest means: exact
// fractions, time.Time, lower case. Its texts are such that lower case is enough.

type (
	modelNode interface {
		text(t *rapid.T) string
		holds(p *modelPerson) bool
	}
	modelJoin struct {
		word  string
		parts []modelNode
	}
	modelNot  struct{ of modelNode }
	modelSent struct{ id int64 }
	modelList struct {
		id     int64
		status string
	}
	modelQuestion struct {
		name, op string
		values   []any // string, float64, bool, modelTime
	}
	modelTime struct {
		text     string
		from, to time.Time // to is not included
	}
	modelPerson struct {
		segment.Person
		values map[string]any
	}
)

func (j modelJoin) text(t *rapid.T) string {
	var parts []string
	for _, n := range j.parts {
		parts = append(parts, "("+n.text(t)+")")
	}
	return strings.Join(parts, rapid.SampledFrom([]string{" ", "\n", "\u00a0 "}).Draw(t, "space")+j.word+" ")
}

func (j modelJoin) holds(p *modelPerson) bool {
	yes := func(n modelNode) bool { return n.holds(p) }
	if strings.EqualFold(j.word, "or") {
		return slices.ContainsFunc(j.parts, yes)
	}
	return !slices.ContainsFunc(j.parts, func(n modelNode) bool { return !yes(n) })
}

func (n modelNot) text(t *rapid.T) string    { return "not (" + n.of.text(t) + ")" }
func (n modelNot) holds(p *modelPerson) bool { return !n.of.holds(p) }

func (s modelSent) text(*rapid.T) string      { return fmt.Sprintf("sent(%d)", s.id) }
func (s modelSent) holds(p *modelPerson) bool { return slices.Contains(p.Sent.Campaigns, s.id) }

func (l modelList) text(*rapid.T) string { return fmt.Sprintf("list(%d) is %s", l.id, l.status) }

func (l modelList) holds(p *modelPerson) bool {
	i := slices.IndexFunc(p.Subscriptions, func(s segment.Subscription) bool { return s.ListID == l.id })
	if i < 0 {
		return l.status == "absent"
	}
	return p.Subscriptions[i].Status == l.status
}

func (q modelQuestion) text(*rapid.T) string {
	var values []string
	for _, v := range q.values {
		switch v := v.(type) {
		case string:
			values = append(values, strconv.Quote(strings.ToUpper(v)))
		case modelTime:
			values = append(values, v.text)
		default:
			values = append(values, fmt.Sprint(v))
		}
	}
	if strings.HasSuffix(q.op, "in") {
		return q.name + " " + q.op + " (" + strings.Join(values, ",") + ")"
	}
	return q.name + " " + q.op + " " + strings.Join(values, "")
}

func (q modelQuestion) holds(p *modelPerson) bool {
	v := p.values[q.name]
	missing := v == nil || v == ""
	switch q.op {
	case "is set":
		return !missing
	case "is not set":
		return missing
	case "is true":
		return modelYes(v, true)
	case "is false":
		return modelYes(v, false)
	case "!=":
		return !modelSame(q.name, v, q.values[0])
	case "in", "not in":
		return slices.ContainsFunc(q.values, func(l any) bool { return modelSame(q.name, v, l) }) == (q.op == "in")
	case "=":
		return modelSame(q.name, v, q.values[0])
	case "contains":
		if list, ok := v.([]any); ok {
			return slices.ContainsFunc(list, func(m any) bool { return modelSame("", m, q.values[0]) })
		}
		return !missing && strings.Contains(modelSpelled(v), fmt.Sprint(q.values[0]))
	case "starts with":
		return !missing && strings.HasPrefix(modelSpelled(v), q.values[0].(string))
	case "ends with":
		return !missing && strings.HasSuffix(modelSpelled(v), q.values[0].(string))
	}
	// Less and more: of numbers the order, of times before and behind the span.
	if l, ok := q.values[0].(modelTime); ok {
		at, ok := modelMoment(v)
		before, behind := at.Before(l.from), !at.Before(l.to)
		return ok && map[string]bool{"<": before, "<=": !behind, ">": behind, ">=": !before}[q.op]
	}
	n, ok := modelNumber(v)
	if !ok {
		return false
	}
	order := n.Cmp(new(big.Rat).SetFloat64(q.values[0].(float64)))
	return map[string]bool{"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[q.op]
}

func modelSame(name string, v, l any) bool {
	if v == nil || v == "" {
		return false
	}
	switch l := l.(type) {
	case modelTime:
		at, ok := modelMoment(v)
		return ok && !at.Before(l.from) && at.Before(l.to)
	case float64:
		n, ok := modelNumber(v)
		return ok && n.Cmp(new(big.Rat).SetFloat64(l)) == 0
	case bool:
		return modelYes(v, l)
	}
	text := modelSpelled(v)
	return text == l || name == "locale" && l != "" && strings.HasPrefix(text, l.(string)+"-")
}

func modelYes(v any, yes bool) bool {
	n, ok := modelNumber(v)
	if ok && n.IsInt() && n.Num().IsInt64() && n.Num().Int64() == map[bool]int64{true: 1, false: 0}[yes] {
		return true
	}
	word, _ := v.(string)
	return v == yes || slices.Contains(map[bool][]string{true: {"true", "yes"}, false: {"no"}}[yes], word)
}

// modelSpelled is no text that anybody asks for where a value has none.
func modelSpelled(v any) string {
	switch v.(type) {
	case string, float64, int64, bool:
		return strings.ToLower(fmt.Sprint(v))
	}
	return "\x00"
}

func modelNumber(v any) (*big.Rat, bool) {
	switch v.(type) {
	case string, float64, int64:
		return new(big.Rat).SetString(fmt.Sprint(v))
	}
	return nil, false
}

func modelMoment(v any) (time.Time, bool) {
	switch v := v.(type) {
	case time.Time:
		return v, true
	case string:
		for _, layout := range []string{"2006-01-02", time.RFC3339} {
			if at, err := time.Parse(layout, v); err == nil {
				return at, true
			}
		}
	}
	n, ok := modelNumber(v)
	if !ok {
		return time.Time{}, false
	}
	seconds, _ := n.Float64()
	return time.UnixMilli(int64(seconds * 1000)), true
}

func modelWords() []string {
	return []string{"lyon", "évry", "ly", "on", "12", "12.5", "fr", "fr-ca", "yes", "no", "true", "2026-03-10", "2026-03-10t08:00:00z", "on \"x\" \\", "nowhere"}
}

func genTime() *rapid.Generator[modelTime] {
	return rapid.Custom(func(t *rapid.T) modelTime {
		n := rapid.IntRange(0, 12).Draw(t, "n")
		at := func(text string, at time.Time) modelTime { return modelTime{text, at, at.Add(time.Millisecond)} }
		day := func(text string, at time.Time) modelTime { return modelTime{text, at, at.Add(24 * time.Hour)} }
		switch rapid.IntRange(0, 8).Draw(t, "kind") {
		case 0:
			return at(fmt.Sprintf("%d hours ago", n), now.Add(-time.Duration(n)*time.Hour))
		case 1:
			return at(fmt.Sprintf("%d days ago", n), now.AddDate(0, 0, -n))
		case 2:
			return at(fmt.Sprintf("in %d weeks", n), now.AddDate(0, 0, 7*n))
		case 3:
			return at(fmt.Sprintf("%d months ago", n), now.AddDate(0, -n, 0))
		case 4:
			return at(fmt.Sprintf("in %d year", n), now.AddDate(n, 0, 0))
		case 5:
			return at("now", now)
		case 6:
			return day("today", time.Date(2026, 3, 15, 0, 0, 0, 0, time.UTC))
		case 7:
			d := time.Date(2026, 3, 4+n, 0, 0, 0, 0, time.UTC)
			return day(d.Format(time.DateOnly), d)
		}
		m := time.Date(2026, 3, 4+n, 8, 0, 0, 0, time.UTC)
		return at(m.In(time.FixedZone("", 7200)).Format(time.RFC3339), m)
	})
}

func genNode(depth int) *rapid.Generator[modelNode] {
	return rapid.Custom(func(t *rapid.T) modelNode {
		if depth > 0 && rapid.Bool().Draw(t, "branch") {
			if rapid.IntRange(0, 2).Draw(t, "not") == 0 {
				return modelNot{genNode(depth-1).Draw(t, "of")}
			}
			word := rapid.SampledFrom([]string{"and", "AND", "or", "Or"}).Draw(t, "word")
			return modelJoin{word, rapid.SliceOfN(genNode(depth-1), 2, 3).Draw(t, "parts")}
		}
		switch rapid.IntRange(0, 7).Draw(t, "leaf") {
		case 0:
			return modelSent{rapid.Int64Range(1, 3).Draw(t, "campaign")}
		case 1:
			return modelList{rapid.Int64Range(1, 3).Draw(t, "list"), rapid.SampledFrom([]string{"confirmed", "pending", "unsubscribed", "absent"}).Draw(t, "status")}
		}
		return genQuestion(t)
	})
}

func genQuestion(t *rapid.T) modelQuestion {
	text := rapid.SampledFrom(modelWords()).AsAny()
	number := rapid.SampledFrom([]float64{-3, 0, 1, 2, 12, 12.5}).AsAny()
	moment := genTime().AsAny()
	any4 := rapid.OneOf(text, number, moment, rapid.Bool().AsAny())
	pick := func(of ...string) string { return rapid.SampledFrom(of).Draw(t, "pick") }
	value, q := any4, modelQuestion{}
	switch pick("text", "time", "count", "attribute", "attribute") {
	case "text":
		q.name, value = pick("email", "domain", "name", "locale", "timezone"), text
		q.op = pick("=", "!=", "contains", "starts with", "ends with", "in", "not in", "is set", "is not set")
	case "time":
		q.name, value = pick("created_at", "first_sent_at", "last_sent_at", "list(1).confirmed_at"), moment
		q.op = pick("=", "!=", "<", "<=", ">", ">=", "in", "not in", "is set", "is not set")
	case "count":
		q.name, value = "sent_count", number
		q.op = pick("=", "!=", "<", "<=", ">", ">=", "in", "not in", "is set", "is not set")
	default:
		q.name = pick(`attributes.a`, `attributes["b c"]`, `attributes.2é_.d`, `attributes.gone`)
		q.op = pick("=", "!=", "<", "<=", ">", ">=", "contains", "starts with", "ends with", "in", "not in", "is set", "is not set", "is true", "is false")
		switch q.op {
		case "<", "<=", ">", ">=":
			value = rapid.OneOf(number, moment)
		case "contains":
			value = rapid.OneOf(text, number)
		case "starts with", "ends with":
			value = text
		}
	}
	switch {
	case strings.HasSuffix(q.op, "in"):
		q.values = rapid.SliceOfN(value, 1, 4).Draw(t, "values")
	case !strings.HasPrefix(q.op, "is"):
		q.values = []any{value.Draw(t, "value")}
	}
	return q
}

func genModelPerson() *rapid.Generator[*modelPerson] {
	return rapid.Custom(func(t *rapid.T) *modelPerson {
		p := &modelPerson{values: map[string]any{}}
		word := rapid.SampledFrom(append(modelWords(), ""))
		for i, field := range []*string{&p.Email, &p.Domain, &p.Name, &p.Locale, &p.Timezone} {
			name := []string{"email", "domain", "name", "locale", "timezone"}[i]
			*field = word.Draw(t, name)
			p.values[name] = *field
		}
		when := func(name string) int64 {
			if rapid.Bool().Draw(t, name+" never") {
				return 0
			}
			at := genTime().Draw(t, name).from
			p.values[name] = at
			return at.UnixMilli()
		}
		p.CreatedAt, p.Sent.FirstAt, p.Sent.LastAt = when("created_at"), when("first_sent_at"), when("last_sent_at")
		p.Sent.Count = rapid.Int64Range(0, 3).Draw(t, "count")
		p.values["sent_count"] = p.Sent.Count
		p.Sent.Campaigns = rapid.SliceOfDistinct(rapid.Int64Range(1, 3), rapid.ID).Draw(t, "campaigns")
		for id := range rapid.Int64Range(0, 3).Draw(t, "lists") {
			s := segment.Subscription{ListID: id + 1, Status: rapid.SampledFrom([]string{"confirmed", "pending", "unsubscribed"}).Draw(t, "status")}
			if id == 0 {
				s.ConfirmedAt = when("list(1).confirmed_at")
			}
			p.Subscriptions = append(p.Subscriptions, s)
		}
		plain := rapid.OneOf(word.AsAny(), rapid.SampledFrom([]float64{-3, 0, 0.25, 1, 12, 12.5, 1773129600}).AsAny(), rapid.Bool().AsAny(), rapid.Just[any](nil))
		value := rapid.OneOf(plain, plain, rapid.Map(rapid.SliceOfN(plain, 0, 3), func(l []any) any { return l }), rapid.Just[any](map[string]any{"x": 1.0}))
		p.values["attributes.a"], p.values[`attributes["b c"]`], p.values["attributes.2é_.d"] = value.Draw(t, "a"), value.Draw(t, "b c"), value.Draw(t, "d")
		raw, _ := json.Marshal(map[string]any{"a": p.values["attributes.a"], "b c": p.values[`attributes["b c"]`], "2é_": map[string]any{"d": p.values["attributes.2é_.d"]}})
		p.Attributes = string(raw)
		return p
	})
}

func TestMatch_AgreesWithThePlainestReading(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, p := genNode(4).Draw(t, "condition"), genModelPerson().Draw(t, "person")
		text := n.text(t)
		c, err := segment.Parse(text)
		if err != nil {
			t.Fatal(text, err)
		}
		want := n.holds(p)
		if got := c.Match(&p.Person, now); got != want {
			t.Fatalf("%s: %v for %+v", text, got, p.Person)
		}
		again, err := segment.Parse(c.String())
		if err != nil || again.String() != c.String() || again.Match(&p.Person, now) != want || !reflect.DeepEqual(again.Needs(), c.Needs()) {
			t.Fatalf("%s became %s: %v", text, c, err)
		}
	})
}
