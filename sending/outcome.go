package sending

import (
	"errors"
	"strings"

	"facteur/internal/panics"
	"facteur/sending/reply"
	"facteur/sending/smtp"
)

// Class is what an answer is about; package reply tells it.
type Class = reply.Class

// The classes. Only the first two say that the address itself is dead; from
// BlockedReputation on it is about us and never held against the person.
const (
	NoClass           = reply.NoClass
	DeadAddress       = reply.DeadAddress
	DeadDomain        = reply.DeadDomain
	MailboxFull       = reply.MailboxFull
	Temporary         = reply.Temporary
	Content           = reply.Content
	BlockedReputation = reply.BlockedReputation
	BlockedPolicy     = reply.BlockedPolicy
	Authentication    = reply.Authentication
	Rate              = reply.Rate
	RelayFault        = reply.RelayFault
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
	Fault    bool // the program panicked at the message: nobody else's fault
}

// AboutUs tells whether the answer is about the sender or the relay rather
// than the person or the content.
func (o Outcome) AboutUs() bool { return o.Class.AboutUs() }

// OfLane tells whether the answer is about us at one mailbox provider, such as
// a pace or a reputation that it does not like: its lane slows down, and
// others go on by the same relay.
func (o Outcome) OfLane() bool {
	return (o.Stage == smtp.Rcpt || o.Stage == smtp.Body) && (o.Class == Rate || o.Class == BlockedReputation || o.Class == BlockedPolicy)
}

// Judge decides what an answer means for the message. A refusal before the
// recipient was named (RFC 5321: greeting, EHLO, AUTH, MAIL) is always about
// us, a 5xx that does not say what it is about too: giving up a person
// wrongly is worse than asking again.
func Judge(r smtp.Result) Outcome {
	o := Outcome{Stage: r.Stage, Code: r.Code, Enhanced: r.Enhanced, Text: r.Text}
	switch {
	case r.Stage == smtp.Compose && panics.Is(r.Err):
		o.Verdict, o.Class, o.Text, o.Fault = Deferred, Temporary, "the message could not be made: the program failed, its log says where", true
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
		o.Verdict, o.Class = Deferred, class(r)
	case r.Code/100 == 5:
		if o.Class = class(r); o.AboutUs() {
			o.Verdict = Deferred
		} else {
			o.Verdict = Failed
		}
	default: // a success or 3xx where none belongs
		o.Verdict, o.Class = Deferred, RelayFault
	}
	return o
}

// class says what a refusal is about. Only an answer to RCPT or to the body can
// be about the person.
func class(r smtp.Result) Class {
	c := reply.Classify(r.Code, r.Enhanced, r.Text)
	switch r.Stage {
	case smtp.Auth:
		return Authentication
	case smtp.Connect, smtp.MailCmd, smtp.Data:
		if c = reply.ByWords(r.Text); !c.AboutUs() {
			return RelayFault
		}
	case smtp.Body:
		if c == DeadAddress && !strings.HasPrefix(r.Enhanced, "5.1.") && !reply.Sure(r.Text) {
			return Temporary // filters say so too, of people who are there
		}
	}
	if c.Hard() && r.Code/100 == 4 {
		return Temporary
	}
	return c
}
