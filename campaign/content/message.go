package content

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"time"
)

// Source is a campaign's content as it was written, in the language of the package comment.
type Source struct {
	Subject string
	HTML    string // empty: a mail of text only
	Text    string // empty: made from the HTML
	// PlainHTML is what the text is made from; empty: from HTML.
	PlainHTML string
}

// Address is a mailbox as it stands in a header: UTF-8, the domain as the wire wants it.
type Address struct {
	Name  string
	Email string
}

// Frame is what is the same in every message beside the content. A line break or another
// control character in a header's field is an error, never mended.
type Frame struct {
	From          Address
	ReplyTo       Address // zero: no Reply-To
	PostalAddress string  // may have several lines; empty: none is added
	Boundary      string  // 1 to 70 characters of RFC 2046 5.1.1; may occur in the content
	Enclosures    []Enclosure
	Footer        string // words of the link that is added where a part shows none; empty: Unsubscribe
}

// Recipient is what differs from message to message. Append does not keep it, and nothing may
// change its bytes meanwhile.
type Recipient struct {
	Email          string // a non-ASCII local part stays UTF-8 (RFC 6532)
	Name           string // controls become blanks
	Locale         string
	Attributes     []byte // a JSON object, or nothing; read only as far as the template names it
	UnsubscribeURL string // empty: no link is added
	PreferencesURL string
	WebURL         string
	TrackURL       string // before the number of a link; of those who agreed to be watched
	MessageID      string // without < and >
	Date           time.Time
	Headers        []byte // ready lines, each with its CRLF
}

// Message is compiled content. It never changes, and many goroutines may use it at once.
type Message struct {
	subject, text, html *part // html is nil in a mail of text only
	names               []Variable
	layout              layout
	renders             *sync.Pool
}

// Compile checks and compiles content. Its error joins an *Error for each thing that is
// wrong. What would pass a limit for everybody is refused here, by a trial for nobody.
func Compile(s Source, f Frame) (*Message, error) {
	lines := strings.NewReplacer("\r\n", "\n", "\r", "\n")
	s = Source{lines.Replace(s.Subject), lines.Replace(s.HTML), lines.Replace(s.Text), lines.Replace(s.PlainHTML)}
	f.PostalAddress = lines.Replace(f.PostalAddress)
	m := &Message{}
	var keys []string
	faults := frameFaults(f)
	vocabulary := filters()
	compile := func(name, src string, mode mode) (*part, []token) {
		p := newParser(name, src, mode, &keys, vocabulary)
		tokens, err := p.tokenize()
		if err != nil {
			faults = append(faults, err)
			return nil, nil
		}
		p.tokens = slices.Clone(tokens)
		result, err := p.parse()
		if err != nil {
			faults = append(faults, err)
			return nil, nil
		}
		m.names = append(m.names, result.names...)
		return result.part, tokens
	}

	if strings.TrimSpace(s.Subject) == "" {
		faults = append(faults, &Error{Part: "subject", Message: "the subject is empty"})
	} else {
		m.subject, _ = compile("subject", s.Subject, modeText)
	}
	hasText, hasHTML := strings.TrimSpace(s.Text) != "", strings.TrimSpace(s.HTML) != ""
	if !hasText && !hasHTML {
		faults = append(faults, &Error{Part: "html", Message: "there is neither HTML nor text; write one of them"})
	}
	var tokens []token
	if hasHTML {
		m.html, tokens = compile("html", s.HTML, modeHTML)
	}
	switch {
	case hasText:
		m.text, _ = compile("text", s.Text, modeText)
	case m.html != nil:
		var err error
		of := s.HTML
		if s.PlainHTML != "" {
			of = s.PlainHTML
			if tokens, err = newParser("html", of, modeHTML, &keys, vocabulary).tokenize(); err != nil {
				faults = append(faults, err)
			}
		}
		if m.text, err = derive(tokens, of, &keys, vocabulary); err != nil {
			faults = append(faults, err)
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	if err := m.finish(f, keys); err != nil {
		return nil, err
	}
	return m, nil
}

// finish adds footers, lays the message out and tries it.
func (m *Message) finish(f Frame, keys []string) error {
	slots := 0
	for _, p := range m.parts() {
		slots = max(slots, p.slots)
		if p != m.subject {
			p.addFooter(f)
		}
	}
	m.renders = newRenders(keys, slots, f.PostalAddress)
	m.layout = m.lay(f)
	r := m.begin(&Recipient{})
	defer m.end(r)
	var faults []error
	for _, p := range m.parts() {
		if _, err := r.write(nil, p, false); err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

func (m *Message) parts() []*part {
	if m.html == nil {
		return []*part{m.subject, m.text}
	}
	return []*part{m.subject, m.text, m.html}
}

// Variables lists every use of a person's values, in the order of subject, HTML, text. The
// text that was made from the HTML is left out.
func (m *Message) Variables() []Variable { return slices.Clone(m.names) }

// derive makes the text part from the HTML's tokens.
func derive(tokens []token, src string, keys *[]string, vocabulary map[string]filter) (*part, error) {
	p := newParser("html", src, modeDerived, keys, vocabulary)
	p.tokens = textTokens(tokens)
	result, err := p.parse()
	if err != nil {
		return nil, &Error{Part: "text", Message: "no text could be made from the HTML (" + err.Error() + "); write a text part"}
	}
	return result.part, nil
}
