package content

import (
	"bytes"
	"strings"
	"time"
)

// layout is the ready bytes around a person's values, in the order of the message.
type layout struct {
	beforeTo      []byte
	beforeSubject []byte // with the subject, when that is the same for all
	beforeDate    []byte
	beforeID      []byte
	afterID       []byte
	beforeText    []byte // Content-Type, after the person's own headers
	beforeHTML    []byte
	end           []byte
	closed        bool // end is needed though there is no HTML
}

const (
	textHeader = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
	htmlHeader = "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
)

func (m *Message) lay(f Frame) layout {
	l := layout{
		beforeDate: []byte("\r\nDate: "),
		beforeID:   []byte("\r\nMessage-ID: <"),
		afterID:    []byte(">\r\nMIME-Version: 1.0\r\n"),
		beforeText: []byte(textHeader),
		end:        []byte("\r\n"),
	}
	l.beforeTo = append(appendMailbox([]byte("From: "), strings.Trim(f.From.Name, " "), f.From.Email), "\r\nTo: "...)
	l.beforeSubject = []byte("\r\n")
	if f.ReplyTo != (Address{}) {
		l.beforeSubject = appendMailbox(append(l.beforeSubject, "Reply-To: "...), strings.Trim(f.ReplyTo.Name, " "), f.ReplyTo.Email)
		l.beforeSubject = append(l.beforeSubject, "\r\n"...)
	}
	l.beforeSubject = append(l.beforeSubject, "Subject: "...)
	if m.hasFixedSubject() {
		subject, _ := clean(nil, string(m.subject.nodes[0].(*literal).plain))
		l.beforeSubject = appendUnstructured(l.beforeSubject, subject)
	}
	if m.html != nil {
		begin := "--" + f.Boundary
		l.beforeText = []byte("Content-Type: multipart/alternative;\r\n boundary=\"" + f.Boundary + "\"\r\n\r\n" + begin + "\r\n" + textHeader)
		l.beforeHTML = []byte("\r\n" + begin + "\r\n" + htmlHeader)
		l.end = []byte("\r\n" + begin + "--\r\n")
	}
	if len(f.Enclosures) > 0 {
		l.enclose(f.Enclosures, f.Boundary, m.html != nil)
	}
	return l
}

func (m *Message) hasFixedSubject() bool {
	if len(m.subject.nodes) != 1 {
		return false
	}
	_, fixed := m.subject.nodes[0].(*literal)
	return fixed
}

// Append writes a person's message behind dst: headers and body with CRLF, no line beginning
// with a dot, without the lone dot that ends DATA. An error (*Error) is about this person
// only, and dst is given back as it was.
func (m *Message) Append(dst []byte, person *Recipient) ([]byte, error) {
	if err := faultOf(person); err != nil {
		return dst, err
	}
	r := m.begin(person)
	defer m.end(r)
	out, err := m.appendHeaders(dst, r)
	if err != nil {
		return dst, err
	}
	out = append(out, m.layout.beforeText...)
	if out, err = r.body(out, m.text); err != nil {
		return dst, err
	}
	if m.html != nil {
		out = append(out, m.layout.beforeHTML...)
		if out, err = r.body(out, m.html); err != nil {
			return dst, err
		}
	}
	if m.html == nil && !m.layout.closed && bytes.HasSuffix(out, m.layout.end) {
		return out, nil
	}
	return append(out, m.layout.end...), nil
}

func (m *Message) appendHeaders(dst []byte, r *render) ([]byte, *Error) {
	l, person := &m.layout, r.person
	var to string
	to, r.escaped = clean(r.escaped, person.Name)
	dst = append(dst, l.beforeTo...)
	dst = appendMailbox(dst, to, person.Email)
	dst = append(dst, l.beforeSubject...)
	if !m.hasFixedSubject() {
		subject, err := r.subject(m.subject)
		if err != nil {
			return dst, err
		}
		dst = appendUnstructured(dst, subject)
	}
	dst = append(dst, l.beforeDate...)
	dst = person.Date.AppendFormat(dst, time.RFC1123Z)
	dst = append(dst, l.beforeID...)
	dst = append(dst, person.MessageID...)
	dst = append(dst, l.afterID...)
	return append(dst, person.Headers...), nil
}

// subject renders the subject for a header; it lasts until the next print.
func (r *render) subject(p *part) (string, *Error) {
	out, err := r.write(r.plain[:0], p, false)
	if err != nil {
		return "", err
	}
	r.plain = out
	var subject string
	subject, r.escaped = clean(r.escaped, alias(out))
	return subject, nil
}

func (r *render) body(dst []byte, p *part) ([]byte, *Error) {
	start := len(dst)
	out, err := r.write(dst, p, true)
	if err != nil {
		return dst, err
	}
	return closeBody(out, start), nil
}

// faultOf refuses a person whose values would break the headers and can't be mended.
func faultOf(person *Recipient) error {
	part, fault := "to", addressFault(person.Email)
	if fault == "" {
		part, fault = "message_id", idFault(person.MessageID)
	}
	if fault == "" {
		part, fault = "headers", linesFault(person.Headers)
	}
	if fault == "" && person.Date.IsZero() {
		part, fault = "date", "the message has no date"
	}
	if fault == "" {
		return nil
	}
	return &Error{Part: part, Message: fault}
}

// AppendHTML writes the decoded HTML as the person gets it, for the preview and the web
// version. A mail of text only is shown in <pre>. Headers, id and date are not needed.
func (m *Message) AppendHTML(dst []byte, person *Recipient) ([]byte, error) {
	if m.html != nil {
		return m.show(dst, person, m.html)
	}
	text, err := m.show(nil, person, m.text)
	if err != nil {
		return dst, err
	}
	dst = append(dst, `<pre style="white-space:pre-wrap">`...)
	return append(appendEscaped(dst, alias(text)), "</pre>\n"...), nil
}

// AppendText writes the decoded text part.
func (m *Message) AppendText(dst []byte, person *Recipient) ([]byte, error) {
	return m.show(dst, person, m.text)
}

// AppendSubject writes the subject as a reader sees it: one line, not encoded.
func (m *Message) AppendSubject(dst []byte, person *Recipient) ([]byte, error) {
	r := m.begin(person)
	defer m.end(r)
	subject, err := r.subject(m.subject)
	if err != nil {
		return dst, err
	}
	return append(dst, subject...), nil
}

func (m *Message) show(dst []byte, person *Recipient, p *part) ([]byte, error) {
	r := m.begin(person)
	defer m.end(r)
	out, err := r.write(dst, p, false)
	if err != nil {
		return dst, err
	}
	return out, nil
}
