package inbox

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
)

// Bounds of what is read of a mail. The box has bounded its size already.
const (
	maxParts = 50
	maxDepth = 8
)

// letter is a mail as its reader sees it.
type letter struct {
	FromName, From string
	To             string
	Subject        string
	Date           string
	Fields         []field // all, in no order of note
	Text, HTML     string
	Attachments    []string

	header mail.Header
	parts  int
}

type field struct{ Name, Value string }

// headerOf reads the header only; of a mail that has none worth the name, nothing.
func headerOf(raw []byte) letter {
	var l letter
	if m, err := mail.ReadMessage(bytes.NewReader(raw)); err == nil {
		l.head(m.Header)
	}
	return l
}

// read takes a mail apart; what cannot be read is shown as it is.
func read(raw []byte) letter {
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return letter{Subject: "(not a mail: " + err.Error() + ")", Text: string(raw)}
	}
	var l letter
	l.head(m.Header)
	l.part(m.Header.Get, m.Body, 0)
	return l
}

// shown are the header fields that the page lists, in this order.
var shown = []string{
	"From", "To", "Subject", "Date", "Message-Id", "Reply-To", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "Feedback-Id", "Content-Type",
}

func (l *letter) head(h mail.Header) {
	l.header = h
	l.Subject, l.Date, l.To = decoded(h.Get("Subject")), h.Get("Date"), decoded(h.Get("To"))
	l.From = h.Get("From")
	l.FromName = l.From
	if a, err := mail.ParseAddress(l.From); err == nil {
		l.FromName, l.From = a.Name, a.Address
		if l.FromName == "" {
			l.FromName = a.Address
		}
	}
	for _, name := range shown {
		for _, value := range h[name] {
			l.Fields = append(l.Fields, field{name, decoded(value)})
		}
	}
}

func decoded(value string) string {
	text, err := new(mime.WordDecoder).DecodeHeader(value)
	if err != nil {
		return value
	}
	return text
}

// part reads one part of the mail and those in it.
func (l *letter) part(header func(string) string, body io.Reader, depth int) {
	if l.parts++; l.parts > maxParts || depth > maxDepth {
		return
	}
	kind, params, err := mime.ParseMediaType(header("Content-Type"))
	if err != nil {
		kind = "text/plain"
	}
	if strings.HasPrefix(kind, "multipart/") && params["boundary"] != "" {
		parts := multipart.NewReader(body, params["boundary"])
		for {
			p, err := parts.NextRawPart()
			if err != nil {
				return
			}
			l.part(p.Header.Get, p, depth+1)
		}
	}
	text := contents(header("Content-Transfer-Encoding"), body)
	disposition, about, _ := mime.ParseMediaType(header("Content-Disposition"))
	switch {
	case disposition == "attachment" || !strings.HasPrefix(kind, "text/"):
		name := about["filename"]
		if name == "" {
			name = kind
		}
		l.Attachments = append(l.Attachments, name)
	case kind == "text/html" && l.HTML == "":
		l.HTML = text
	case l.Text == "":
		l.Text = text
	}
}

// contents undoes the transfer encoding, as far as it can be undone.
func contents(encoding string, body io.Reader) string {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	text, _ := io.ReadAll(body)
	return strings.ToValidUTF8(string(text), "\uFFFD")
}
