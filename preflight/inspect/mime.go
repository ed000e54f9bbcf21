package inspect

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"path"
	"strings"

	"golang.org/x/net/html/charset"
)

// Bounds of what is taken apart; what lies beyond is called malformed.
const (
	maxDepth = 10
	maxParts = 200
	maxHTML  = 2 << 20 // of text or HTML that is read; twenty times what Gmail shows
)

// message is a mail taken apart.
type message struct {
	raw    []byte
	header mail.Header
	text   *part   // the first plain text that is shown
	html   *part   // the first HTML that is shown
	files  []*part // all others, images within the text among them
	faults []string
	parts  int
}

// part is one leaf of a message.
type part struct {
	media string // text/html
	name  string // of the file, or ""
	cid   string // without < and >
	kept  bool   // it says that it is an attachment
	body  []byte // decoded
	text  string // of text parts, in UTF-8
}

// open reads the header and all parts; false: there is no header.
func open(raw []byte) (*message, bool) {
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil || len(msg.Header) == 0 {
		return nil, false
	}
	m := &message{raw: raw, header: msg.Header}
	body, err := io.ReadAll(msg.Body)
	if err != nil {
		m.fault("the body cannot be read: " + err.Error())
	}
	m.take(textproto.MIMEHeader(msg.Header), body, 0)
	return m, true
}

func (m *message) fault(what string) { m.faults = append(m.faults, what) }

// take reads an entity and all within it.
func (m *message) take(header textproto.MIMEHeader, body []byte, depth int) {
	if m.parts++; m.parts > maxParts || depth > maxDepth {
		if m.parts == maxParts+1 || depth == maxDepth+1 {
			m.fault("it has too many parts, or parts too deep within each other")
		}
		return
	}
	media, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	if header.Get("Content-Type") == "" {
		media, err = "text/plain", nil
	}
	if media == "" {
		m.fault("a Content-Type cannot be read: " + excerpt(header.Get("Content-Type")))
		media = "application/octet-stream"
	} else if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		m.fault("a Content-Type cannot be read: " + err.Error())
	}
	if strings.HasPrefix(media, "multipart/") {
		m.takeAll(params["boundary"], body, depth)
		return
	}
	decoded, err := decode(header.Get("Content-Transfer-Encoding"), body)
	if err != nil {
		m.fault("a part of type " + excerpt(media) + " cannot be decoded: " + err.Error())
	}
	disposition, values, _ := mime.ParseMediaType(header.Get("Content-Disposition")) // one that cannot be read counts as none
	p := &part{
		media: media, body: decoded, kept: disposition == "attachment",
		name: decodeHeader(firstOf(values["filename"], params["name"])),
		cid:  strings.Trim(header.Get("Content-Id"), "<> "),
	}
	if p.name != "" {
		p.name = path.Base(strings.ReplaceAll(p.name, `\`, "/"))
	}
	switch {
	case media == "text/plain" && !p.kept && p.name == "" && m.text == nil:
		p.text, m.text = m.utf8(p, params["charset"]), p
	case media == "text/html" && !p.kept && p.name == "" && m.html == nil:
		p.text, m.html = m.utf8(p, params["charset"]), p
	default:
		m.files = append(m.files, p)
	}
}

func (m *message) takeAll(boundary string, body []byte, depth int) {
	if boundary == "" {
		m.fault("a multipart has no boundary")
		return
	}
	parts := 0
	for r := multipart.NewReader(bytes.NewReader(body), boundary); m.parts <= maxParts; parts++ {
		p, err := r.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			m.fault("a multipart cannot be read to its end: " + err.Error())
			return
		}
		inner, err := io.ReadAll(p)
		if err != nil {
			m.fault("a multipart is cut off: " + err.Error())
		}
		m.take(p.Header, inner, depth+1)
	}
	if parts == 0 {
		m.fault("a multipart has no parts")
	}
}

// decode takes the transfer encoding away.
func decode(encoding string, body []byte) ([]byte, error) {
	switch encoding = strings.ToLower(strings.TrimSpace(encoding)); encoding {
	case "", "7bit":
		if i := bytes.IndexFunc(body, func(r rune) bool { return r > '~' && r != 0x7f }); i >= 0 {
			return body, errors.New("it says 7bit and has bytes above 127")
		}
		return body, nil
	case "8bit", "binary":
		return body, nil
	case "quoted-printable":
		return io.ReadAll(quotedprintable.NewReader(bytes.NewReader(body)))
	case "base64":
		clean := bytes.Map(func(r rune) rune {
			if strings.ContainsRune(" \t\r\n", r) {
				return -1
			}
			return r
		}, body)
		out := make([]byte, base64.StdEncoding.DecodedLen(len(clean)))
		n, err := base64.StdEncoding.Decode(out, clean)
		return out[:n], err
	}
	return body, errors.New("there is no transfer encoding " + excerpt(encoding))
}

// utf8 is a part's text.
func (m *message) utf8(p *part, label string) string {
	body := p.body[:min(len(p.body), maxHTML)]
	switch strings.ToLower(label) {
	case "", "us-ascii", "utf-8", "utf8":
		text := strings.ToValidUTF8(string(body), "�")
		if text != string(body) && len(body) == len(p.body) {
			m.fault("a text part of type " + p.media + " is not the UTF-8 that it says")
		}
		return strings.ReplaceAll(text, "\r\n", "\n")
	}
	coding, name := charset.Lookup(label)
	if name == "" {
		m.fault("there is no charset " + excerpt(label))
		return strings.ToValidUTF8(string(body), "�")
	}
	text, err := coding.NewDecoder().Bytes(body)
	if err != nil {
		m.fault("a text part is not the " + name + " that it says")
	}
	return strings.ReplaceAll(strings.ToValidUTF8(string(text), "�"), "\r\n", "\n")
}

// get is a header's text in UTF-8.
func (m *message) get(name string) string { return decodeHeader(m.header.Get(name)) }

// decodeHeader reads encoded words; what cannot be read stays as it is.
func decodeHeader(s string) string {
	if text, err := wordDecoder().DecodeHeader(s); err == nil {
		s = text
	}
	return strings.ToValidUTF8(s, "�")
}

// wordDecoder knows all charsets of the web.
func wordDecoder() *mime.WordDecoder { return &mime.WordDecoder{CharsetReader: charset.NewReaderLabel} }

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
