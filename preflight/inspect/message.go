package inspect

import (
	"errors"
	"fmt"
	"strings"
)

// Context is what is known beside the message. The zero value is allowed; the
// checks then know less.
type Context struct {
	Recipients     int64    // how many the campaign goes to; from [Mass] on some warnings are errors
	UnsubscribeURL string   // this recipient's link to leave; empty: any link that says so counts
	WebURL         string   // this recipient's web version
	PostalAddress  string   // as the campaign has it, one line or several; empty: anything that looks like one counts
	PublicURL      string   // facteur's own; links below it are not judged
	RelayHosts     []string // the hosts by which the mail leaves
	Locale         string   // of the content, such as fr-FR; empty: as the HTML says
	Words          []Word   // an operator's own, beside ours; see [ParseWords]
}

// Mass is the number of recipients from which a mail is a mass mail: what is a
// courtesy before is a duty then.
const Mass = 100

// maxMessage bounds what is looked at; no provider takes more.
const maxMessage = 64 << 20

// ErrNoMessage says that the bytes are no mail at all.
var ErrNoMessage = errors.New("this is no message")

// Message looks at a message as it goes to DATA (before dots are doubled). The
// error wraps [ErrNoMessage] if there is nothing that could be looked at.
func Message(raw []byte, c Context) ([]Finding, error) {
	if len(raw) == 0 {
		return nil, fmt.Errorf("%w: it is empty", ErrNoMessage)
	}
	if len(raw) > maxMessage {
		return nil, fmt.Errorf("%w: it has %d bytes, more than the %d that are looked at", ErrNoMessage, len(raw), maxMessage)
	}
	m, ok := open(raw)
	if !ok {
		return nil, fmt.Errorf("%w: it does not begin with headers", ErrNoMessage)
	}
	i := &inspection{Context: c, message: m}
	if m.html != nil {
		i.page = readPage(m.html.text)
	}
	for _, check := range []func(){
		i.lines, i.headers, i.structure, // wellformed.go
		i.sender, i.relays, i.listHeaders, // sender.go
		i.subject, i.tone, i.leftovers, // wording.go
		i.spamWords,          // words.go
		i.leaving, i.contact, // leaving.go
		i.textPart, i.preheader, // text.go
		i.markup, i.width, // markup.go
		i.hiddenText,        // look.go
		i.images, i.balance, // images.go
		i.links, i.attachments, // links.go, attachments.go
	} {
		check()
	}
	return i.findings(), nil
}

// inspection is one look at one message.
type inspection struct {
	report
	Context
	*message
	page *page // nil without an HTML part
}

// duty is the severity of what a mass mail must have.
func (i *inspection) duty() string {
	if i.Recipients >= Mass {
		return Error
	}
	return Warning
}

// ours tells whether an address leads to facteur itself.
func (i *inspection) ours(url string) bool {
	base := strings.TrimSuffix(i.PublicURL, "/")
	rest, found := strings.CutPrefix(url, base)
	return base != "" && found && (rest == "" || strings.ContainsAny(rest[:1], "/?#"))
}
