package markup

import (
	_ "embed"
	"html"
	"regexp"
	"strings"
)

// frame is what stands around the text of a Markdown mail.
type frame struct{ language, direction, title string }

var languageName = regexp.MustCompile(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$`)

//go:embed frame.html
var frameHTML string

// newFrame checks a language's name.
func newFrame(language string) (frame, error) {
	f := frame{language: language, direction: "ltr"}
	if language == "" {
		return f, nil
	}
	if len(language) > 35 || !languageName.MatchString(language) {
		return f, &Error{Message: "the language " + quoted(language) + " is none; write it as en, fr or pt-BR"}
	}
	main, _, _ := strings.Cut(strings.ToLower(language), "-")
	switch main {
	case "ar", "arc", "ckb", "dv", "fa", "he", "iw", "ks", "ps", "sd", "ug", "ur", "yi":
		f.direction = "rtl"
	}
	return f, nil
}

// around puts the frame around a text.
func (f frame) around(body string) string {
	lang, label := "", ""
	if f.language != "" {
		lang = ` lang="` + f.language + `"`
	}
	if f.title != "" {
		label = ` aria-label="` + html.EscapeString(f.title) + `"`
	}
	lang += ` dir="` + f.direction + `"`
	// One pass: what a text contains is no place of the frame.
	return strings.NewReplacer(
		" LANG", lang, " LABEL", label, "TITLE", html.EscapeString(f.title), "BODY", strings.TrimSpace(body),
	).Replace(frameHTML)
}
