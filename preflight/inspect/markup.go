package inspect

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/html/atom"
)

// Gmail shows the first 102 kB of the HTML and hides what follows, the link to
// unsubscribe first of all.
const clipped = 102_000

// Widths, in pixels, of a mail. Screens and panes of mail programs take 600 to
// 800.
const maxWidth = 800

// markup looks for what has no place in a mail.
func (i *inspection) markup() {
	if i.page == nil {
		return
	}
	if n := len(i.html.body); n > clipped {
		i.add("html_clipped", Warning, fmt.Sprintf("the HTML has %d kB; Gmail cuts it off after 102", n/1000))
	}
	for _, e := range i.page.elements {
		i.element(e)
	}
	for _, s := range i.page.sheet.imports {
		i.external(s, "HTML: "+excerpt(s))
	}
	if i.page.grave || len(i.page.faults) > 2 {
		i.add("html_broken", Warning, count(len(i.page.faults), "tag is", "tags are")+" not closed or not opened", i.page.faults...)
	}
	i.frame()
}

// element looks at one element's kind and attributes.
func (i *inspection) element(e *element) {
	where := e.where()
	switch e.DataAtom {
	case atom.Script:
		if kind := strings.ToLower(e.attr("type")); kind == "application/ld+json" {
			break // Gmail's markup of events and orders; nothing runs
		}
		i.add("html_script", Error, "the mail has a script", where)
	case atom.Object, atom.Embed, atom.Applet:
		i.add("html_object", Error, "the mail has an object, an embedded player or Flash", where)
	case atom.Iframe, atom.Frame, atom.Frameset:
		i.add("html_frame", Error, "the mail has a frame", where)
	case atom.Form:
		i.add("html_form", Warning, "the mail has a form; mail programs warn of it or take it out", where)
	case atom.Input, atom.Textarea, atom.Select:
		if !strings.EqualFold(e.attr("type"), "hidden") {
			i.add("html_form", Warning, "the mail has a form; mail programs warn of it or take it out", where)
		}
	case atom.Meta:
		if strings.EqualFold(e.attr("http-equiv"), "refresh") {
			i.add("html_refresh", Error, "the mail sends its reader elsewhere by itself", where)
		}
	case atom.Base:
		if e.attr("href") != "" {
			i.add("html_refresh", Error, "a <base> bends all links", where)
		}
	case atom.Link:
		if rel := strings.ToLower(e.attr("rel")); strings.Contains(rel, "stylesheet") {
			i.external(e.attr("href"), where)
		}
	}
	for _, a := range e.Attr {
		if name := strings.ToLower(a.Key); len(name) > 4 && strings.HasPrefix(name, "on") && isHandler(name) {
			i.add("html_script", Error, "the mail has a script", fmt.Sprintf("HTML line %d: <%s %s=…>", e.line, e.Data, name))
		}
	}
	if style := strings.ToLower(e.attr("style")); strings.Contains(style, "expression(") || strings.Contains(style, "behavior:") && !strings.Contains(style, "behavior:url(#default#vml)") {
		i.add("html_script", Error, "the mail has a script", where)
	}
}

// isHandler tells event handlers from other words that begin with on.
func isHandler(name string) bool {
	for _, event := range []string{"click", "dblclick", "mouse", "key", "load", "unload", "error", "focus", "blur", "submit", "change", "input", "touch", "pointer", "drag", "drop", "scroll", "wheel", "animation", "transition", "toggle", "begin", "end", "message", "hashchange", "page", "resize", "copy", "cut", "paste", "select", "context", "before", "after", "play", "canplay", "abort"} {
		if strings.HasPrefix(name[2:], event) {
			return true
		}
	}
	return false
}

// external looks at a style sheet from elsewhere: one of fonts alone is common
// and does no harm to the layout.
func (i *inspection) external(address, where string) {
	severity := Warning
	for _, word := range strings.FieldsFunc(address, func(r rune) bool { return strings.ContainsRune(" '\"()", r) }) {
		if u, err := url.Parse(word); err == nil && u.Host != "" && fontHosts().host(u.Hostname()) {
			severity = Info
		}
	}
	i.add("html_external_style", severity, "a style sheet is loaded from elsewhere", where)
}

// frame looks at what the document says about itself.
func (i *inspection) frame() {
	language, title := false, false
	for _, e := range i.page.elements {
		switch {
		case strings.TrimSpace(firstOf(e.attr("lang"), e.attr("xml:lang"))) != "":
			language = language || e.DataAtom == atom.Html || e.DataAtom == atom.Body || e.parent != nil && e.parent.DataAtom == atom.Body
		case e.DataAtom == atom.Title && e.FirstChild != nil && letters(e.FirstChild.Data) > 0:
			title = true
		}
	}
	if !language {
		i.add("lang_missing", Info, "the HTML does not say its language", "HTML: <html>")
	}
	if !title {
		i.add("title_missing", Info, "the HTML has no title", "HTML: <head>")
	}
}

// width looks for what is too wide, and for text without any bound.
func (i *inspection) width() {
	if i.page == nil {
		return
	}
	bounded := false
	var wide []string
	for _, e := range i.page.elements {
		width, fixed := e.width()
		limit, limited := pixels(e.style["max-width"], e.look.size)
		switch e.DataAtom {
		case atom.Table, atom.Td, atom.Th, atom.Div, atom.Center, atom.Body, atom.P, atom.Section, atom.Main, atom.Article, atom.Img:
		default:
			continue
		}
		if e.DataAtom != atom.Img && (fixed && width >= 200 && width <= maxWidth || limited && limit >= 200 && limit <= maxWidth) {
			bounded = true
		}
		least, _ := pixels(e.style["min-width"], e.look.size)
		held := limited && limit <= maxWidth || strings.HasSuffix(e.style["max-width"], "%")
		if e.look.gone == "" && (fixed && width > maxWidth && !held || least > maxWidth) {
			wide = append(wide, e.where())
		}
	}
	if len(wide) > 0 {
		i.add("width_fixed", Warning, fmt.Sprintf("%s wider than %d pixels", count(len(wide), "element is", "elements are"), maxWidth), wide...)
	} else if !bounded && letters(i.page.seen) > 600 {
		i.add("width_unbounded", Info, "nothing bounds the width of the text", "HTML: <body>")
	}
}

// width is an element's own, in pixels: of its style, else of its attribute.
func (e *element) width() (float64, bool) {
	if style := e.style["width"]; style != "" && style != "auto" {
		return pixels(style, e.look.size)
	}
	return attrPixels(e.attr("width"))
}

func (e *element) height() (float64, bool) {
	if style := e.style["height"]; style != "" && style != "auto" {
		return pixels(style, e.look.size)
	}
	return attrPixels(e.attr("height"))
}

func attrPixels(s string) (float64, bool) {
	n, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(s), "px"), 64)
	return n, err == nil
}
