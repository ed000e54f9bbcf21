package recipient

import (
	"embed"
	"encoding/json"
	"net/http"

	"golang.org/x/text/language"
)

//go:embed words
var wordsFiles embed.FS

// words are what the pages say in one language.
type words struct {
	Lang           string `json:"lang"`
	Title          string `json:"title"`
	Heading        string `json:"heading"`
	ListsOne       string `json:"lists_one"`
	ListsMany      string `json:"lists_many"`
	NoList         string `json:"no_list"`
	Promise        string `json:"promise"`
	Button         string `json:"button"`
	LeftTitle      string `json:"left_title"`
	LeftHeading    string `json:"left_heading"`
	LeftText       string `json:"left_text"`
	LeftTextBare   string `json:"left_text_bare"`
	LeftNote       string `json:"left_note"`
	MissingTitle   string `json:"missing_title"`
	MissingHeading string `json:"missing_heading"`
	MissingText    string `json:"missing_text"`
	LaterTitle     string `json:"later_title"`
	LaterHeading   string `json:"later_heading"`
	LaterText      string `json:"later_text"`
	OtherLanguage  string `json:"other_language"`
}

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
		if w.Lang == asked {
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
		if w.Lang != lang {
			return w.Lang
		}
	}
	return ""
}
