package markup

import (
	"strconv"
	"strings"
)

// holder keeps back from the compiler what it would only hand through: it gets a word instead. So what a
// marketer writes meets none of its patterns, and neither its time nor its memory depends on how
// much that is.
type holder struct {
	prefix string
	texts  []held
	fonts  []string // of mj-font elements, which are taken into the page if a text names them
}

type held struct{ word, text string }

// hold puts words in place of the contents and of long values, and refuses values that are too long for any other attribute.
func (h *holder) hold(r *mjmlReader, n *node) *Error {
	if n.content != "" {
		n.content = h.keep(n.content)
	}
	for i := range n.attributes {
		a := &n.attributes[i]
		a.text = n.raw[a.from:a.to] // the compiler does not read entities
		switch {
		case handedThrough(a.name) && a.text != "":
			a.text = h.keep(a.text)
		case len(a.text) > maxValue:
			return r.fail(n.at+a.from, "the value of %s has more than %d bytes", a.name, maxValue)
		}
	}
	for _, c := range n.children {
		if err := h.hold(r, c); err != nil {
			return err
		}
	}
	return nil
}

// handedThrough tells whether the compiler only copies an attribute.
func handedThrough(name string) bool {
	switch name {
	case "href", "src", "srcset", "alt", "title", "background-url", "thumbnails-src",
		"icon-wrapped-url", "icon-unwrapped-url", "icon-wrapped-alt", "icon-unwrapped-alt":
		return true
	}
	return false
}

func (h *holder) keep(text string) string {
	word := h.prefix + "h" + strconv.Itoa(len(h.texts)) + "z" + h.used(text)
	h.texts = append(h.texts, held{word, text})
	return word
}

// used says what fonts a text uses, so that the compiler finds it with the text's word.
func (h *holder) used(text string) string {
	low, all := strings.ToLower(text), ""
	if !strings.Contains(low, "font-family") {
		return ""
	}
	for _, font := range h.fonts {
		if strings.Contains(low, strings.ToLower(font)) {
			all += `"font-family:` + font + `"`
		}
	}
	return all
}

// release puts the texts back. It is false when the page gets too large.
func (h *holder) release(page string) (string, bool) {
	var b strings.Builder
	mark := h.prefix + "h"
	for {
		before, rest, found := strings.Cut(page, mark)
		b.WriteString(before)
		if !found {
			return b.String(), true
		}
		digits := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
		i, err := strconv.Atoi(digits)
		if err != nil || i >= len(h.texts) || !strings.HasPrefix(rest, h.texts[i].word[len(mark):]) {
			b.WriteString(mark)
			page = rest
		} else {
			b.WriteString(h.texts[i].text)
			page = rest[len(h.texts[i].word)-len(mark):]
		}
		if b.Len() > maxHTML {
			return "", false
		}
	}
}
