package inspect

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/net/html/atom"
	"golang.org/x/text/unicode/norm"
)

//go:embed words/en.txt
var englishText string

//go:embed words/fr.txt
var frenchText string

var (
	english = sync.OnceValue(func() []Word { return mustWords(englishText) })
	french  = sync.OnceValue(func() []Word { return mustWords(frenchText) })
)

// Word is a word or phrase that filters and people know from spam.
type Word struct {
	Weight int    // 1: honest mails have it too … 5: hardly any honest mail has it
	Phrase string // in any case and with or without accents; a "*" at the end: any ending
}

// ParseWords reads a list such as words/en.txt: a line for each phrase,
// "weight phrase"; "#" begins a remark.
func ParseWords(text string) ([]Word, error) {
	var all []Word
	n := 0
	for line := range strings.Lines(text) {
		n++
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		number, phrase, _ := strings.Cut(line, " ")
		weight, err := strconv.Atoi(number)
		if err != nil || weight < 1 || weight > 5 || plain(phrase) == "" {
			return nil, fmt.Errorf("line %d of the words: want a weight from 1 to 5, a blank and a phrase: %s", n, excerpt(line))
		}
		all = append(all, Word{weight, strings.TrimSpace(phrase)})
	}
	return all, nil
}

func mustWords(text string) []Word {
	all, err := ParseWords(text)
	if err != nil {
		panic(err) // embedded above
	}
	return all
}

// Weights from which there is a finding, and what light words count together
// at most: a shop that says "free", "offer" and "last chance" is no spammer. A
// phrase of the greatest weight is enough by itself.
const (
	bodyWeight    = 7
	subjectWeight = 4
	lightWeight   = 2
	enoughWeight  = 5
)

// spamWords weighs subject and body.
func (i *inspection) spamWords() {
	lists := i.wordLists()
	weigh := func(code, what, text string, limit int) {
		if weight, heaviest, found := weighWords(text, lists); weight >= limit || heaviest >= enoughWeight {
			i.add(code, Warning, fmt.Sprintf("the words of the %s weigh %d; they look like spam from %d on, or with one of %d", what, weight, limit, enoughWeight), found...)
		}
	}
	weigh("subject_spam_words", "subject", i.get("Subject"), subjectWeight)
	weigh("spam_words", "body", i.body(), bodyWeight)
}

// wordLists are those of the message's language, else both; and the operator's.
func (i *inspection) wordLists() []Word {
	language, _, _ := strings.Cut(strings.ToLower(i.language()), "-")
	lists := slices.Clone(i.Words)
	if language != "fr" {
		lists = append(lists, english()...)
	}
	if language != "en" {
		lists = append(lists, french()...)
	}
	return lists
}

// language is that of the content, as far as somebody says.
func (i *inspection) language() string {
	if i.Locale != "" || i.page == nil {
		return strings.ReplaceAll(i.Locale, "_", "-")
	}
	for _, e := range i.page.all(atom.Html, atom.Body) {
		if lang := e.attr("lang"); lang != "" {
			return lang
		}
	}
	return ""
}

// weighWords sums up the phrases that occur; each counts once, a phrase within
// a longer one not at all. The heaviest are named first.
func weighWords(text string, lists []Word) (weight, heaviest int, found []string) {
	text = " " + plain(text) + " "
	light := 0
	var seen []string
	var hits []Word
	lists = slices.Clone(lists)
	slices.SortStableFunc(lists, func(a, b Word) int { return len(b.Phrase) - len(a.Phrase) })
	for _, w := range lists {
		phrase, prefix := strings.CutSuffix(w.Phrase, "*")
		phrase = " " + plain(phrase)
		if !prefix {
			phrase += " "
		}
		inside := slices.ContainsFunc(seen, func(s string) bool { return strings.Contains(s, strings.TrimSpace(phrase)) })
		if phrase == " " || inside || !strings.Contains(text, phrase) {
			continue
		}
		seen = append(seen, phrase)
		hits = append(hits, w)
		heaviest = max(heaviest, w.Weight)
		if w.Weight == 1 {
			light++
		} else {
			weight += w.Weight
		}
	}
	slices.SortStableFunc(hits, func(a, b Word) int { return b.Weight - a.Weight })
	for _, w := range hits {
		found = append(found, fmt.Sprintf("%s (%d)", w.Phrase, w.Weight))
	}
	return weight + min(light, lightWeight), heaviest, found
}

// plain is a text as words with single blanks between them: lower case, no
// accents, nothing invisible in between, apostrophes as blanks.
func plain(s string) string {
	var b strings.Builder
	blank := true
	for _, r := range norm.NFKD.String(strings.ToLower(s)) {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), strings.ContainsRune("%$€£", r):
			b.WriteRune(r)
			blank = false
		case unicode.Is(unicode.Mn, r), unicode.Is(unicode.Cf, r): // accents, zero width
		case !blank:
			b.WriteByte(' ')
			blank = true
		}
	}
	return strings.TrimSpace(b.String())
}
