package inspect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html/atom"
)

// look is how text at a place appears, as far as it decides whether it is seen.
type look struct {
	hidden     string // why nobody sees it; "" when it is seen
	gone       string // the same, for a reason that nothing within can undo
	unseen     bool   // visibility: hidden
	ink, paper color
	size       float64 // of the font, in pixels
	elsewhere  bool    // another screen may show it
}

// ground is the look of an empty page.
func ground() look {
	return look{ink: color{known: true}, paper: color{255, 255, 255, true, false}, size: 16}
}

// Below these nobody reads: the size of a font, and the contrast of WCAG 2 (3
// is what it asks of large text; light grey on white has 1.6).
const (
	leastSize     = 4
	leastContrast = 1.2
)

// style is what is declared for an element, the strongest first kept.
func (s *sheet) style(e *element) map[string]string {
	type match struct {
		weight cascadia.Specificity
		decls  []decl
	}
	var matches []match
	for _, r := range s.rules {
		if r.selector.Match(e.Node) {
			matches = append(matches, match{r.selector.Specificity(), r.decls})
		}
	}
	slices.SortStableFunc(matches, func(a, b match) int {
		for i := range a.weight {
			if c := cmp.Compare(a.weight[i], b.weight[i]); c != 0 {
				return c
			}
		}
		return 0
	})
	own := declarations(e.attr("style"))
	style := map[string]string{}
	for _, important := range []bool{false, true} {
		for _, m := range append(matches, match{decls: own}) {
			for _, d := range m.decls {
				if d.important == important {
					if d.name == "background" { // it sets the colour anew
						delete(style, "background-color")
					}
					style[d.name] = d.value
				}
			}
		}
	}
	return style
}

// within is the look inside an element.
func (l look) within(e *element, shown map[string]bool) look {
	l.size = fontSize(e, l.size)
	l.ink, l.paper = l.colors(e)
	for class := range strings.FieldsSeq(e.attr("class")) {
		l.elsewhere = l.elsewhere || shown[class]
	}
	switch e.style["visibility"] {
	case "hidden", "collapse":
		l.unseen = true
	case "visible":
		l.unseen = false
	}
	if l.gone == "" {
		l.gone = gone(e, l.size)
	}
	switch {
	case l.gone != "":
		l.hidden = l.gone
	case l.unseen:
		l.hidden = "visibility: hidden"
	case l.size < leastSize:
		l.hidden = fmt.Sprintf("font-size: %gpx", l.size)
	case l.ink.clear:
		l.hidden = "a transparent colour"
	case l.ink.known && l.paper.known && contrast(l.ink, l.paper) < leastContrast:
		l.hidden = "the colour of its background"
	default:
		l.hidden = ""
	}
	return l
}

// gone says why an element and all in it are not seen, or "".
func gone(e *element, size float64) string {
	s := e.style
	length := func(name string, fallback float64) float64 {
		if n, ok := pixels(s[name], size); ok {
			return n
		}
		return fallback
	}
	clipped := strings.HasPrefix(s["overflow"], "hidden") || s["overflow"] == "clip"
	_, hidden := e.has("hidden")
	switch {
	case s["display"] == "none":
		return "display: none"
	case hidden && s["display"] == "":
		return "hidden"
	case s["opacity"] != "" && length("opacity", 1) < 0.1:
		return "opacity: " + s["opacity"]
	case clipped && (length("max-height", 9) < 2 || length("height", 9) < 2 || length("max-width", 9) < 2 || length("width", 9) < 2):
		return "a size of nothing"
	case (s["position"] == "absolute" || s["position"] == "fixed") && (length("left", 0) <= -500 || length("top", 0) <= -500):
		return "a place off the screen"
	case length("text-indent", 0) <= -500:
		return "an indent off the screen"
	}
	return ""
}

// colors are those inside an element.
func (l look) colors(e *element) (ink, paper color) {
	ink, paper = l.ink, l.paper
	paint := func(value string) {
		if c, ok := parseColor(value); ok && !c.clear {
			paper = c
		}
	}
	if v := e.attr("bgcolor"); v != "" {
		paint(v)
	}
	if v := e.attr("background"); v != "" {
		paper = color{}
	}
	if v := e.style["background"]; v != "" {
		for _, word := range splitBlanks(v) {
			paint(word)
		}
	}
	if v := e.style["background-color"]; v != "" {
		paint(v)
	}
	for _, name := range []string{"background", "background-image"} {
		if v := e.style[name]; strings.Contains(v, "url(") || strings.Contains(v, "gradient(") {
			paper = color{} // a picture
		}
	}
	if e.DataAtom == atom.A && e.link == e {
		ink = color{b: 238, known: true}
	}
	if e.DataAtom == atom.Font || e.DataAtom == atom.Body {
		for _, name := range []string{"color", "text"} {
			if c, ok := parseColor(e.attr(name)); ok {
				ink = c
			}
		}
	}
	switch v := e.style["color"]; v {
	case "":
	case "inherit":
		ink = l.ink
	default:
		c, ok := parseColor(v)
		if ink = c; !ok {
			ink = color{}
		}
	}
	return ink, paper
}

// splitBlanks cuts at blanks outside of brackets.
func splitBlanks(s string) []string {
	depth := 0
	return strings.FieldsFunc(s, func(r rune) bool {
		switch r {
		case '(':
			depth++
		case ')':
			depth--
		}
		return r == ' ' && depth <= 0
	})
}

func fontSize(e *element, inherited float64) float64 {
	value := e.style["font-size"]
	if font := e.style["font"]; value == "" && font != "" {
		for _, word := range strings.Fields(font) {
			size, _, _ := strings.Cut(word, "/")
			if n, ok := pixels(size, inherited); ok && strings.Trim(size, "0123456789") != "" { // 700 is a weight
				return n
			}
		}
	}
	if n, ok := pixels(value, inherited); ok {
		return n
	}
	if percent, ok := strings.CutSuffix(value, "%"); ok {
		if n, ok := pixels(percent, inherited); ok {
			return n / 100 * inherited
		}
	}
	switch value {
	case "", "inherit", "unset":
		return inherited
	}
	return 16 // small, medium, calc(): whatever it is, it can be read
}

// Hidden text that is no finding: a preheader of so many letters at the top,
// and a few words elsewhere.
const (
	preheaderLetters = 300
	hiddenLetters    = 40
)

// hiddenText looks for text that filters read and people do not.
func (i *inspection) hiddenText() {
	if i.page == nil {
		return
	}
	top, other := true, 0
	ahead := 0
	var places []string
	for _, r := range i.page.runs {
		l := r.of.look
		if l.hidden == "" {
			top = top && letters(r.text) == 0
			continue
		}
		n := letters(r.text)
		if l.elsewhere || n == 0 {
			continue
		}
		if top && ahead+n <= preheaderLetters {
			ahead += n
			continue
		}
		other += n
		places = append(places, fmt.Sprintf("HTML line %d: %q (%s)", r.line, excerpt(r.text), l.hidden))
	}
	if other > hiddenLetters {
		i.add("hidden_text", Warning, fmt.Sprintf("%d letters of text are hidden; filters take hidden text for a trick", other), places...)
	}
}
