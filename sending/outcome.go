package sending

import (
	"errors"
	"strings"

	"facteur/sending/smtp"
)

// Class is what an answer is about.
type Class string

// The classes. Only the first two say that the address itself is dead; from
// BlockedReputation on it is about us and never held against the person.
const (
	NoClass           Class = ""
	DeadAddress       Class = "dead_address"
	DeadDomain        Class = "dead_domain"
	MailboxFull       Class = "mailbox_full"
	Temporary         Class = "temporary"
	Content           Class = "content"
	BlockedReputation Class = "blocked_reputation"
	BlockedPolicy     Class = "blocked_policy"
	Authentication    Class = "authentication"
	Rate              Class = "rate"
	RelayFault        Class = "relay_fault"
)

// Verdict is what becomes of the message.
type Verdict string

// The verdicts.
const (
	Sent     Verdict = "sent"
	Deferred Verdict = "deferred" // try again later
	Failed   Verdict = "failed"
	Doubted  Verdict = "uncertain" // the answer was lost after the body had begun
)

// Outcome is an SMTP answer as a value.
type Outcome struct {
	Verdict  Verdict
	Class    Class
	Stage    smtp.Stage
	Code     int
	Enhanced string
	Text     string
}

// AboutUs tells whether the answer is about the sender or the relay rather
// than the person or the content.
func (o Outcome) AboutUs() bool {
	switch o.Class {
	case BlockedReputation, BlockedPolicy, Authentication, Rate, RelayFault:
		return true
	}
	return false
}

// Judge decides what an answer means for the message. A refusal before the
// recipient was named (RFC 5321: greeting, EHLO, AUTH, MAIL) is always about
// us, a 5xx that does not say what it is about too: giving up a person
// wrongly is worse than asking again.
func Judge(r smtp.Result) Outcome {
	o := Outcome{Stage: r.Stage, Code: r.Code, Enhanced: r.Enhanced, Text: r.Text}
	switch {
	case r.Stage == smtp.Compose:
		o.Verdict, o.Class, o.Text = Failed, Content, r.Err.Error()
	case errors.Is(r.Err, smtp.ErrUnsent):
		o.Verdict, o.Class, o.Text = Deferred, Temporary, "suspended before the body; nothing was sent"
	case r.Err != nil && r.Stage == smtp.Body:
		o.Verdict, o.Class, o.Text = Doubted, RelayFault, "answer lost: "+r.Err.Error()
	case r.Err != nil:
		o.Verdict, o.Class, o.Text = Deferred, RelayFault, r.Err.Error()
	case r.Accepted() && r.Stage == smtp.Body:
		o.Verdict = Sent
	case r.Code/100 == 4:
		o.Verdict, o.Class = Deferred, temporary(r)
	case r.Code/100 == 5:
		if o.Class = permanent(r); o.AboutUs() {
			o.Verdict = Deferred
		} else {
			o.Verdict = Failed
		}
	default: // a success or 3xx where none belongs
		o.Verdict, o.Class = Deferred, RelayFault
	}
	return o
}

// temporary classes a 4xx (RFC 3463 section 3).
func temporary(r smtp.Result) Class {
	subject := detail(r.Enhanced)
	switch {
	case r.Stage == smtp.MailCmd || r.Stage == smtp.Connect:
		return RelayFault
	case r.Stage == smtp.Auth:
		return Authentication
	case subject == "2.2" || r.Code == 452 && subject == "":
		return MailboxFull
	case r.Code == 421 || subject == "7.28" || has(r.Text, "rate limit", "too many", "too fast", "throttl"):
		return Rate
	}
	return Temporary
}

// permanent classes a 5xx.
func permanent(r smtp.Result) Class {
	switch r.Stage {
	case smtp.Auth:
		return Authentication
	case smtp.Connect, smtp.MailCmd, smtp.Data:
		return RelayFault
	}
	switch d := detail(r.Enhanced); d {
	case "1.1", "1.3", "1.6", "1.10", "2.1":
		return DeadAddress
	case "1.2", "1.10.1", "4.4":
		return DeadDomain
	case "2.2":
		return MailboxFull
	case "2.3", "3.4", "6.0", "6.1", "6.2", "6.3", "6.5", "6.6", "6.7":
		return Content
	case "7.8", "7.9", "7.13", "7.20", "7.23", "7.25", "7.26":
		return Authentication
	default:
		if strings.HasPrefix(d, "7.") {
			if has(r.Text, "reputation", "blacklist", "block list", "blocklist", "spamhaus") {
				return BlockedReputation
			}
			return BlockedPolicy
		}
	}
	if r.Stage == smtp.Rcpt && has(r.Text, "user unknown", "unknown user", "no such user", "does not exist", "unknown recipient", "no mailbox", "invalid recipient", "recipient unknown") {
		return DeadAddress
	}
	return RelayFault
}

// detail is the enhanced code without its class: "1.1" of "5.1.1".
func detail(enhanced string) string {
	_, d, _ := strings.Cut(enhanced, ".")
	return d
}

func has(text string, words ...string) bool {
	text = strings.ToLower(text)
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}
