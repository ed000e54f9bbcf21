package inspect

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of a subject: mail programs on a desk show about 70 characters, and
// nobody reads what is longer than 120.
const (
	subjectLong    = 70
	subjectTooLong = 120
)

var (
	replies  = regexp.MustCompile(`(?i)^\s*(re|rép|fwd?|tr|aw|wg|sv)(\[\d+\])?\s?:`)
	shouting = regexp.MustCompile(`[!！]{2,}|\?!|!\?`)
	loud     = regexp.MustCompile(`[!！]{3,}`)
)

// subject looks at the first thing that is read.
func (i *inspection) subject() {
	subject := strings.TrimSpace(i.get("Subject"))
	if letters(subject) == 0 {
		i.add("subject_missing", Error, "the mail has no subject", excerpt(subject))
		return
	}
	where := "Subject: " + excerpt(subject)
	if n := utf8.RuneCountInString(subject); n > subjectTooLong {
		i.add("subject_long", Warning, fmt.Sprintf("the subject has %d characters; more than %d are cut off everywhere", n, subjectTooLong), where)
	} else if n > subjectLong {
		i.add("subject_long", Info, fmt.Sprintf("the subject has %d characters; many programs show %d, phones about 40", n, subjectLong), where)
	}
	if replies.MatchString(subject) && i.header.Get("In-Reply-To") == "" && i.header.Get("References") == "" {
		i.add("subject_reply", Warning, "the subject pretends to be an answer or to be passed on", where)
	}
	if upper, cased := capitals(subject); cased >= 10 && upper*10 >= cased*6 {
		i.add("subject_capitals", Warning, fmt.Sprintf("%d of %d letters of the subject are capitals", upper, cased), where)
	}
	if n := strings.Count(subject, "!"); n > 1 || shouting.MatchString(subject) {
		i.add("subject_exclamation", Warning, count(n, "exclamation mark shouts", "exclamation marks")+" in the subject", where)
	}
	if n := countEmoji(subject); n > 2 {
		i.add("subject_emoji", Warning, fmt.Sprintf("%d emoji in the subject", n), where)
	}
}

// tone looks at how loud the body is.
func (i *inspection) tone() {
	body := i.body()
	if upper, cased := capitals(body); cased >= 200 && upper*10 > cased*4 || cased >= 60 && upper*10 > cased*7 {
		i.add("capitals", Warning, fmt.Sprintf("%d of %d letters of the body are capitals", upper, cased), i.bodyPlace())
	}
	rows := loud.FindAllStringIndex(body, 21)
	words := len(strings.Fields(body))
	if n := strings.Count(body, "!"); len(rows) > 1 || n > 5 && n*25 > words {
		var places []string
		for _, at := range rows {
			places = append(places, i.bodyPlace()+": "+around(body, at[0], at[1]))
		}
		if places == nil {
			places = []string{i.bodyPlace()}
		}
		i.add("exclamation_marks", Warning, fmt.Sprintf("%d exclamation marks in %d words", n, words), places...)
	}
	if n := countEmoji(body); n > 10 && n*20 > words {
		i.add("emoji", Warning, fmt.Sprintf("%d emoji in %d words", n, words), i.bodyPlace())
	}
}

// body is the text that most see: that of the HTML, else the plain one.
func (i *inspection) body() string {
	switch {
	case i.page != nil:
		return i.page.seen
	case i.text != nil:
		return i.text.text
	}
	return ""
}

func (i *inspection) bodyPlace() string {
	if i.page != nil {
		return "HTML"
	}
	return "text"
}

// capitals counts letters that have a case, and those in upper case.
func capitals(s string) (upper, cased int) {
	for _, r := range s {
		switch {
		case unicode.IsUpper(r):
			upper++
			cased++
		case unicode.IsLower(r):
			cased++
		}
	}
	return upper, cased
}

// countEmoji counts pictures: a flag, or what is joined or tinted, is one.
func countEmoji(s string) int {
	n, flags, joined := 0, 0, false
	for _, r := range s {
		switch {
		case r == 0x200d: // joins
			joined = true
			continue
		case r >= 0x1f1e6 && r <= 0x1f1ff: // half a flag
			flags++
		case r >= 0x1f3fb && r <= 0x1f3ff: // the tint of a skin
		case r >= 0x1f300 && r <= 0x1faff, r >= 0x2600 && r <= 0x26ff, r >= 0x2700 && r <= 0x27bf && (r < 0x2710 || r > 0x2718), r == 0x2b50, r == 0x2b55, r == 0x231a, r == 0x231b, r == 0x23f0, r == 0x23f3:
			if !joined {
				n++
			}
		}
		joined = false
	}
	return n + (flags+1)/2
}

// around is a place in a text, with some words on both sides.
func around(text string, from, to int) string {
	start, end := max(0, from-30), min(len(text), to+30)
	return fmt.Sprintf("“%s”", excerpt(strings.ToValidUTF8(text[start:end], "")))
}

// What is left of templates: facteur's own syntax, Mailchimp's, Mailjet's and
// Brevo's, SendGrid's, ERB, and names in percent signs or double brackets.
var leftoverMarks = regexp.MustCompile(`\{\{.{0,60}|\}\}|\{%.{0,60}|%\}|\*\|[A-Z0-9_:]+\|\*|%%?[A-Za-z_][A-Za-z0-9_.]{2,40}%%?|\[\[[\pL_][^\]\[]{0,60}\]\]|\$\{[A-Za-z_][\w.]*\}|<%=?.{0,60}|&lt;%`)

// leftoverLinks is the same where %20 and the like are no leftovers.
var leftoverLinks = regexp.MustCompile(`(?i)\{\{|\}\}|%7b%7b|%7d%7d|\{%|\*(\||%7c)[a-z0-9_:]+(\||%7c)\*|\[\[[a-z_]+\]\]|\$\{[a-z_]|%([g-z_][a-z_]*|[a-f][g-z_][a-z_]*)%`)

// webAddress is a link in a text.
var webAddress = regexp.MustCompile(`(?i)\bhttps?://[^\s<>"]+`)

// A greeting whose name is empty, or the word of a program for it.
var greetings = regexp.MustCompile(`(?im)^\s*(hello|hi|hey|dear|bonjour|bonsoir|salut|cher|chère|chers)[ \x{a0}]+(,|(null|undefined|nil)\b)`)

// leftovers looks for what should have been filled in.
func (i *inspection) leftovers() {
	var places []string
	look := func(where, text string) {
		for _, at := range leftoverMarks.FindAllStringIndex(text, 20) {
			if found := text[at[0]:at[1]]; !percentage(text, at[0]) {
				places = append(places, where+": "+excerpt(found))
			}
		}
	}
	look("Subject", i.get("Subject"))
	if from := i.from(); from != nil {
		look("From", from.Name)
	}
	if i.text != nil {
		look("text", webAddress.ReplaceAllString(i.text.text, " "))
		for _, link := range webAddress.FindAllString(i.text.text, 500) {
			if leftoverLinks.MatchString(link) {
				places = append(places, "text: "+excerpt(link))
			}
		}
	}
	if i.page != nil {
		for _, r := range i.page.runs {
			if !r.quiet {
				look(fmt.Sprintf("HTML line %d", r.line), webAddress.ReplaceAllString(r.text, " "))
			}
		}
		for _, e := range i.page.elements {
			look(fmt.Sprintf("HTML line %d", e.line), e.attr("alt")+" "+e.attr("title"))
			for _, name := range []string{"href", "src"} {
				if leftoverLinks.MatchString(e.attr(name)) {
					places = append(places, e.where())
				}
			}
		}
	}
	if len(places) > 0 {
		i.add("template_left", Error, count(len(places), "variable of a template was", "variables of a template were")+" not filled in", places...)
	}
	for _, at := range [][2]string{{"Subject", i.get("Subject")}, {i.bodyPlace(), i.body()}} {
		if found := greetings.FindString(at[1]); found != "" {
			i.add("greeting_empty", Warning, "the greeting has no name", at[0]+": "+excerpt(found))
		}
	}
}

// percentage tells whether a percent sign follows a number, as in 5%off%.
func percentage(text string, at int) bool {
	return text[at] == '%' && at > 0 && text[at-1] >= '0' && text[at-1] <= '9'
}
