package parse

import (
	"net/mail"
	"net/textproto"
	"regexp"
	"strings"
	"sync"
)

// typed is the value of a field such as "rfc822; ada@example.com", without its type.
func typed(value string) string {
	if kind, rest, ok := strings.Cut(value, ";"); ok && !strings.ContainsAny(kind, "@<> ") {
		return strings.TrimSpace(rest)
	}
	return strings.TrimSpace(value)
}

var addressPattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`[^\s<>()\[\],;:"']+@[^\s<>()\[\],;:"'@]+\.[^\s<>()\[\],;:"'@.]+`)
})

// addressIn is the first address in a text, "" if there is none.
func addressIn(text string) string {
	if a, err := mail.ParseAddress(text); err == nil {
		return a.Address
	}
	return strings.TrimRight(addressPattern().FindString(text), ".")
}

// bounces reads what is said about each recipient: by the report for machines,
// else by the text.
func (m *returned) bounces() []Report {
	var found []Report
	for _, block := range m.status {
		if len(found) == MaxReports {
			break
		}
		if r, ok := m.ofBlock(block); ok {
			found = append(found, r)
		}
	}
	if len(found) > 0 {
		return found
	}
	return m.ofText()
}

// ofBlock reads the fields about one recipient (RFC 3464 section 2.3).
func (m *returned) ofBlock(block textproto.MIMEHeader) (Report, bool) {
	final, given := typed(block.Get("Final-Recipient")), typed(block.Get("Original-Recipient"))
	if final == "" && given == "" {
		return Report{}, false
	}
	r := Report{Kind: Bounce, Recipient: addressIn(final), Status: statusIn(block.Get("Status")), Diagnostic: typed(block.Get("Diagnostic-Code"))}
	if r.Recipient == "" {
		r.Recipient = addressIn(given)
	}
	switch strings.ToLower(strings.Fields(block.Get("Action") + " failed")[0]) {
	case "delayed":
		r.Kind = Delayed
	case "delivered", "relayed", "expanded":
		r.Kind = Delivered
	}
	r.stage = stageIn(m.near(r.Recipient) + " " + r.Diagnostic)
	if r.Kind == Bounce && (r.Diagnostic == "" || answer(r.Diagnostic) == "") {
		if said := m.saidAbout(r.Recipient); said != "" {
			r.Diagnostic = strings.TrimSpace(r.Diagnostic + " " + said)
		}
	}
	return r, true
}

// answer is the SMTP answer in a text, "" if there is none.
func answer(text string) string {
	if at := codePattern().FindStringIndex(text); at != nil {
		return text[at[0]:]
	}
	return ""
}

// complaint reads who complained (RFC 5965 section 3), or about whose mail.
func (m *returned) complaint() []Report {
	r := Report{Kind: Complaint}
	if m.feedback != nil {
		r.Feedback = strings.ToLower(m.feedback.Get("Feedback-Type"))
		for _, to := range append(m.feedback["Original-Rcpt-To"], m.feedback["Removal-Recipient"]...) {
			if r.Recipient = addressIn(to); r.Recipient != "" {
				break
			}
		}
	}
	if r.Recipient == "" && m.original != nil {
		r.Recipient = addressIn(m.original.Get("To"))
	}
	switch r.Feedback {
	case "not-spam", "auth-failure", "dmarc", "opt-out-list":
		r.Kind = None
	}
	return []Report{r}
}
