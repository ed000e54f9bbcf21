package campaign

import (
	"encoding/json"
	"fmt"
	"strings"

	"facteur/campaign/content"
	"facteur/sending"

	"golang.org/x/text/language"
)

// Content is what a campaign says, in one language.
type Content struct {
	Subject string `json:"subject"` // Liquid, as are the others
	HTML    string `json:"html,omitempty"`
	Text    string `json:"text,omitempty"`

	Markdown string `json:"markdown,omitempty"` // instead of HTML, as is the next
	MJML     string `json:"mjml,omitempty"`
}

// mostTranslations bounds what a process keeps compiled for one campaign.
const mostTranslations = 30

func formatTranslations(all map[string]Content) string {
	if len(all) == 0 {
		return "{}"
	}
	b, _ := json.Marshal(all) // texts always marshal
	return string(b)
}

// checkTranslations refuses languages that do not exist and content that could
// not be sent.
func checkTranslations(all map[string]Content, sender sending.Sender) error {
	if len(all) > mostTranslations {
		return &Invalid{"translations", fmt.Sprintf("%d languages: at most %d", len(all), mostTranslations)}
	}
	for locale, c := range all {
		field := "translations." + locale
		if _, err := language.Parse(locale); err != nil {
			return &Invalid{field, "is no language: want one such as fr or pt-BR"}
		}
		if strings.ContainsAny(c.Subject, "\r\n\x00") {
			return &Invalid{field + ".subject", "has a line break"}
		}
		if _, err := content.Compile(content.Source{Subject: c.Subject, HTML: c.HTML, Text: c.Text}, TranslatedFrame(sender, "check", locale)); err != nil {
			return fmt.Errorf("%s: %w", field, err)
		}
	}
	return nil
}

// TranslatedFrame is [Frame] with the added link's words in a language.
func TranslatedFrame(v sending.Sender, boundary, locale string) content.Frame {
	f := Frame(v, boundary)
	if base, _, _ := strings.Cut(strings.ToLower(locale), "-"); base == "fr" {
		f.Footer = "Se désabonner"
	}
	return f
}

// Preview is a campaign as a person would get it, part by part.
type Preview struct {
	Subject, HTML, Text string
	Locale              string // of the person, which chose the language
}
