package inspect

import (
	"regexp"
	"strings"

	"github.com/andybalholm/cascadia"
)

// sheet is what the <style> elements of a mail say for every screen.
type sheet struct {
	rules   []rule
	shown   map[string]bool // classes that a @media rule shows, moves or scales
	imports []string        // @import
}

type rule struct {
	selector  cascadia.Sel
	compounds int // how many simple parts a match goes through
	decls     []decl
}

// decl is one declaration, its name in lower case.
type decl struct {
	name, value string
	important   bool
}

var (
	comments = regexp.MustCompile(`(?s)/\*.*?\*/`)
	classes  = regexp.MustCompile(`\.(-?[_a-zA-Z][\w-]*)`)
)

// maxRules bounds the rules that are kept of a mail.
const maxRules = 1000

// read adds a style sheet. What it cannot read it skips, as mail programs do.
func (s *sheet) read(text string) {
	text = comments.ReplaceAllString(text, " ")
	text = strings.NewReplacer("<!--", " ", "-->", " ").Replace(text)
	for len(s.rules) < maxRules {
		text = strings.TrimLeft(text, " \t\r\n\f;}")
		if text == "" {
			return
		}
		at := strings.IndexAny(text, "{;")
		if at < 0 {
			at = len(text)
		}
		head := strings.TrimSpace(text[:at])
		if at == len(text) || text[at] == ';' {
			if strings.HasPrefix(strings.ToLower(head), "@import") {
				s.imports = append(s.imports, head)
			}
			text = text[min(at+1, len(text)):]
			continue
		}
		var body string
		body, text = block(text[at+1:])
		switch lower := strings.ToLower(head); {
		case lower == "@media all", lower == "@media screen":
			s.read(body)
		case strings.HasPrefix(lower, "@media"):
			s.readConditional(body)
		case !strings.HasPrefix(head, "@"):
			s.add(head, declarations(body))
		}
	}
}

// block is what stands before the brace that closes, and what follows it.
func block(text string) (body, rest string) {
	depth := 1
	for i := range len(text) {
		switch text[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return text[:i], text[i+1:]
			}
		}
	}
	return text, ""
}

// readConditional notes the classes that look otherwise on some screens: an
// element that is hidden here and shown there is not hidden text.
func (s *sheet) readConditional(text string) {
	for {
		head, after, found := strings.Cut(text, "{")
		if !found {
			return
		}
		var body string
		body, text = block(after)
		for _, d := range declarations(body) {
			if d.name == "display" && d.value == "none" {
				continue
			}
			for _, m := range classes.FindAllStringSubmatch(head, -1) {
				s.shown[m[1]] = true
			}
		}
	}
}

// looks are the properties that say whether a text is seen, and how wide a
// thing is.
var looks = map[string]bool{
	"display": true, "visibility": true, "opacity": true, "overflow": true, "height": true, "max-height": true, "width": true, "max-width": true, "min-width": true,
	"color": true, "background": true, "background-color": true, "background-image": true, "font": true, "font-size": true, "position": true, "left": true, "top": true, "text-indent": true,
}

// add keeps a rule that matters. Selectors of states (:hover) do not describe
// how a mail looks when it is opened.
func (s *sheet) add(selectors string, decls []decl) {
	kept := decls[:0]
	for _, d := range decls {
		if looks[d.name] {
			kept = append(kept, d)
		}
	}
	if len(kept) == 0 {
		return
	}
	for one := range strings.SplitSeq(selectors, ",") {
		if len(one) > 200 || strings.ContainsAny(one, ":~") {
			continue
		}
		compounds := len(strings.Fields(strings.NewReplacer(">", " ", "+", " ").Replace(one)))
		if sel, err := cascadia.Parse(one); err == nil && len(s.rules) < maxRules {
			s.rules = append(s.rules, rule{sel, compounds, kept})
		}
	}
}

// afford drops rules so that matching all of them to all elements stays quick,
// whatever somebody wrote: each part of a selector walks up the ancestors.
func (s *sheet) afford(elements, depth int) {
	budget := 20_000_000
	kept := s.rules[:0]
	for _, r := range s.rules {
		cost := elements
		for range min(r.compounds-2, 4) {
			cost *= depth
		}
		if budget -= cost; budget < 0 || r.compounds > 6 {
			break
		}
		kept = append(kept, r)
	}
	s.rules = kept
}

// declarations are those of a block or of a style attribute.
func declarations(text string) []decl {
	var all []decl
	for text != "" {
		var one string
		one, text = cutDeclaration(text)
		name, value, found := strings.Cut(one, ":")
		if !found {
			continue
		}
		value = strings.ToLower(strings.TrimSpace(value))
		value, important := strings.CutSuffix(value, "!important")
		all = append(all, decl{strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value), important})
	}
	return all
}

// cutDeclaration cuts at the next semicolon outside of quotes and brackets.
func cutDeclaration(text string) (one, rest string) {
	var quote byte
	depth := 0
	for i := range len(text) {
		switch c := text[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '(':
			depth++
		case c == ')':
			depth = max(0, depth-1)
		case c == ';' && depth == 0:
			return text[:i], text[i+1:]
		}
	}
	return text, ""
}
