package content

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// raw leaves HTML as it is. In the text part that was made from the HTML the same value
// is freed of its markup; elsewhere nothing is escaped anyhow.
func raw(r *render, in value, args []value) value {
	switch r.part.mode {
	case modeHTML:
		in.safe = true
	case modeDerived:
		return stripHTML(r, in, args)
	}
	return in
}

func escape(r *render, in value, _ []value) value {
	if r.part.mode != modeHTML || in.safe {
		return in
	}
	v := textValue(string(appendEscaped(nil, in.text())))
	v.safe = true
	return v
}

func newlineToBr(r *render, in value, args []value) value {
	if r.part.mode != modeHTML {
		return in
	}
	v := escape(r, in, args)
	s := strings.ReplaceAll(v.text(), "\r\n", "\n")
	v = textValue(strings.ReplaceAll(s, "\n", "<br>\n"))
	v.safe = true
	return v
}

func upcase(_ *render, in value, _ []value) value   { return textValue(strings.ToUpper(in.text())) }
func downcase(_ *render, in value, _ []value) value { return textValue(strings.ToLower(in.text())) }

// capitalize makes the first letter large and leaves the others (Liquid lowers them, which
// spoils McDonald).
func capitalize(_ *render, in value, _ []value) value {
	s := in.text()
	r, width := utf8.DecodeRuneInString(s)
	if width == 0 || r == utf8.RuneError {
		return textValue(s)
	}
	return textValue(string(unicode.ToTitle(r)) + s[width:])
}

func strip(_ *render, in value, _ []value) value { return textValue(strings.TrimSpace(in.text())) }

func lstrip(_ *render, in value, _ []value) value {
	return textValue(strings.TrimLeftFunc(in.text(), unicode.IsSpace))
}

func rstrip(_ *render, in value, _ []value) value {
	return textValue(strings.TrimRightFunc(in.text(), unicode.IsSpace))
}

func stripNewlines(_ *render, in value, _ []value) value {
	return textValue(strings.NewReplacer("\r", "", "\n", "").Replace(in.text()))
}

// stripHTML reads HTML in earnest, which costs more than to pass over a text.
func stripHTML(r *render, in value, _ []value) value {
	if !r.charge(8*in.weight()/stepBytes, r.at) {
		return value{kind: null}
	}
	return textValue(plainText(in.text()))
}

// truncate shortens to so many characters, the ellipsis among them.
func truncate(_ *render, in value, args []value) value {
	most, ellipsis := shortening(args, 50)
	s := in.text()
	if utf8.RuneCountInString(s) <= most {
		return textValue(s)
	}
	keep := max(0, most-utf8.RuneCountInString(ellipsis))
	for i := range s {
		if keep == 0 {
			return textValue(s[:i] + ellipsis)
		}
		keep--
	}
	return textValue(ellipsis)
}

func truncateWords(_ *render, in value, args []value) value {
	most, ellipsis := shortening(args, 15)
	most = max(1, most)
	s := in.text()
	word := false
	for i, r := range s {
		if space := unicode.IsSpace(r); space == word {
			if word = !space; word {
				if most--; most < 0 {
					return textValue(strings.TrimRightFunc(s[:i], unicode.IsSpace) + ellipsis)
				}
			}
		}
	}
	return textValue(s)
}

// shortening reads the length and the ellipsis of the two filters above.
func shortening(args []value, usual int) (most int, ellipsis string) {
	most, ellipsis = usual, "..."
	if len(args) > 0 {
		if n, ok := whole(args[0]); ok {
			most = int(min(max(0, n), maxOutput))
		}
	}
	if len(args) > 1 {
		ellipsis = args[1].text()
	}
	return most, ellipsis
}

// replace also serves as remove. What it will make is charged before it is made.
func replace(r *render, in value, args []value) value {
	s, old, by := in.text(), args[0].text(), ""
	if len(args) > 1 {
		by = args[1].text()
	}
	if old == "" {
		return textValue(s)
	}
	if grows := strings.Count(s, old) * (len(by) - len(old)); grows > 0 && !r.charge(grows/stepBytes, r.at) {
		return value{kind: null}
	}
	return textValue(strings.ReplaceAll(s, old, by))
}

func appendText(_ *render, in value, args []value) value {
	return textValue(in.text() + args[0].text())
}

func prependText(_ *render, in value, args []value) value {
	return textValue(args[0].text() + in.text())
}

// split gives the texts between the separators; an empty separator gives the characters.
func split(r *render, in value, args []value) value {
	s, sep := in.text(), args[0].text()
	if s == "" {
		return listValue(nil)
	}
	if !r.charge((strings.Count(s, sep)+1)*itemWeight/stepBytes, r.at) {
		return value{kind: null}
	}
	parts := strings.Split(s, sep)
	items := make([]value, len(parts))
	for i, part := range parts {
		items[i] = textValue(part)
	}
	return listValue(items)
}

// urlEncode is for one value in a query: a space becomes +.
func urlEncode(_ *render, in value, _ []value) value {
	s := in.text()
	b := make([]byte, 0, len(s)+len(s)/2)
	for i := range len(s) {
		switch c := s[i]; {
		case isAlphanumeric(c) || c == '-' || c == '_' || c == '.' || c == '~':
			b = append(b, c)
		case c == ' ':
			b = append(b, '+')
		default:
			b = append(b, '%', upperHex(c>>4), upperHex(c&15))
		}
	}
	return textValue(string(b))
}

func isAlphanumeric(c byte) bool {
	return isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func upperHex(n byte) byte { return "0123456789ABCDEF"[n] }
