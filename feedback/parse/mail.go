package parse

import (
	"bufio"
	"bytes"
	"io"
	"net/textproto"
	"strings"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // all that people's programs use
)

// returned is a mail that came back, taken apart.
type returned struct {
	header   message.Header
	text     string                 // for people, of all parts before the original
	status   []textproto.MIMEHeader // blocks of message/delivery-status
	feedback textproto.MIMEHeader   // of message/feedback-report
	original textproto.MIMEHeader   // header of the mail that it is about
}

// Bounds of what is taken apart.
const (
	mostParts = 50
	mostText  = 64 << 10
	deepest   = 8
)

// open takes a mail apart; what is broken is read as text.
func open(raw []byte) *returned {
	m := &returned{}
	if bytes.HasPrefix(raw, []byte("From ")) { // as it stands in an mbox
		_, raw, _ = bytes.Cut(raw, []byte("\n"))
	}
	e, err := message.Read(bytes.NewReader(raw))
	if e == nil || err != nil && !message.IsUnknownCharset(err) && !message.IsUnknownEncoding(err) {
		m.text = clip(string(raw), mostText)
		return m
	}
	m.header = e.Header
	parts := 0
	m.take(e, 0, &parts)
	if strings.TrimSpace(m.text) == "" { // its parts cannot be told apart: all of it is text
		if _, body, ok := bytes.Cut(bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")), []byte("\n\n")); ok {
			m.text = clip(strings.ToValidUTF8(string(body), "\ufffd"), mostText)
		}
	}
	if len(m.status) == 0 && strings.Contains(strings.ToLower(m.text), "\nfinal-recipient:") {
		m.status = blocks(strings.NewReader(m.text))
	}
	if m.original == nil {
		m.original = quotedOriginal(m.text)
	}
	return m
}

// take reads a part and those inside it.
func (m *returned) take(e *message.Entity, depth int, parts *int) {
	if *parts++; *parts > mostParts || depth > deepest {
		return
	}
	if r := e.MultipartReader(); r != nil {
		for {
			part, err := r.NextPart()
			if part == nil || err != nil && !message.IsUnknownCharset(err) && !message.IsUnknownEncoding(err) {
				return
			}
			m.take(part, depth+1, parts)
		}
	}
	kind, _, _ := e.Header.ContentType()
	body := io.LimitReader(e.Body, mostText)
	switch kind = strings.ToLower(kind); {
	case kind == "message/delivery-status", kind == "message/global-delivery-status":
		m.status = append(m.status, blocks(body)...)
	case kind == "message/feedback-report":
		if all := blocks(body); len(all) > 0 {
			m.feedback = all[0]
		}
	case kind == "message/rfc822", kind == "text/rfc822-headers", kind == "message/rfc822-headers", kind == "message/global", kind == "message/global-headers":
		if m.original == nil {
			m.original, _ = textproto.NewReader(bufio.NewReader(body)).ReadMIMEHeader() // as far as it can be read
		}
	case kind == "text/html":
		if text, _ := io.ReadAll(body); m.text == "" {
			m.text = stripped(string(text))
		}
	case strings.HasPrefix(kind, "text/"), kind == "":
		text, _ := io.ReadAll(body)
		m.text = clip(m.text+"\n"+strings.ToValidUTF8(string(text), "\ufffd"), mostText)
	}
}

// blocks are groups of fields with empty lines between them (RFC 3464 section 2.1).
func blocks(r io.Reader) (all []textproto.MIMEHeader) {
	text, _ := io.ReadAll(r)
	body := strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n"))
	for _, block := range strings.Split(body, "\n\n") {
		if strings.TrimSpace(block) == "" {
			continue
		}
		fields := textproto.MIMEHeader{}
		var last string
		for _, line := range strings.Split(block, "\n") {
			name, value, ok := strings.Cut(line, ":")
			switch {
			case line != "" && (line[0] == ' ' || line[0] == '\t') && last != "":
				values := fields[last]
				values[len(values)-1] += " " + strings.TrimSpace(line)
			case ok && name != "" && !strings.ContainsAny(name, " \t"):
				last = textproto.CanonicalMIMEHeaderKey(name)
				fields[last] = append(fields[last], strings.TrimSpace(value))
			}
		}
		if len(fields) > 0 {
			all = append(all, fields)
		}
		if len(all) > MaxReports {
			break
		}
	}
	return all
}

// quotedOriginal is the header of the original where it stands in the text.
func quotedOriginal(text string) textproto.MIMEHeader {
	_, rest, ok := cutOriginal(text)
	if !ok {
		return nil
	}
	rest = strings.TrimLeft(rest, "-= \t\r\n")
	if _, after, found := strings.Cut(rest, "\n\n"); found && !strings.Contains(strings.SplitN(rest, "\n", 2)[0], ": ") {
		rest = after
	}
	h, _ := textproto.NewReader(bufio.NewReader(strings.NewReader(clip(rest, 64<<10) + "\n\n"))).ReadMIMEHeader()
	return h
}

// stripped is HTML without its tags.
func stripped(html string) string {
	var b strings.Builder
	inside := false
	for _, r := range html {
		switch {
		case r == '<':
			inside = true
			b.WriteByte('\n')
		case r == '>':
			inside = false
		case !inside:
			b.WriteRune(r)
		}
	}
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&", "&nbsp;", " ", "&quot;", `"`).Replace(b.String())
}
