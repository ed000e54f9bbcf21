// Package templates holds the campaigns that a marketer may start from: an
// HTML, a text and a subject in the language of campaign/content, for each of
// a few purposes and in each language. They are files beside this one, without
// images; nothing in them is loaded from anywhere. docs/templates.md shows them.
package templates

import (
	"embed"
	"encoding/json"
	"strings"
)

//go:embed */*.html */*.txt */*.json
var files embed.FS

// Template is one starting template in one language.
type Template struct {
	Name        string // newsletter, …; the same in all languages
	Locale      string
	Title       string `json:"title"`       // for people who choose
	Description string `json:"description"` // what it is for, one sentence
	Subject     string `json:"subject"`     // Liquid, as are the next two
	HTML        string
	Text        string
}

// names and locales are in the order in which they are shown; the first
// language is for those who ask for another.
var (
	names   = [...]string{"newsletter", "announcement", "offer", "event", "plain"}
	locales = [...]string{"en", "fr"}
)

// All are all templates in all languages.
func All() []Template {
	all := make([]Template, 0, len(names)*len(locales))
	for _, name := range names {
		for _, locale := range locales {
			all = append(all, load(name, locale))
		}
	}
	return all
}

// Find is the template of a name in the language of a locale such as fr-CA, or
// in English where it does not speak that.
func Find(name, locale string) (Template, bool) {
	spoken := locales[0]
	base, _, _ := strings.Cut(strings.ToLower(strings.ReplaceAll(locale, "_", "-")), "-")
	for _, l := range locales {
		if l == base {
			spoken = l
		}
	}
	for _, n := range names {
		if n == name {
			return load(name, spoken), true
		}
	}
	return Template{}, false
}

// load reads what is part of the program; a test sees that all of it is there.
func load(name, locale string) Template {
	read := func(kind string) []byte {
		b, _ := files.ReadFile(name + "/" + locale + "." + kind)
		return b
	}
	t := Template{Name: name, Locale: locale, HTML: string(read("html")), Text: string(read("txt"))}
	_ = json.Unmarshal(read("json"), &t)
	return t
}
