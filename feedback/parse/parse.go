package parse

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"sync"

	"facteur/sending/reply"
)

// Kind is what a mail that came back is.
type Kind string

// The kinds.
const (
	Bounce    Kind = "bounce"     // given up
	Complaint Kind = "complaint"  // reported as spam
	AutoReply Kind = "auto_reply" // nobody has read it
	Delivered Kind = "delivered"
	Delayed   Kind = "delayed" // still being tried
	None      Kind = "none"
)

// Report is what a mail says about one recipient.
type Report struct {
	Kind       Kind
	Recipient  string      // "" when it is not said
	Status     string      // RFC 3463, such as 5.1.1; "" when it is not said
	Code       int         // SMTP, such as 550; 0 when it is not said
	Class      reply.Class // of a bounce
	Diagnostic string      // in the server's words
	Feedback   string      // of a complaint: abuse, fraud, not-spam, …

	stage string // where it was said, if that is told: rcpt, data
}

// Hard tells that the address is gone for good.
func (r Report) Hard() bool { return r.Kind == Bounce && r.Class.Hard() }

// MaxMail bounds what is read of a mail, in bytes; what stands behind is left out.
const MaxMail = 2 << 20

// MaxReports bounds what one mail may say.
const MaxReports = 200

// Mail is what a mail that came back says.
type Mail struct {
	Reports  []Report // at least one, of the kind None if nothing else
	To       []string // whom the mail itself is for
	ID       string   // its own Message-ID
	Original Original
}

// Original is what is left of the mail that it is about: the signs by which we
// know our own. All of them are anybody's to forge but for their signatures.
type Original struct {
	MessageID  string   // without brackets
	MailFrom   string   // envelope sender
	FeedbackID string   // as Gmail and Yahoo ask for
	Leave      []string // addresses of List-Unsubscribe
}

// Message reads a mail. It never fails: what it cannot read is of the kind None.
func Message(r io.Reader) Mail {
	raw, _ := io.ReadAll(io.LimitReader(r, MaxMail)) // what could be read counts
	m := open(bytes.TrimLeft(raw, "\r\n"))
	var found []Report
	switch kind := m.kind(); kind {
	case Complaint:
		found = m.complaint()
	case AutoReply:
		found = []Report{{Kind: AutoReply, Recipient: addressIn(m.header.Get("From"))}}
	case Bounce:
		found = m.bounces()
	}
	if len(found) == 0 {
		found = []Report{{Kind: None}}
	}
	found = found[:min(len(found), MaxReports)]
	for i := range found {
		found[i].finish()
	}
	return Mail{Reports: found, To: m.to(), ID: bare(m.header.Get("Message-Id")), Original: m.signs()}
}

var (
	statusPattern = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?:^|[^0-9.])([245]\.\d{1,3}\.\d{1,3})(?:$|[^0-9.])`)
	})
	codePattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?:^|[^0-9.])([45]\d\d)(?:[ -#]|$)`) })
)

// finish reads codes out of the words where they were not said otherwise, and
// classes a bounce.
func (r *Report) finish() {
	r.Diagnostic, r.Recipient = clip(strings.Join(strings.Fields(r.Diagnostic), " "), 1000), clip(r.Recipient, 320)
	if inWords := statusIn(r.Diagnostic); inWords != "" && (r.Status == "" || general(r.Status)) {
		r.Status = inWords
	}
	if r.Code == 0 {
		r.Code = codeIn(r.Diagnostic)
	}
	if r.Kind == Bounce {
		r.Class = r.classed()
	}
}

// classed classes what was said. That an address is dead is believed when the
// status says so, when it was said to RCPT, or in words that leave no doubt:
// behind the body, or on the word of a gateway alone, "user unknown" is also what
// filters say.
func (r *Report) classed() reply.Class {
	c := reply.Classify(r.Code, r.Status, r.Diagnostic)
	switch {
	case c == reply.NoClass:
		return reply.RelayFault
	case strings.HasPrefix(r.Status, "4.") && c.Hard():
		return reply.Temporary
	case c == reply.DeadAddress && !strings.HasPrefix(r.Status, "5.1.") && r.stage != "rcpt" && !reply.Sure(r.Diagnostic):
		return reply.Temporary
	}
	return c
}

// stageIn is where in the dialogue a refusal came, if a text tells.
func stageIn(text string) string {
	lower := strings.ToLower(text)
	switch {
	case strings.Contains(lower, "end of data"), strings.Contains(lower, ">>> data"), strings.Contains(lower, "after data"):
		return "data"
	case strings.Contains(lower, "rcpt to"), strings.Contains(lower, "rcpt_to"), strings.Contains(lower, "smtp:rcpt"), strings.Contains(lower, "does not like recipient"):
		return "rcpt"
	}
	return ""
}

// general tells that a status says no more than its first digit.
func general(status string) bool {
	return strings.HasSuffix(status, ".0.0") || strings.HasSuffix(status, ".3.0") || strings.HasSuffix(status, ".5.0")
}

func statusIn(text string) string {
	if m := statusPattern().FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

func codeIn(text string) int {
	m := codePattern().FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	return int(m[1][0]-'0')*100 + int(m[1][1]-'0')*10 + int(m[1][2]-'0')
}

func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "")
}
