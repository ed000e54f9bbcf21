package recipient

import (
	"embed"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"golang.org/x/text/language"
)

//go:embed words
var wordsFiles embed.FS

// words are what the pages say in one language, by name.
type words map[string]string

// lang is the language's code.
func (w words) lang() string { return w["lang"] }

// with is a text with its places filled in: {list}, {date}.
func (w words) with(name string, values ...string) string {
	for i := 0; i+1 < len(values); i += 2 {
		values[i] = "{" + values[i] + "}"
	}
	return strings.NewReplacer(values...).Replace(w[name])
}

// date is a day as the language writes it.
func (w words) date(ms int64) string { return time.UnixMilli(ms).UTC().Format(w["date_format"]) }

// dictionary is the words of all languages; the first is for everybody else.
type dictionary struct {
	all     []words
	matcher language.Matcher
}

func newDictionary() dictionary {
	var d dictionary
	var tags []language.Tag
	for _, name := range []string{"en", "fr"} {
		text, err := wordsFiles.ReadFile("words/" + name + ".json")
		var w words
		if err == nil {
			err = json.Unmarshal(text, &w)
		}
		if err != nil {
			panic("words/" + name + ".json: " + err.Error()) // embedded above
		}
		d.all = append(d.all, w)
		tags = append(tags, language.Make(name))
	}
	d.matcher = language.NewMatcher(tags)
	return d
}

// of picks the language that was asked for by name, else by the browser's wishes.
func (d dictionary) of(r *http.Request, asked string) words {
	for _, w := range d.all {
		if w.lang() == asked {
			return w
		}
	}
	wishes, _, err := language.ParseAcceptLanguage(r.Header.Get("Accept-Language"))
	if err != nil {
		return d.all[0]
	}
	_, i, _ := d.matcher.Match(wishes...)
	return d.all[i]
}

// other is a language that the page can be read in besides.
func (d dictionary) other(lang string) string {
	for _, w := range d.all {
		if w.lang() != lang {
			return w.lang()
		}
	}
	return ""
}
