package inspect

import (
	"regexp"
	"strings"

	"golang.org/x/net/html/atom"
)

// leaveWords name the way out in the languages we know.
var leaveWords = regexp.MustCompile(`(?i)unsubscri|opt[ -]?out|stop receiving|leave (this|the) list|d[ée]s[ -]?(inscri|abonn)|ne plus recevoir|abmelde|abbestell|austragen|cancel(ar|a) la suscri|darse de baja|disiscri|annulla (la tua )?iscri|uitschrijv|afmeld`)

// leaving looks for a link to leave that can be seen, in both parts.
func (i *inspection) leaving() {
	targets := i.leaveTargets()
	var missing, foreign []string
	if i.page != nil {
		state, place := i.leavingPage(targets)
		switch state {
		case "hidden", "":
			missing = append(missing, place)
		case "foreign":
			foreign = append(foreign, place)
		}
	}
	if i.text != nil && letters(i.text.text) > 0 {
		if targetIn(targets, i.text.text) || len(targets) == 0 && leaveWords.MatchString(i.text.text) && webAddress.MatchString(i.text.text) {
			// it shows it
		} else if i.page == nil || letters(i.text.text) > poorText {
			missing = append(missing, "text part")
		}
	}
	if len(missing) > 0 {
		i.add("unsubscribe_missing", i.duty(), "no link to unsubscribe can be seen", missing...)
	}
	if len(foreign) > 0 {
		i.add("unsubscribe_foreign", i.duty(), "a link that says unsubscribe leads elsewhere", foreign...)
	}
}

// leaveTargets are the addresses at which this recipient can leave.
func (i *inspection) leaveTargets() []string {
	var all []string
	for _, t := range append(i.leaveHeaders(), i.UnsubscribeURL) {
		if strings.HasPrefix(strings.ToLower(t), "http") {
			all = append(all, t)
		}
	}
	return all
}

// leavingPage says how the HTML shows the way out: "seen", "hidden",
// "foreign" (it leads elsewhere), or not at all.
func (i *inspection) leavingPage(targets []string) (state, place string) {
	state, place = "", "HTML part: there is none"
	for _, e := range i.page.all(atom.A, atom.Area) {
		href := strings.TrimSpace(e.attr("href"))
		if href == "" {
			continue
		}
		right := targetIn(targets, href)
		shown := i.page.textOf(e)
		says := leaveWords.MatchString(shown) || leaveWords.MatchString(href)
		if !right && !says {
			continue
		}
		picture := e.DataAtom == atom.Area || i.page.pictured(e)
		switch seen := letters(shown) > 0 || picture; {
		case seen && (right || len(targets) == 0):
			return "seen", ""
		case seen && state != "hidden":
			state, place = "foreign", e.where()
		case !seen:
			why := "it has no text"
			for _, r := range i.page.runs[e.runs[0]:e.runs[1]] {
				why = firstOf(r.of.look.hidden, why)
			}
			state, place = "hidden", e.where()+" is hidden: "+why
		}
	}
	return state, place
}

// targetIn tells whether a text holds one of the targets.
func targetIn(targets []string, text string) bool {
	for _, t := range targets {
		if strings.Contains(text, t) {
			return true
		}
	}
	return false
}

// pictured tells whether a link shows an image.
func (p *page) pictured(link *element) bool {
	for _, img := range p.all(atom.Img) {
		if img.link == link && img.look.gone == "" && img.attr("src") != "" {
			return true
		}
	}
	return false
}

var (
	mailboxes = regexp.MustCompile(`[\pL\d._%+-]+@[\pL\d-]+(\.[\pL\d-]+)+`)
	phones    = regexp.MustCompile(`(?:\+\d{1,3}|\b0|\(0)[ \x{a0}.\-/()]?\d(?:[ \x{a0}.\-/()]{0,2}\d){6,12}\b|\(\d{3}\) ?\d{3}-\d{4}`)
	// A town behind its code, or before it: 69001 Lyon, CH-1003 Lausanne,
	// 1012 AB Amsterdam, Portland, OR 97204, London EC1A 1BB, Dublin D02 X285,
	// 00-950 Warszawa, 1000-001 Lisboa, Toronto ON M5V 2T6; and boxes.
	towns = []*regexp.Regexp{
		regexp.MustCompile(`\b(?:[A-Z]{1,2}-)?\d{5}\s+(?:\p{Lu}[\pL'’-]+)`),
		regexp.MustCompile(`\b[A-Z]{2}\.?,?\s+\d{5}(?:-\d{4})?\b`),
		regexp.MustCompile(`\b[A-Z]{1,2}\d[A-Z\d]?\s?\d[A-Z]{2}\b`),
		regexp.MustCompile(`\b[A-Z]\d[A-Z]\s?\d[A-Z]\d\b`),
		regexp.MustCompile(`\b[A-Z]\d[\dW]\s[A-Z\d]{4}\b`),
		regexp.MustCompile(`\b\d{4}\s[A-Z]{2}\s+\p{Lu}\pL+`),
		regexp.MustCompile(`\b(?:\d{2}-\d{3}|\d{4}-\d{3}|\d{3}\s\d{2})\s+\p{Lu}\pL+`),
		regexp.MustCompile(`(?i)\bp\.?\s?o\.?\s?box\s+\d+|\bpostfach\s+\d|\b(?:bp|cs|tsa)\s?\d{2,5}\b|\bcedex\b`),
	}
	// Four digits are a year as well: a street must stand before them.
	smallTowns = regexp.MustCompile(`(?i)(?:\brue\b|avenue|boulevard|\bstr\b|stra(?:ss|ß)e|weg\b|gasse|platz|laan\b|straat|plein|gade\b|vej\b|gatan?\b|chemin|place|route)[^\n]{0,60}[\n,]?[^\n]{0,20}\b\d{4}\s+\p{Lu}\pL+`)
)

// contact looks for the postal address and other ways to reach the sender.
func (i *inspection) contact() {
	body := i.body()
	if letters(body) == 0 {
		return // said by others
	}
	place := i.bodyPlace()
	if wanted := plain(i.PostalAddress); wanted != "" {
		if !showsAddress(body, i.PostalAddress) {
			i.add("postal_address_missing", i.duty(), "the campaign's postal address cannot be seen", place)
		}
		return
	}
	body = ends(body)
	if looksPostal(body) {
		return
	}
	reachable := mailboxes.MatchString(body) || phones.MatchString(body)
	if i.page != nil {
		for _, e := range i.page.all(atom.A) {
			href := strings.ToLower(e.attr("href"))
			if (strings.HasPrefix(href, "mailto:") || strings.HasPrefix(href, "tel:")) && letters(i.page.textOf(e)) > 0 {
				reachable = true
			}
		}
	}
	if reachable {
		i.add("postal_address_missing", Warning, "no postal address can be seen, and the campaign has none", place)
		return
	}
	i.add("contact_missing", i.duty(), "neither a postal address nor another way to reach you can be seen", place)
}

// showsAddress tells whether all lines of an address can be read in a text.
func showsAddress(body, address string) bool {
	text := " " + plain(body) + " "
	for _, line := range strings.FieldsFunc(address, func(r rune) bool { return r == '\n' || r == '\r' || r == ',' }) {
		if words := plain(line); words != "" && !strings.Contains(text, " "+words+" ") {
			return false
		}
	}
	return true
}

// ends are the beginning and the end of a long text, where senders say who they are.
func ends(text string) string {
	const each = 20_000
	if len(text) <= 2*each {
		return text
	}
	return strings.ToValidUTF8(text[:each]+"\n"+text[len(text)-each:], "")
}

func looksPostal(body string) bool {
	for _, t := range towns {
		if t.MatchString(body) {
			return true
		}
	}
	return smallTowns.MatchString(body)
}
