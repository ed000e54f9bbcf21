package templates_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"facteur/campaign/content"
	"facteur/campaign/templates"

	"golang.org/x/net/html"
)

const postal = "The House\n1 rue de la Poste\n69001 Lyon"

// each runs a test for every template.
func each(t *testing.T, test func(*testing.T, templates.Template)) {
	t.Helper()
	for _, tpl := range templates.All() {
		t.Run(tpl.Name+"-"+tpl.Locale, func(t *testing.T) { test(t, tpl) })
	}
}

func compile(t *testing.T, tpl templates.Template) *content.Message {
	t.Helper()
	m, err := content.Compile(content.Source{Subject: tpl.Subject, HTML: tpl.HTML, Text: tpl.Text},
		content.Frame{From: content.Address{Name: "The House", Email: "hello@example.com"}, PostalAddress: postal, Boundary: "b"})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func person(name string) *content.Recipient {
	return &content.Recipient{
		Email: "ada@example.org", Name: name, MessageID: "1@example.com", Date: time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC),
		UnsubscribeURL: "https://mail.example.com/u/abc", PreferencesURL: "https://mail.example.com/p/abc", WebURL: "https://mail.example.com/w/abc",
	}
}

// rendered is what a person gets: subject, HTML, text.
func rendered(t *testing.T, tpl templates.Template, name string) (subject, page, text string) {
	t.Helper()
	m := compile(t, tpl)
	for part, write := range map[*string]func([]byte, *content.Recipient) ([]byte, error){&subject: m.AppendSubject, &page: m.AppendHTML, &text: m.AppendText} {
		b, err := write(nil, person(name))
		if err != nil {
			t.Fatal(err)
		}
		*part = string(b)
	}
	if _, err := m.Append(nil, person(name)); err != nil {
		t.Fatal(err)
	}
	return subject, page, text
}

func TestAll_AreFiveInTwoLanguages(t *testing.T) {
	all := templates.All()
	if len(all) != 10 {
		t.Errorf("%d templates", len(all))
	}
	for _, tpl := range all {
		for part, s := range map[string]string{"title": tpl.Title, "description": tpl.Description, "subject": tpl.Subject, "HTML": tpl.HTML, "text": tpl.Text} {
			if strings.TrimSpace(s) == "" {
				t.Errorf("%s in %s has no %s", tpl.Name, tpl.Locale, part)
			}
		}
	}
}

func TestFind_KnowsLanguages(t *testing.T) {
	for locale, want := range map[string]string{"": "en", "en-GB": "en", "fr": "fr", "fr-CA": "fr", "FR_fr": "fr", "de": "en", "fro": "en"} {
		if tpl, ok := templates.Find("plain", locale); !ok || tpl.Locale != want || tpl.Name != "plain" {
			t.Errorf("%q: %v %s", locale, ok, tpl.Locale)
		}
	}
	for _, name := range []string{"", "Plain", "../plain"} {
		if _, ok := templates.Find(name, "en"); ok {
			t.Errorf("there is a template %q", name)
		}
	}
}

func TestTemplates_GreetWithAndWithoutAName(t *testing.T) {
	each(t, func(t *testing.T, tpl templates.Template) {
		hello := map[string]string{"en": "Hello", "fr": "Bonjour"}[tpl.Locale]
		for name, greeting := range map[string]string{"": hello + ",", "Ada Lovelace": hello + " Ada Lovelace,"} {
			subject, page, text := rendered(t, tpl, name)
			if !strings.Contains(page, greeting) || !strings.Contains(text, greeting) {
				t.Errorf("a part does not say %q", greeting)
			}
			if n := len([]rune(subject)); n < 20 || n > 70 {
				t.Errorf("the subject %q has %d characters", subject, n)
			}
		}
	})
}

// What a reader must find at the bottom stands in the template itself, so that
// none of it is added in another style.
func TestTemplates_ShowTheWayOut(t *testing.T) {
	each(t, func(t *testing.T, tpl templates.Template) {
		_, page, text := rendered(t, tpl, "Ada")
		for _, link := range []string{"/u/abc", "/p/abc", "/w/abc"} {
			if strings.Count(page, "https://mail.example.com"+link) != 1 || strings.Count(text, "https://mail.example.com"+link) != 1 {
				t.Errorf("%s does not stand once in each part", link)
			}
		}
		if strings.Count(page, "69001 Lyon") != 1 || !strings.Contains(page, "The House<br>") || strings.Count(text, postal) != 1 {
			t.Error("the postal address does not stand once in each part")
		}
	})
}

func TestTemplates_AreLightAndCleanHTML(t *testing.T) {
	each(t, func(t *testing.T, tpl templates.Template) {
		if n := len(tpl.HTML); n > 30_000 {
			t.Errorf("%d bytes", n)
		}
		for _, want := range []string{"<!doctype html>", `<html lang="` + tpl.Locale + `">`, "<title>", `name="viewport"`, `name="color-scheme" content="light dark"`, "prefers-color-scheme:dark"} {
			if strings.Count(tpl.HTML, want) != 1 {
				t.Errorf("%s is not there once", want)
			}
		}
		for _, never := range []string{"<img", "<script", "<link", "<form", "<font", "url(", "@import", "http://", "position:", "float:", " id="} {
			if strings.Contains(strings.ToLower(tpl.HTML), never) {
				t.Errorf("%s is there", never)
			}
		}
		style := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindStringSubmatch(tpl.HTML)[1]
		if rest := regexp.MustCompile(`(?s)@media [^{]*\{\n(?:\.[a-z0-9]+ \{[^}]*\}\n)*\}\n`).ReplaceAllString(style, ""); strings.TrimSpace(rest) != "" {
			t.Errorf("more than @media in the style: %q", rest)
		}
		for _, class := range regexp.MustCompile(`\n\.([a-z0-9]+) `).FindAllStringSubmatch(style, -1) {
			if !regexp.MustCompile(`class="(?:[a-z0-9]+ )*` + class[1] + `[ "]`).MatchString(tpl.HTML) {
				t.Errorf("nothing is of class %s", class[1])
			}
		}
		if n := strings.Count(tpl.HTML, "<h1"); n != 1 {
			t.Errorf("%d h1", n)
		}
		if strings.Count(tpl.HTML, "<table") != strings.Count(tpl.HTML, `<table role="presentation"`)+strings.Count(tpl.HTML, `<table class="ticket" role="presentation"`) {
			t.Error("a table has no role")
		}
		for _, width := range regexp.MustCompile(`width(?:="|:)(\d{3,})`).FindAllStringSubmatch(tpl.HTML, -1) {
			if len(width[1]) > 3 || width[1] > "600" {
				t.Errorf("a width of %s", width[1])
			}
		}
		if fault := unbalanced(tpl.HTML); fault != "" {
			t.Error(fault)
		}
	})
}

// unbalanced names an element that is not closed where it should be.
func unbalanced(page string) string {
	void := map[string]bool{"meta": true, "br": true}
	var open []string
	z := html.NewTokenizer(strings.NewReader(page))
	for {
		kind := z.Next()
		name, _ := z.TagName()
		switch tag := string(name); {
		case kind == html.ErrorToken && len(open) > 0:
			return "not closed: " + strings.Join(open, " ")
		case kind == html.ErrorToken:
			return ""
		case kind == html.StartTagToken && !void[tag]:
			open = append(open, tag)
		case kind == html.EndTagToken && (len(open) == 0 || open[len(open)-1] != tag):
			return "closed and not open: " + tag + " in " + strings.Join(open, " ")
		case kind == html.EndTagToken:
			open = open[:len(open)-1]
		}
	}
}

func TestTemplates_SpeakCalmly(t *testing.T) {
	spam := regexp.MustCompile(`(?i)\b(free|gratuit\w*|discount|promo\w*|deal|sale|soldes|save|guarantee\w*|garanti\w*|urgent\w*|click here|cliquez|act now|buy|achetez|winner|gagn\w+|cash|bonus|cheap|exclusive|exclusi\w+)\b`)
	shout := regexp.MustCompile(`\b\p{Lu}{3,}\b`)
	each(t, func(t *testing.T, tpl templates.Template) {
		subject, page, text := rendered(t, tpl, "Ada")
		for part, s := range map[string]string{"subject": subject, "html": words(page), "text": text} {
			if found := spam.FindString(s); found != "" {
				t.Errorf("%s: %q", part, found)
			}
			if found := shout.FindString(strings.ReplaceAll(s, "https://", "")); found != "" {
				t.Errorf("%s shouts %q", part, found)
			}
			if strings.Count(s, "!") > 1 {
				t.Errorf("%s: more than one exclamation mark", part)
			}
			if strings.Contains(s, "  ") || strings.Contains(s, "--\n--") {
				t.Errorf("%s: blanks", part)
			}
			for _, r := range s {
				if r >= 0x1f000 || r >= 0x2600 && r < 0x2800 {
					t.Errorf("%s: emoji %q", part, r)
				}
			}
			if tpl.Locale == "fr" {
				if found := regexp.MustCompile(`\S* [:;?!»%€]|«[^\x{a0}]|\w'\w`).FindString(s); found != "" {
					t.Errorf("%s: not as French is set: %q", part, found)
				}
			}
		}
	})
}

// The text part says what the HTML does: each paragraph of the HTML stands in it.
func TestTemplates_SayTheSameInText(t *testing.T) {
	each(t, func(t *testing.T, tpl templates.Template) {
		_, page, text := rendered(t, tpl, "Ada")
		flat := squeeze(text)
		for _, p := range regexp.MustCompile(`(?s)<(?:p|h1|h2|li|a)\b[^>]*>(.*?)</(?:p|h1|h2|li|a)>`).FindAllStringSubmatch(page, -1) {
			for _, line := range regexp.MustCompile(`<br>|<a [^>]*>|</a>`).Split(p[1], -1) {
				if w := squeeze(words(line)); w != "" && !strings.Contains(strings.ToLower(flat), strings.ToLower(w)) {
					t.Errorf("the text lacks %q", w)
				}
			}
		}
	})
}

// The languages differ in words only.
func TestTemplates_LookTheSameInEachLanguage(t *testing.T) {
	frame := func(locale, name string) string {
		tpl, _ := templates.Find(name, locale)
		page := regexp.MustCompile(`aria-label="[^"]*"|aria-roledescription="[^"]*"|lang="[^"]*"|<sup.*?</sup>`).ReplaceAllString(tpl.HTML, "")
		return regexp.MustCompile(`>[^<]*<`).ReplaceAllString(page, "><")
	}
	for _, tpl := range templates.All() {
		if frame("en", tpl.Name) != frame(tpl.Locale, tpl.Name) {
			t.Errorf("%s in %s is built in another way", tpl.Name, tpl.Locale)
		}
	}
}

// words is what a reader sees of a piece of HTML.
func words(page string) string {
	var b strings.Builder
	z := html.NewTokenizer(strings.NewReader(page))
	for skip := false; ; {
		switch kind := z.Next(); kind {
		case html.ErrorToken:
			return b.String()
		case html.TextToken:
			if !skip {
				b.Write(z.Text())
			}
		case html.StartTagToken, html.EndTagToken:
			if name, _ := z.TagName(); string(name) == "style" {
				skip = kind == html.StartTagToken
			}
		}
	}
}

// squeeze makes every run of blanks one.
func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }
