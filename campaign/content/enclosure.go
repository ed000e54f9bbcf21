package content

import (
	"encoding/base64"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Enclosure is a file that travels with each message.
type Enclosure struct {
	Name      string // without controls and quotes; of an inline one letters, digits, dots, hyphens and underscores
	MediaType string // such as application/pdf
	Inline    bool   // shown where the HTML says cid:NAME; in a mail of text only it is attached
	Data      []byte
}

// enclose lays the enclosures around the text and the HTML:
//
//	mixed( alternative( text, related( HTML, inline… ) ), attached… )
func (l *layout) enclose(all []Enclosure, boundary string, html bool) {
	var inline, attached []byte
	mixed, related := boundary+"-m", boundary+"-r"
	for _, e := range all {
		if e.Inline && html {
			inline = e.appendPart(inline, related)
		} else {
			attached = e.appendPart(attached, mixed)
		}
	}
	if inline != nil {
		l.beforeHTML = []byte("\r\n--" + boundary + "\r\nContent-Type: multipart/related; type=\"text/html\";\r\n boundary=\"" + related + "\"\r\n\r\n--" + related + "\r\n" + htmlHeader)
		l.end = []byte(string(inline) + "\r\n--" + related + "--\r\n" + string(l.end))
	}
	if attached != nil {
		l.beforeText = []byte("Content-Type: multipart/mixed;\r\n boundary=\"" + mixed + "\"\r\n\r\n--" + mixed + "\r\n" + string(l.beforeText))
		l.end = []byte(strings.TrimSuffix(string(l.end), "\r\n") + string(attached) + "\r\n--" + mixed + "--\r\n")
		l.closed = true
	}
}

// appendPart writes a part behind a boundary; it begins with a line break and
// ends without one.
func (e Enclosure) appendPart(dst []byte, boundary string) []byte {
	disposition := "attachment"
	if e.Inline {
		disposition = "inline"
	}
	dst = append(dst, "\r\n--"+boundary+"\r\nContent-Type: "+e.MediaType+"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: "+disposition+";"...)
	dst = append(appendParameter(dst, "filename", e.Name), "\r\n"...)
	if e.Inline {
		dst = append(dst, "Content-ID: <"+e.Name+">\r\n"...)
	}
	dst = append(dst, "\r\n"...)
	text := base64.StdEncoding.EncodeToString(e.Data)
	for len(text) > 76 {
		dst = append(append(dst, text[:76]...), "\r\n"...)
		text = text[76:]
	}
	return append(dst, text...)
}

// appendParameter writes a parameter of a header; what is not ASCII as RFC 2231
// has it, in lines that are not too long.
func appendParameter(dst []byte, name, value string) []byte {
	plain := len(value) < 60
	for _, r := range value {
		plain = plain && r < utf8.RuneSelf && r != '"' && r != '\\'
	}
	if plain {
		return append(dst, "\r\n "+name+"=\""+value+"\""...)
	}
	// Continuations (section 3): each line a piece, cut between encoded bytes.
	encoded := []string{}
	for _, c := range []byte(value) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_' {
			encoded = append(encoded, string(rune(c)))
		} else {
			encoded = append(encoded, "%"+hexOf(c))
		}
	}
	piece, line := "utf-8''", 0
	flush := func(last bool) {
		dst = append(dst, "\r\n "+name+"*"+strconv.Itoa(line)+"*="+piece...)
		if !last {
			dst = append(dst, ';')
		}
		piece, line = "", line+1
	}
	for i, e := range encoded {
		if piece += e; len(piece) > 54 && i < len(encoded)-1 {
			flush(false)
		}
	}
	flush(true)
	return dst
}

func hexOf(c byte) string {
	const digits = "0123456789ABCDEF"
	return string([]byte{digits[c>>4], digits[c&15]})
}
