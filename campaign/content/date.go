package content

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// date writes a value as a date in strftime's way. What is no date stays as it is, so that
// a reader sees "next spring" rather than nothing. Numbers are Unix seconds, or
// milliseconds from 100,000,000,000 on; texts are read without a zone as UTC.
func date(_ *render, in value, args []value) value {
	when, ok := moment(in)
	if !ok {
		return in
	}
	return textValue(string(appendDate(nil, when, args[0].text())))
}

func moment(v value) (time.Time, bool) {
	if n, ok := v.number(); ok && n.kind == integer {
		if n.n >= 100_000_000_000 {
			return time.UnixMilli(n.n).UTC(), n.n < math.MaxInt64/1000
		}
		return time.Unix(n.n, 0).UTC(), n.n > -100_000_000_000
	}
	if v.kind != text || len(v.s) > 64 {
		return time.Time{}, false
	}
	s := strings.TrimSpace(v.s)
	for _, layout := range [...]string{
		time.DateOnly, time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateTime, "2006-01-02 15:04",
		"2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05Z07:00", "2006/01/02", "2 January 2006", "January 2, 2006", "2 Jan 2006", "Jan 2, 2006",
		time.RFC1123Z, time.RFC1123,
	} {
		if when, err := time.Parse(layout, s); err == nil {
			return when, true
		}
	}
	return time.Time{}, false
}

// unknownVerb finds the first %x of a format that appendDate does not know.
func unknownVerb(format string) string {
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			continue
		}
		start := i
		if i++; i < len(format) && format[i] == '-' {
			i++
		}
		if i == len(format) || !strings.ContainsRune("YymBbhdejHIklMSLpPAawuFTDRsZzn%", rune(format[i])) {
			return format[start:min(len(format), i+1)]
		}
	}
	return ""
}

func appendDate(dst []byte, t time.Time, format string) []byte {
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			dst = append(dst, format[i])
			continue
		}
		i++
		short := format[i] == '-' && i+1 < len(format)
		if short {
			i++
		}
		dst = appendVerb(dst, t, format[i], short)
	}
	return dst
}

// appendVerb writes one verb; short leaves the padding out, as %-d does.
func appendVerb(dst []byte, t time.Time, verb byte, short bool) []byte {
	padded := func(n, width int, pad byte) []byte {
		digits := strconv.Itoa(n)
		for i := len(digits); i < width && !short; i++ {
			dst = append(dst, pad)
		}
		return append(dst, digits...)
	}
	switch verb {
	case 'Y':
		return strconv.AppendInt(dst, int64(t.Year()), 10)
	case 'y':
		return padded((t.Year()%100+100)%100, 2, '0')
	case 'm':
		return padded(int(t.Month()), 2, '0')
	case 'B':
		return append(dst, t.Month().String()...)
	case 'b', 'h':
		return append(dst, t.Month().String()[:3]...)
	case 'd':
		return padded(t.Day(), 2, '0')
	case 'e':
		return padded(t.Day(), 2, ' ')
	case 'j':
		return padded(t.YearDay(), 3, '0')
	case 'H':
		return padded(t.Hour(), 2, '0')
	case 'k':
		return padded(t.Hour(), 2, ' ')
	case 'I':
		return padded((t.Hour()+11)%12+1, 2, '0')
	case 'l':
		return padded((t.Hour()+11)%12+1, 2, ' ')
	case 'M':
		return padded(t.Minute(), 2, '0')
	case 'S':
		return padded(t.Second(), 2, '0')
	case 'L':
		return padded(t.Nanosecond()/1e6, 3, '0')
	case 'p':
		return t.AppendFormat(dst, "PM")
	case 'P':
		return t.AppendFormat(dst, "pm")
	case 'A':
		return append(dst, t.Weekday().String()...)
	case 'a':
		return append(dst, t.Weekday().String()[:3]...)
	case 'w':
		return strconv.AppendInt(dst, int64(t.Weekday()), 10)
	case 'u':
		return strconv.AppendInt(dst, int64((t.Weekday()+6)%7+1), 10)
	case 'F':
		return t.AppendFormat(dst, time.DateOnly)
	case 'T':
		return t.AppendFormat(dst, time.TimeOnly)
	case 'D':
		return t.AppendFormat(dst, "01/02/06")
	case 'R':
		return t.AppendFormat(dst, "15:04")
	case 's':
		return strconv.AppendInt(dst, t.Unix(), 10)
	case 'Z':
		return t.AppendFormat(dst, "MST")
	case 'z':
		return t.AppendFormat(dst, "-0700")
	case 'n':
		return append(dst, '\n')
	case '%':
		return append(dst, '%')
	}
	return append(dst, '%', verb)
}
