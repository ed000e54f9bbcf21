package campaign

import (
	"strings"

	"facteur/campaign/markup"
)

// render makes the HTML of content in a language, whatever it is written in,
// with its styles inlined; in is the field's name for errors.
func (s *Store) render(c Content, language, in string) (Content, error) {
	written := 0
	for _, text := range []string{c.HTML, c.Markdown, c.MJML} {
		if strings.TrimSpace(text) != "" {
			written++
		}
	}
	if written > 1 {
		return c, &Invalid{in + "html", "is one of several: write html, markdown or mjml"}
	}
	if language == "" {
		language = "en"
	}
	field, err := in+"html", error(nil)
	switch {
	case strings.TrimSpace(c.Markdown) != "":
		field = in + "markdown"
		c.HTML, err = markup.Markdown(c.Markdown, language)
	case strings.TrimSpace(c.MJML) != "":
		field = in + "mjml"
		c.HTML, err = s.mjml.MJML(c.MJML)
	case c.HTML != "":
		c.HTML, err = markup.Inline(c.HTML)
	}
	if err != nil {
		return c, &Invalid{field, err.Error()}
	}
	c.Markdown, c.MJML = "", ""
	return c, nil
}

// Rendered is a campaign with all of its content as HTML.
func (s *Store) Rendered(c Campaign) (Campaign, error) {
	made, err := s.render(Content{Subject: c.Subject, HTML: c.HTML, Text: c.Text, Markdown: c.Markdown, MJML: c.MJML}, c.Language, "")
	if err != nil {
		return c, err
	}
	c.HTML, c.Markdown, c.MJML = made.HTML, "", ""
	translations := map[string]Content{}
	for locale, t := range c.Translations {
		if translations[locale], err = s.render(t, locale, "translations."+locale+"."); err != nil {
			return c, err
		}
	}
	c.Translations = translations
	return c, nil
}
