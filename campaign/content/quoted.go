package content

// lineWidth is the most that a line of a body or of a header may hold (RFC 2045 6.7, RFC 2047 2).
const lineWidth = 76

// appendQuoted writes text as quoted-printable in whole lines: it begins at column 0 and
// ends there, after a soft line break if need be, so that pieces can be joined in any order.
// Line ends of any kind become CRLF. A dot that would begin a line is encoded, so no
// dot-stuffing is needed (RFC 5321 4.5.2); so are two hyphens, which would begin a boundary.
func appendQuoted(dst []byte, s string) []byte {
	column := 0
	for i := 0; i < len(s); {
		run := plainRun(s, i, column)
		if run > i {
			dst = append(dst, s[i:run]...)
			column += run - i
			i = run
			continue
		}
		c := s[i]
		if c == '\r' || c == '\n' {
			if i++; c == '\r' && i < len(s) && s[i] == '\n' {
				i++
			}
			dst = append(dst, '\r', '\n')
			column = 0
			continue
		}
		width := 3
		if isLiteral(s, i, column) {
			width = 1
		}
		if column+width > lineWidth-1 {
			dst = append(dst, '=', '\r', '\n')
			column = 0
			continue
		}
		if width == 1 {
			dst = append(dst, c)
		} else {
			dst = append(dst, '=', upperHex(c>>4), upperHex(c&15))
		}
		column += width
		i++
	}
	if column > 0 {
		dst = append(dst, '=', '\r', '\n')
	}
	return dst
}

// plainRun gives the end of the stretch from i on that stands for itself and fits on the line.
// The first column is left to isLiteral.
func plainRun(s string, i, column int) int {
	if column == 0 {
		return i
	}
	end := min(len(s), i+lineWidth-1-column)
	for i < end && s[i] > ' ' && s[i] < 0x7f && s[i] != '=' {
		i++
	}
	return i
}

// isLiteral tells whether the byte stands for itself. Blanks do, but not at the end of a
// line or of the piece.
func isLiteral(s string, i, column int) bool {
	switch c := s[i]; {
	case c == ' ' || c == '\t':
		return i+1 < len(s) && s[i+1] != '\r' && s[i+1] != '\n'
	case c == '.':
		return column > 0
	case c == '-':
		return column > 0 || i+1 == len(s) || s[i+1] != '-'
	default:
		return c > ' ' && c < 0x7f && c != '='
	}
}

// closeBody ends what appendQuoted wrote: the last soft line break has nothing to go on to.
// The line end that must follow is left to the caller.
func closeBody(dst []byte, start int) []byte {
	if n := len(dst); n-start >= 3 && dst[n-3] == '=' {
		return dst[:n-3]
	}
	return dst
}

// needsEscape tells whether a text has a sign that HTML reads as its own.
func needsEscape(s string) bool {
	for i := range len(s) {
		switch s[i] {
		case '&', '<', '>', '"', '\'':
			return true
		}
	}
	return false
}

// appendEscaped writes a text so that HTML shows it, in attributes too.
func appendEscaped(dst []byte, s string) []byte {
	from := 0
	for i := range len(s) {
		var entity string
		switch s[i] {
		case '&':
			entity = "&amp;"
		case '<':
			entity = "&lt;"
		case '>':
			entity = "&gt;"
		case '"':
			entity = "&#34;"
		case '\'':
			entity = "&#39;"
		default:
			continue
		}
		dst = append(append(dst, s[from:i]...), entity...)
		from = i + 1
	}
	return append(dst, s[from:]...)
}
