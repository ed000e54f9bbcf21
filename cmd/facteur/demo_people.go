package main

import (
	"embed"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"
)

//go:embed demo
var demoFiles embed.FS

// demoText is one of the demo's files.
func demoText(name string) string {
	text, err := demoFiles.ReadFile("demo/" + name)
	if err != nil {
		panic(err) // the program was built without it
	}
	return string(text)
}

// demoDomains are where the demo's people have their mailboxes, as often as
// they are named; the sandbox plays all of them.
var demoDomains = map[string][]string{
	"fr": strings.Fields("gmail.com gmail.com gmail.com orange.fr orange.fr orange.fr free.fr free.fr laposte.net sfr.fr yahoo.fr hotmail.fr outlook.fr icloud.com"),
	"en": strings.Fields("gmail.com gmail.com gmail.com gmail.com outlook.com hotmail.com yahoo.com icloud.com gmx.com proton.me example.co.uk"),
}

var demoCities = map[string][]string{
	"fr": {"Lyon", "Paris", "Brest", "Lille", "Nantes", "Nîmes", "Besançon", ""},
	"en": {"London", "Leeds", "Bristol", "Cork", "Edinburgh", ""},
}

// demoWord gives one in forty people a mailbox that misbehaves, by one of the
// sandbox's words: the dead, the full and the wary are on every list.
func demoWord(i int) string {
	switch i % 200 {
	case 13, 113:
		return "unknown."
	case 57:
		return "full."
	case 91:
		return "greylist."
	case 171:
		return "tempfull."
	}
	return ""
}

// demoPeople is a CSV file of n made-up people, always the same ones.
func demoPeople(n int) string {
	names := map[string][]string{}
	for line := range strings.Lines(demoText("names.txt")) {
		if words := strings.Fields(line); len(words) > 2 && words[0] != "#" {
			names[words[0]+" "+words[1]] = words[2:]
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	w := csv.NewWriter(&b)
	_ = w.Write([]string{"email", "name", "locale", "first", "city", "years"}) // into memory
	for i := range n {
		language := []string{"fr", "fr", "en"}[r.IntN(3)]
		pick := func(of []string) string { return of[r.IntN(len(of))] }
		first, family := pick(names[language+" first"]), pick(names[language+" family"])
		email := fmt.Sprintf("%s%s.%s%d@%s", demoWord(i), mailboxName(first), mailboxName(family), i, pick(demoDomains[language]))
		years := ""
		if y := r.IntN(8); y > 0 {
			years = strconv.Itoa(y)
		}
		_ = w.Write([]string{email, first + " " + family, language, first, pick(demoCities[language]), years})
	}
	w.Flush()
	return b.String()
}

// mailboxName is a name as it stands in an address: no accents, no apostrophe.
func mailboxName(name string) string {
	plain, _, err := transform.String(transform.Chain(norm.NFD, runes.Remove(runes.In(unicode.Mn)), norm.NFC), name)
	if err != nil {
		plain = name
	}
	return strings.ToLower(strings.ReplaceAll(plain, "'", ""))
}
