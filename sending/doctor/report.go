package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Severity says how much a finding matters.
type Severity string

// The severities, the gravest first.
const (
	Error   Severity = "error"   // mail is refused, distrusted or lost
	Warning Severity = "warning" // it may be; or nothing could be learned
	Info    Severity = "info"
	OK      Severity = "ok"
)

// rank orders severities, the gravest first.
func (s Severity) rank() int { return slices.Index([]Severity{Error, Warning, Info, OK}, s) }

// Finding is one thing that was seen.
type Finding struct {
	Check    string   `json:"check"` // which check saw it, see checkTitles
	Code     string   `json:"code"`  // stable; docs/doctor.md lists all
	Severity Severity `json:"severity"`
	About    string   `json:"about"`   // the name, address or server it is about
	Message  string   `json:"message"` // what was seen, and where
	Fix      string   `json:"fix"`     // what to do; "" where there is nothing to do
	Record   *Record  `json:"record,omitempty"`
}

// Record is a DNS record to publish.
type Record struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Value string `json:"value"`
}

// Zone is the record as a line of a zone file. A text is cut into strings of at
// most 255 bytes, as DNS wants them.
func (r Record) Zone() string {
	value := r.Value
	if r.Type == "TXT" {
		var cut []string
		for rest := value; rest != "" || len(cut) == 0; {
			n := min(len(rest), 255)
			cut = append(cut, `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(rest[:n])+`"`)
			rest = rest[n:]
		}
		value = strings.Join(cut, " ")
	}
	return r.Name + ". " + r.Type + " " + value
}

// unknown tells whether the finding says that nothing was learned.
func (f Finding) unknown() bool {
	return strings.HasSuffix(f.Code, "_unknown") || f.Code == "blocklist_refused"
}

// Report is what a check of a domain found.
type Report struct {
	Domain     string        `json:"domain"`
	ReturnPath string        `json:"return_path"`
	Egress     []string      `json:"egress"` // the addresses it was judged for
	At         time.Time     `json:"at"`
	Took       time.Duration `json:"-"`
	Findings   []Finding     `json:"findings"` // by check, the gravest first
}

// Count is how many findings have a severity.
func (r Report) Count(s Severity) (n int) {
	for _, f := range r.Findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// sort brings the findings into an order that does not depend on who answered first.
func (r *Report) sort() {
	slices.SortFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(place(a.Check), place(b.Check)), cmp.Compare(a.Severity.rank(), b.Severity.rank()),
			cmp.Compare(a.Code, b.Code), cmp.Compare(a.About, b.About), cmp.Compare(a.Message, b.Message))
	})
}

// place is where a check stands in the report.
func place(check string) int {
	return slices.IndexFunc(checkTitles(), func(t [2]string) bool { return t[0] == check })
}

// checkTitles are the checks in the order of the report, with their headings.
func checkTitles() [][2]string {
	return [][2]string{
		{"spf", "SPF of the return path"},
		{"dkim", "DKIM"},
		{"dmarc", "DMARC"},
		{"mx", "Replies (MX of the domain)"},
		{"return_path", "Bounces (MX of the return path)"},
		{"ptr", "Names of the sending addresses (PTR)"},
		{"blocklists", "Block lists"},
		{"relay", "Relay"},
		{"transport", "Encryption of incoming mail (MTA-STS, TLS-RPT)"},
	}
}

// findings gathers what one check finds.
type findings struct {
	check string
	all   []Finding
}

// add notes a finding and returns it, for a fix or a record to be put in.
func (f *findings) add(s Severity, code, about, format string, args ...any) *Finding {
	f.all = append(f.all, Finding{Check: f.check, Code: code, Severity: s, About: about, Message: fmt.Sprintf(format, args...)})
	return &f.all[len(f.all)-1]
}

// unlearned notes that a question got no answer.
func (f *findings) unlearned(code, about string, err error) {
	f.add(Warning, code, about, "Nothing was learned of %s: %s.", about, reason(err)).Fix = "Ask again in a while. If it stays so, look at the domain's name servers and at the resolver used here (FACTEUR_DNS)."
}

// has tells whether a code was found.
func (f *findings) has(code string) bool {
	return slices.ContainsFunc(f.all, func(x Finding) bool { return x.Code == code })
}

// quote shows a text of others: short, on one line, without control characters.
func quote(text string) string {
	const most = 200
	if len(text) > most {
		return fmt.Sprintf("%q…", text[:most])
	}
	return fmt.Sprintf("%q", text)
}

// printable tells whether a text of others may be part of a record to paste.
func printable(text string) bool {
	return len(text) < 2000 && !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
}
