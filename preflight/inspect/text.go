package inspect

import (
	"fmt"
	"regexp"
	"strings"
)

// Letters: a text part with fewer than poorText says nothing if the HTML says
// more than fullText.
const (
	poorText = 60
	fullText = 200
)

// excuses are what a text part says that only sends people to the HTML.
var excuses = regexp.MustCompile(`(?i)(does not|doesn['’]t|cannot|can['’]t|unable to) (support|display|show|view)|(html|view|enable).{0,30}(e-?mail|message)s? (client|program|reader)|ne (permet|supporte|prend|peut|lit).{0,40}html|n['’]affiche pas.{0,30}html|(afficher|lire|visualiser) (ce|cet|le) (message|e-?mail|courriel) (au|en) (format )?html`)

// textPart looks at the part for those who read plain text.
func (i *inspection) textPart() {
	switch {
	case i.html == nil:
		return
	case i.text == nil:
		i.add("text_part_missing", Warning, "the mail has HTML only; filters know that from spam")
		return
	}
	there, seen := letters(i.text.text), letters(i.page.seen)
	body := webAddress.ReplaceAllString(i.text.text, "")
	said := letters(body)
	excuse := excuses.MatchString(i.text.text) && said < 300
	if seen > fullText && (said < poorText || excuse || there*10 < seen) {
		i.add("text_part_poor", Warning, fmt.Sprintf("the text part has %d letters, the HTML %d", said, seen), "text: "+excerpt(i.text.text))
	}
}

// webVersions are links that lead to the mail in a browser.
var webVersions = regexp.MustCompile(`(?i)(view|read|open|see|display|trouble|problem).{0,40}(browser|online|web|e-?mail|newsletter)|(web|online) version|(voir|lire|consulter|afficher|visualiser).{0,40}(navigateur|en ligne|web)|version (en ligne|web)|(s['’]affiche|visualis).{0,30}(mal|pas|correctement)|im browser|online-?version`)

// previewLetters is how many letters of the beginning an inbox shows at least.
const previewLetters = 40

// preheader looks at what stands beside the subject in the inbox.
func (i *inspection) preheader() {
	if i.page == nil || letters(i.page.seen) == 0 {
		return
	}
	before := 0
	for _, r := range i.page.runs {
		if r.of.look.hidden == "" && letters(r.text) > 0 {
			break
		}
		before += letters(r.text)
	}
	if before >= 15 {
		return
	}
	first, n := "", 0
	for line := range strings.Lines(i.page.seen) {
		if n >= previewLetters {
			break
		}
		first += line
		n += letters(line)
	}
	if first = excerpt(first); webVersions.MatchString(first) || n < 15 {
		i.add("preheader_missing", Info, "the inbox will show this beside the subject", "HTML: "+first)
	}
}
