package inspect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// How bad a finding is.
const (
	Error   = "error"   // it must not be sent like this
	Warning = "warning" // somebody should decide
	Info    = "info"    // good to know
)

// Finding is one thing that was found, wherever and however often it occurs.
type Finding struct {
	Code     string // stable; one of [Codes]
	Severity string // [Error], [Warning] or [Info]
	Message  string // what is wrong, with its numbers
	Where    string // the first places, or ""
	Fix      string // what to do
}

// maxPlaces is how many places a finding names; the others are counted.
const maxPlaces = 3

// report gathers findings, one for each code.
type report struct {
	found  []Finding
	places [][]string // of each, as many as there are
}

// add says that something was found. What is said again under the same code
// keeps its first words and the worse severity.
func (r *report) add(code, severity, message string, places ...string) {
	i := slices.IndexFunc(r.found, func(f Finding) bool { return f.Code == code })
	if i < 0 {
		i = len(r.found)
		r.found = append(r.found, Finding{Code: code, Severity: severity, Message: message, Fix: fixes[code]})
		r.places = append(r.places, nil)
	}
	if rank(severity) < rank(r.found[i].Severity) {
		r.found[i].Severity = severity
	}
	r.places[i] = append(r.places[i], places...)
}

// findings are all of them, the worst first, then by code.
func (r *report) findings() []Finding {
	for i := range r.found {
		r.found[i].Where = join(r.places[i])
	}
	slices.SortFunc(r.found, func(a, b Finding) int {
		return cmp.Or(rank(a.Severity)-rank(b.Severity), cmp.Compare(a.Code, b.Code))
	})
	return r.found
}

func rank(severity string) int { return slices.Index([]string{Error, Warning, Info}, severity) }

// join names the first places and counts the others.
func join(places []string) string {
	var distinct []string
	for _, p := range places {
		if p != "" && !slices.Contains(distinct, p) && len(distinct) < maxPlaces {
			distinct = append(distinct, p)
		}
	}
	where := strings.Join(distinct, "; ")
	if more := len(places) - len(distinct); more > 0 && len(distinct) == maxPlaces {
		where += fmt.Sprintf("; and %d more", more)
	}
	return where
}

// excerpt is the beginning of a text on one line, short enough for a finding.
func excerpt(s string) string {
	if len(s) > 2000 {
		s = s[:2000]
	}
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "�")), " ")
	if utf8.RuneCountInString(s) > 80 {
		s = strings.TrimSpace(string([]rune(s)[:79])) + "…"
	}
	return s
}

// Codes are all codes that a finding may have, in the order of the alphabet.
func Codes() []string {
	codes := make([]string, 0, len(fixes))
	for code := range fixes {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	return codes
}

// fixes has every code and what to do about it.
var fixes = map[string]string{
	"attachment_encrypted":     "Do not encrypt it: filters that cannot look inside refuse it. Host the file behind a login and link to it.",
	"attachment_executable":    "Take the file out: Gmail, Outlook and most others refuse the whole mail. Host it on your site and link to the page.",
	"attachment_present":       "Put the file on your site and link to it; if it must travel along, zip it.",
	"attachment_risky":         "Send a PDF instead, or host the file on your site and link to it.",
	"attachments_heavy":        "Host the files on your site and link to them: each byte is sent once for each recipient.",
	"attachments_many":         "Send one file at most, or a zip; better host them on your site and link to a page that lists them.",
	"capitals":                 "Write in ordinary case; use bold or a larger size for what matters.",
	"contact_missing":          "Show your postal address, and a way to reach you, in the footer: set the campaign's postal address, or use {{ postal_address }}.",
	"emoji":                    "Keep a few emoji, where they say something.",
	"exclamation_marks":        "End sentences with a full stop; one exclamation mark is enough.",
	"from_domain":              "Send from an address of a domain that is yours and public, such as news@your-company.com.",
	"from_free":                "Send from an address of your own domain. A free provider's domain cannot be signed by you, and its DMARC policy has such mails refused.",
	"from_name_missing":        "Give the sender a name that recipients know: it is the first thing they see.",
	"from_noreply":             "Use an address that somebody reads: answers are a good sign to providers, and recipients need a way to reach you.",
	"greeting_empty":           "Give the variable a default: {{ name | default: \"friend\" }}, or write the greeting without a name.",
	"header_8bit":              "Encode what is not ASCII as RFC 2047 says (=?utf-8?q?…?=); mails composed by facteur are.",
	"header_duplicate":         "Keep one of them: RFC 5322 allows one, and Gmail refuses mails with several From.",
	"header_missing":           "Add the header; mails composed by facteur have it.",
	"hidden_text":              "Remove the text that nobody sees. Only a short preheader at the top may be hidden.",
	"html_broken":              "Close what is opened, in the right order; an HTML validator names the lines.",
	"html_clipped":             "Shorten the HTML below 102 kB: fewer sections, no commented-out parts, less repeated inline style. Images as links do not count.",
	"html_external_style":      "Put the styles into the mail itself; fonts from elsewhere are loaded by few programs and tell their host who reads.",
	"html_form":                "Link to a form on your site.",
	"html_frame":               "Remove the frame and link to the page.",
	"html_object":              "Remove it; show a picture that links to the page with the player.",
	"html_refresh":             "Remove the <meta http-equiv=\"refresh\"> or the <base>.",
	"html_script":              "Remove the script or the on… attribute: no mail program runs it, filters refuse it.",
	"image_alt_missing":        "Give each image an alt text that says what it shows, or alt=\"\" if it is only decoration.",
	"image_data_uri":           "Host the image and link to it, or attach it inline (cid:): Gmail and Outlook do not show data: addresses.",
	"image_heavy":              "Scale images to the width at which they are shown (twice that for sharp screens) and compress them; better host them.",
	"image_only":               "Write the message as text; keep the picture as an ornament. Whoever has images switched off sees nothing, and filters cannot read it.",
	"image_size_missing":       "Give each image a width attribute, which Outlook obeys, and a height.",
	"image_text_balance":       "Write more text, or show fewer or smaller images.",
	"image_unreachable":        "Use the full https address of the image, or attach it under the cid that is named.",
	"line_endings":             "End each line with CR LF, and nothing else.",
	"line_too_long":            "Encode the part as quoted-printable or base64, or fold the header.",
	"lang_missing":             "Write <html lang=\"en\"> with the language of the text: screen readers and translators need it.",
	"link_credentials":         "Take the name before the @ out of the link: it is how phishing hides where a link goes.",
	"link_empty":               "Give each link its full https address, or take it out.",
	"link_file_sharing":        "Host the file on your own site: file-sharing hosts are used by fraudsters, and whole mails are refused for them.",
	"link_http":                "Use https.",
	"link_ip":                  "Link to a host by its name.",
	"link_mismatch":            "Let the visible text be words, or the address to which the link really goes.",
	"link_script":              "Replace the javascript: or data: address by a web address.",
	"link_shortener":           "Use the full address: shorteners hide where a link goes, and many are on block lists.",
	"list_unsubscribe_missing": "Send List-Unsubscribe with an https address; facteur adds it to each campaign.",
	"list_unsubscribe_post":    "Send List-Unsubscribe-Post: List-Unsubscribe=One-Click; facteur adds it to each campaign.",
	"malformed":                "Compose the message anew; a mail that programs read differently is refused or shown as a jumble.",
	"postal_address_missing":   "Set the campaign's postal address, or use {{ postal_address }} in the footer.",
	"preheader_missing":        "Begin the body with a sentence that makes one want to read on, hidden or not: it stands beside the subject in the inbox.",
	"relay_free":               "Send through your own server or a relay that is made for mass mail. Mailbox and access providers cap it at a few hundred a day and block the account.",
	"reply_to_free":            "Let answers go to an address of your own domain.",
	"spam_score":               "Read the rules that weigh most: they name what SpamAssassin minds.",
	"spam_words":               "Say it in other words: what it is and what it costs, without pressure or promises.",
	"subject_capitals":         "Write the subject in ordinary case.",
	"subject_emoji":            "Keep one emoji, or none.",
	"subject_exclamation":      "Keep one exclamation mark, or none.",
	"subject_long":             "Shorten it to about 50 characters; say what matters first.",
	"subject_missing":          "Write a subject.",
	"subject_reply":            "Take Re: or Fwd: out: the mail is no answer, and to pretend so is deceit.",
	"subject_spam_words":       "Say what is in the mail, without pressure or promises.",
	"template_left":            "Replace it by a variable of facteur's, such as {{ name }}, and look at the preview.",
	"text_part_missing":        "Add a plain-text part; facteur makes one from the HTML if you write none.",
	"text_part_poor":           "Let the text part say what the HTML says; leave it empty and facteur makes it from the HTML.",
	"title_missing":            "Write a <title> in the <head>: it names the mail in browsers and for screen readers.",
	"unsubscribe_foreign":      "Let the link go to {{ unsubscribe_url }}: one that leads elsewhere does not end the subscription here.",
	"unsubscribe_missing":      "Show a link to {{ unsubscribe_url }} in both parts, in a colour and size that can be read; facteur adds one where there is none.",
	"width_fixed":              "Let the mail be 600 to 800 pixels wide at most; give larger images max-width: 100%.",
	"width_unbounded":          "Put the text into a table or block of 600 to 800 pixels: on a large screen lines grow too long to read.",
}
