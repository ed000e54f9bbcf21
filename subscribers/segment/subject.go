package segment

import (
	"slices"
	"strconv"
	"strings"
)

// nature is what a subject's values are, as far as that is known beforehand.
type nature uint8

const (
	anything nature = iota // an attribute
	textual
	numeric
	timely
	standing // of a list
)

// subject is what a comparison is about.
type subject struct {
	name string // email, attributes, list, …
	path []string
	list int64
}

// natureOf tells what the subjects are that stand for themselves.
func natureOf(name string) (nature, bool) {
	switch name {
	case "email", "domain", "name", "locale", "timezone":
		return textual, true
	case "created_at", "first_sent_at", "last_sent_at":
		return timely, true
	case "sent_count":
		return numeric, true
	}
	return anything, false
}

func allNames() []string {
	return []string{
		"email", "domain", "name", "locale", "timezone", "created_at", "attributes", "list", "sent", "sent_count", "first_sent_at", "last_sent_at",
	}
}

func (s *subject) nature() nature {
	switch s.name {
	case "attributes":
		return anything
	case "list":
		if len(s.path) > 0 {
			return timely
		}
		return standing
	}
	n, _ := natureOf(s.name)
	return n
}

func (s *subject) need(n *Needs) {
	switch s.name {
	case "attributes":
		n.Attributes = true
	case "list":
		n.Subscriptions, n.Lists = true, with(n.Lists, s.list)
	case "sent_count", "first_sent_at", "last_sent_at":
		n.Sent = true
	}
}

// with adds an id that is not there yet.
func with(ids []int64, id int64) []int64 {
	if slices.Contains(ids, id) {
		return ids
	}
	return append(ids, id)
}

func (s *subject) String() string {
	switch s.name {
	case "attributes":
		var b strings.Builder
		b.WriteString("attributes")
		for _, key := range s.path {
			if plainKey(key) {
				b.WriteString("." + key)
			} else {
				b.WriteString("[" + quote(key) + "]")
			}
		}
		return b.String()
	case "list":
		text := "list(" + strconv.FormatInt(s.list, 10) + ")"
		if len(s.path) > 0 {
			text += "." + s.path[0]
		}
		return text
	}
	return s.name
}

// plainKey tells whether a key can stand behind a dot.
func plainKey(key string) bool {
	tokens, err := scan("." + key)
	return err == nil && len(tokens) == 3 && tokens[1].kind == word && tokens[1].text == key
}

func quote(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(text) + `"`
}

// nearest is the known name most like a wrong one, "" if none is like it.
func nearest(name string) string {
	best, least := "", 3
	for _, known := range allNames() {
		if d := distance(strings.ToLower(name), known); d < least {
			best, least = known, d
		}
	}
	return best
}

// distance is the number of characters to insert, drop or exchange (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		corner := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			corner, row[j] = row[j], min(row[j]+1, row[j-1]+1, corner+cost)
		}
	}
	return row[len(b)]
}
