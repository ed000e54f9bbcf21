package segment

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// literal is a value as the condition says it.
type literal struct {
	nature nature // textual, numeric, timely; anything for true and false
	text   string // folded, for comparisons
	shown  string // canonical
	number quantity
	yes    bool
	span   func(now time.Time) (from, to int64) // of a time: Unix milliseconds, to is not included
}

func textLiteral(text string) literal {
	return literal{nature: textual, text: fold(text), shown: quote(text)}
}

func numberLiteral(text string) (literal, bool) {
	n, ok := quantityOf(text)
	return literal{nature: numeric, number: n, text: text, shown: text}, ok
}

func boolLiteral(yes bool) literal {
	return literal{nature: anything, yes: yes, shown: strconv.FormatBool(yes)}
}

func dayLiteral(text string) (literal, bool) {
	t, err := time.Parse(time.DateOnly, text)
	return literal{nature: timely, shown: text, span: func(time.Time) (int64, int64) { return t.UnixMilli(), t.AddDate(0, 0, 1).UnixMilli() }}, err == nil
}

func momentLiteral(text string) (literal, bool) {
	t, err := time.Parse(time.RFC3339Nano, strings.ToUpper(text))
	return literal{nature: timely, shown: strings.ToUpper(text), span: func(time.Time) (int64, int64) { return t.UnixMilli(), t.UnixMilli() + 1 }}, err == nil
}

func nowLiteral() literal {
	return literal{nature: timely, shown: "now", span: func(now time.Time) (int64, int64) { return now.UnixMilli(), now.UnixMilli() + 1 }}
}

func todayLiteral() literal {
	return literal{nature: timely, shown: "today", span: func(now time.Time) (int64, int64) {
		begin := now.UTC().Truncate(24 * time.Hour)
		return begin.UnixMilli(), begin.AddDate(0, 0, 1).UnixMilli()
	}}
}

// unit is the canonical name of a span of time, "" if it is none.
func unit(name string) string {
	for _, u := range []string{"hour", "day", "week", "month", "year"} {
		if strings.EqualFold(name, u) || strings.EqualFold(name, u+"s") {
			return u
		}
	}
	return ""
}

// mostUnits is how far a relative time may reach.
const mostUnits = 100_000

func relativeLiteral(n int, unit string, past bool) literal {
	plural := unit
	if n != 1 {
		plural += "s"
	}
	l := literal{nature: timely, shown: fmt.Sprintf("in %d %s", n, plural)}
	if past {
		l.shown = fmt.Sprintf("%d %s ago", n, plural)
		n = -n
	}
	l.span = func(now time.Time) (int64, int64) {
		t := now.UTC()
		switch unit {
		case "hour":
			t = t.Add(time.Duration(n) * time.Hour)
		case "day":
			t = t.AddDate(0, 0, n)
		case "week":
			t = t.AddDate(0, 0, 7*n)
		case "month":
			t = t.AddDate(0, n, 0)
		case "year":
			t = t.AddDate(n, 0, 0)
		}
		return t.UnixMilli(), t.UnixMilli() + 1
	}
	return l
}
