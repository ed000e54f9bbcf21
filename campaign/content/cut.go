package content

import "strings"

type tokenKind uint8

const (
	tokenText   tokenKind = iota
	tokenOutput           // {{ … }}
	tokenTag              // {% … %}
	tokenEnd              // after the last one
)

// token is a stretch of a template: text as it stands, or what is between braces.
type token struct {
	kind   tokenKind
	text   string // without braces and trimming marks
	name   string // of a tag: its first word
	at     int    // offset of the opening brace in the source
	inner  int    // offset of text in the source
	hidden bool   // stands in an HTML comment, where no reader sees it
}

// problem is an error before its offset has become a line and a column.
type problem struct {
	at   int
	text string
}

// cut divides a template at its braces. Blanks are trimmed, raw blocks become text,
// comments are gone. It stops at the first brace that is not closed.
func cut(src string) ([]token, *problem) {
	var tokens []token
	trim := false
	addText := func(from, to int, trimRight bool) {
		text := src[from:to]
		if trim {
			text = strings.TrimLeft(text, blanks)
		}
		if trimRight {
			text = strings.TrimRight(text, blanks)
		}
		if text != "" {
			tokens = append(tokens, token{kind: tokenText, text: text, at: from, inner: from})
		}
	}
	for pos := 0; ; {
		open := nextOpening(src, pos)
		if open < 0 {
			addText(pos, len(src), false)
			return tokens, nil
		}
		t, end, trimLeft, trimRight, p := braces(src, open)
		if p != nil {
			return nil, p
		}
		addText(pos, open, trimLeft)
		pos, trim = end, trimRight
		switch {
		case t.kind == tokenTag && (t.name == "raw" || t.name == "comment"):
			closing, after, cutLeft, cutRight := closingTag(src, pos, t.name)
			if closing < 0 {
				return nil, &problem{t.at, "{% " + t.name + " %} is not closed; write {% end" + t.name + " %} where it ends"}
			}
			if t.name == "raw" {
				addText(pos, closing, cutLeft)
			}
			pos, trim = after, cutRight
		case t.kind == tokenTag && strings.HasPrefix(t.text, "#"):
		default:
			tokens = append(tokens, t)
		}
	}
}

const blanks = " \t\r\n\v\f"

// nextOpening finds the next {{ or {% from pos on, or -1.
func nextOpening(src string, pos int) int {
	for {
		i := strings.IndexByte(src[pos:], '{')
		if i < 0 || pos+i+1 >= len(src) {
			return -1
		}
		pos += i
		if c := src[pos+1]; c == '{' || c == '%' {
			return pos
		}
		pos++
	}
}

// braces reads the token that opens at the offset, and tells where it ends. Closing
// braces inside quotes do not count.
func braces(src string, open int) (t token, end int, trimLeft, trimRight bool, p *problem) {
	t = token{kind: tokenOutput, at: open}
	closing := byte('}')
	if src[open+1] == '%' {
		t.kind, closing = tokenTag, '%'
	}
	from := open + 2
	if from < len(src) && src[from] == '-' {
		trimLeft, from = true, from+1
	}
	remark := strings.HasPrefix(strings.TrimLeft(src[from:], blanks), "#")
	to := -1
	for i, quote := from, byte(0); i+1 < len(src) && to < 0; i++ {
		c := src[i]
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case (c == '"' || c == '\'') && !remark:
			quote = c
		case c == closing && src[i+1] == '}':
			to = i
		}
	}
	if to < 0 {
		return t, 0, false, false, &problem{open, src[open:open+2] + " is not closed (or a quote inside it is not)"}
	}
	end = to + 2
	if to > from && src[to-1] == '-' {
		trimRight, to = true, to-1
	}
	t.text = strings.TrimLeft(src[from:to], blanks)
	t.inner = to - len(t.text)
	t.text = strings.TrimRight(t.text, blanks)
	if t.kind == tokenTag {
		t.name = t.text
		if i := strings.IndexAny(t.text, blanks); i >= 0 {
			t.name = t.text[:i]
		}
	}
	return t, end, trimLeft, trimRight, nil
}

// closingTag finds the {% endNAME %} that belongs to a block whose inside is not
// parsed. Comments may stand in comments.
func closingTag(src string, pos int, name string) (at, after int, trimLeft, trimRight bool) {
	for depth := 1; ; {
		i := strings.Index(src[pos:], "{%")
		if i < 0 {
			return -1, 0, false, false
		}
		at = pos + i
		rest := src[at+2:]
		inside := strings.TrimPrefix(rest, "-")
		trimLeft = len(inside) < len(rest)
		inside = strings.TrimLeft(inside, blanks)
		pos = at + 2
		if word, ok := strings.CutPrefix(inside, "end"+name); ok {
			tail := strings.TrimLeft(word, blanks)
			trimRight = strings.HasPrefix(tail, "-")
			if tail, ok = strings.CutPrefix(strings.TrimPrefix(tail, "-"), "%}"); ok {
				if depth--; depth == 0 {
					return at, len(src) - len(tail), trimLeft, trimRight
				}
			}
			continue
		}
		if word, ok := strings.CutPrefix(inside, name); ok && name == "comment" {
			if strings.HasPrefix(strings.TrimPrefix(strings.TrimLeft(word, blanks), "-"), "%}") {
				depth++
			}
		}
	}
}

// hideComments marks the tokens that stand in an HTML comment (also of the kind
// that only Outlook reads), so that a link there does not count as visible.
func hideComments(tokens []token) {
	inside := false
	for i := range tokens {
		tokens[i].hidden = inside
		if tokens[i].kind != tokenText {
			continue
		}
		for text := tokens[i].text; ; inside = !inside {
			mark := "<!--"
			if inside {
				mark = "-->"
			}
			_, rest, found := strings.Cut(text, mark)
			if !found {
				break
			}
			text = rest
			if !inside && strings.HasPrefix(rest, ">") { // <!--> is a whole comment
				text, inside = rest[1:], true
			}
		}
	}
}
