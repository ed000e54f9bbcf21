package segment

import (
	"cmp"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// quantity is a number. Whole ones of up to 18 digits are compared to the last
// one, as ids must be; a float64 keeps only about 15.
type quantity struct {
	float float64
	whole int64
	exact bool // whole is the number
}

func wholeQuantity(n int64) quantity { return quantity{float64(n), n, true} }

func (q quantity) compare(other quantity) int {
	if q.exact && other.exact {
		return cmp.Compare(q.whole, other.whole)
	}
	return cmp.Compare(q.float, other.float)
}

// quantityOf reads a decimal number such as -1.5 or 1e3.
func quantityOf(text string) (quantity, bool) {
	whole := true
	for i := range len(text) {
		switch c := text[i]; {
		case c >= '0' && c <= '9', (c == '-' || c == '+') && i == 0:
		case c == '.', c == '-', c == '+', c == 'e', c == 'E':
			whole = false
		default:
			return quantity{}, false
		}
	}
	if text == "" {
		return quantity{}, false
	}
	if whole {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return wholeQuantity(n), true
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	return quantity{float: f}, err == nil
}

// numberOf reads numbers, and texts that are numbers: imports keep texts.
func numberOf(v any) (quantity, bool) {
	switch t := v.(type) {
	case int64:
		return wholeQuantity(t), true
	case json.Number:
		return quantityOf(t.String())
	case string:
		return quantityOf(strings.TrimSpace(t))
	}
	return quantity{}, false
}

// furthest bounds Unix seconds: the year 5138. What is more was no seconds.
const furthest = 1e11

// timeOf reads times: Unix seconds, a day, RFC 3339, or a time of UTC without a zone.
func timeOf(v any) (int64, bool) {
	if at, ok := v.(stamp); ok {
		return int64(at), true
	}
	if n, ok := numberOf(v); ok {
		if math.Abs(n.float) >= furthest {
			return 0, false
		}
		return int64(math.Round(n.float * 1000)), true
	}
	text, _ := v.(string)
	text = strings.TrimSpace(text)
	if !isDigit(text, 0) {
		return 0, false
	}
	for _, layout := range [...]string{time.DateOnly, time.RFC3339Nano, time.DateTime} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UnixMilli(), true
		}
	}
	return 0, false
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
	case json.Number:
		n, ok := quantityOf(t.String())
		return n.float != 0, ok && (n.float == 0 || n.float == 1)
	}
	return false, false
}

// spelled is a value as a text. A whole number keeps all its digits; 1.50 is 1.5.
func spelled(v any) (string, bool) {
	switch t := v.(type) {
	case string:
		return t, true
	case bool:
		return strconv.FormatBool(t), true
	case int64:
		return strconv.FormatInt(t, 10), true
	case json.Number:
		if text := t.String(); !strings.ContainsAny(text, ".eE") {
			return text, true
		}
		f, err := t.Float64()
		if err != nil {
			return t.String(), true
		}
		return strconv.FormatFloat(f, 'f', -1, 64), true
	}
	return "", false
}
