package content_test

import (
	"bytes"
	"flag"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facteur/campaign/content"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const newsletter = `<!doctype html>
<html><head><title>News</title><style>p { color: #333 }</style></head>
<body>
<h1>Dear {{ name | default: "friend" }},</h1>
<p>this week in {{ attributes.city | default: "your town" }}: caf&eacute;s &amp; <a href="https://shop.example/{{ attributes.city | url_encode }}?a=1&amp;b=2">the best shops</a>.</p>
{% if attributes.vip %}<p><b>For you:</b> 10% off.</p>{% endif %}
<table><tr><td>Tea</td><td>3 €</td></tr>{% for item in attributes.items %}<tr><td>{{ item.title }}</td><td>{{ item.price }} €</td></tr>{% endfor %}</table>
<ul>{% for t in attributes.tags %}<li>{{ t }}</li>{% endfor %}</ul>
<p>
.leading dots and a very long line that has to be cut somewhere because quoted-printable lines hold at most 76 characters
</p>
</body></html>
`

const personal = `{"city":"Saint-Étienne","vip":true,"items":[{"title":"Chess <set>","price":30}],"tags":["..","--=_facteur_1--","a\r\nb"]}`

func TestAppend_ComposesWhatTheGoldenFilesHold(t *testing.T) {
	framed := frame()
	framed.PostalAddress = "Shop SARL\n1 rue de la Poste\n42000 Saint-Étienne"
	french := framed
	french.From, french.ReplyTo = content.Address{Name: "La Boutique d'Été", Email: "news@shop.example"}, content.Address{Name: `Smith, "J"`, Email: "j@shop.example"}
	french.Footer = "Se désabonner"
	for _, c := range []struct {
		file   string
		source content.Source
		frame  content.Frame
		name   string
	}{
		{"html", content.Source{Subject: "News for {{ name }}", HTML: newsletter}, framed, "Ada Lovelace"},
		{"text", content.Source{Subject: "Plain news", Text: "Hello {{ name }},\n\n.\n-- \nBye  \n{{ attributes.city }}"}, framed, "Lovelace, Ada"},
		{"both", content.Source{Subject: "Des nouvelles de {{ attributes.city }} — vraiment pour vous seule, {{ name }}", HTML: newsletter, Text: "Bonjour {{ name }}: {{ unsubscribe_url }} {{ postal_address }}"}, french, "Ада Лавлейс"},
	} {
		m, err := content.Compile(c.source, c.frame)
		if err != nil {
			t.Fatal(err)
		}
		person := ada(personal)
		person.Name = c.name
		person.Headers = []byte("List-Unsubscribe: <https://mail.example/u/1>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n")
		message, err := m.Append([]byte("before"), person)
		if err != nil {
			t.Fatal(err)
		}
		message = bytes.TrimPrefix(message, []byte("before"))
		golden := filepath.Join("testdata", c.file+".eml")
		if *update {
			if err := os.WriteFile(golden, message, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(message, want) {
			t.Errorf("%s differs from what is composed:\n%s", golden, message)
		}
		checkMessage(t, m, person, message)
	}
}

// checkMessage reads a message back by other means than those that wrote it, and compares
// it with the plain renders.
func checkMessage(t interface {
	Helper()
	Fatalf(string, ...any)
}, m *content.Message, person *content.Recipient, message []byte,
) {
	t.Helper()
	if !bytes.HasSuffix(message, []byte("\r\n")) {
		t.Fatalf("the message does not end with CRLF")
	}
	body := false
	for i, line := range bytes.Split(bytes.TrimSuffix(message, []byte("\r\n")), []byte("\r\n")) {
		if bytes.ContainsAny(line, "\r\n\x00") {
			t.Fatalf("line %d has a bare CR, LF or NUL: %q", i+1, line)
		}
		body = body || len(line) == 0
		if len(line) > 998 || body && len(line) > 76 {
			t.Fatalf("line %d has %d bytes: %q", i+1, len(line), line)
		}
		if bytes.HasPrefix(line, []byte(".")) {
			t.Fatalf("line %d begins with a dot: %q", i+1, line)
		}
	}
	read, err := mail.ReadMessage(bytes.NewReader(message))
	if err != nil {
		t.Fatalf("net/mail: %v\n%s", err, message)
	}
	for key, values := range read.Header {
		if len(values) != 1 || strings.HasPrefix(key, "X-Evil") {
			t.Fatalf("header %s is there as %q", key, values)
		}
	}
	decoder := mime.WordDecoder{}
	subject, err := decoder.DecodeHeader(read.Header.Get("Subject"))
	plain, err2 := m.AppendSubject(nil, person)
	if err != nil || err2 != nil || !sameHeader(subject, string(plain)) {
		t.Fatalf("subject %q (%v), want %q (%v)", subject, err, plain, err2)
	}
	to, err := mail.ParseAddress(read.Header.Get("To"))
	if err != nil || to.Address != person.Email || !sameHeader(to.Name, blanked(person.Name)) {
		t.Fatalf("To %q is read as %v (%v), want %q <%s>", read.Header.Get("To"), to, err, person.Name, person.Email)
	}
	text, err := m.AppendText(nil, person)
	if err != nil {
		t.Fatalf("text: %v", err)
	}
	kind, params, err := mime.ParseMediaType(read.Header.Get("Content-Type"))
	if err != nil {
		t.Fatalf("content type: %v", err)
	}
	if kind == "text/plain" {
		got, err := io.ReadAll(quotedprintable.NewReader(read.Body))
		if err != nil || strings.TrimSuffix(string(got), "\r\n") != strings.TrimSuffix(crlf(text), "\r\n") {
			t.Fatalf("text %q (%v), want %q", got, err, text)
		}
		return
	}
	html, err := m.AppendHTML(nil, person)
	if err != nil {
		t.Fatalf("HTML: %v", err)
	}
	parts := multipart.NewReader(read.Body, params["boundary"])
	for _, want := range [][]byte{text, html} {
		part, err := parts.NextPart()
		if err != nil {
			t.Fatalf("part: %v", err)
		}
		got, err := io.ReadAll(part)
		if err != nil || string(got) != crlf(want) {
			t.Fatalf("part\n%q (%v), want\n%q", got, err, crlf(want))
		}
	}
	if _, err := parts.NextPart(); err != io.EOF {
		t.Fatalf("there is a third part (%v)", err)
	}
}

// crlf writes line ends as a message does.
func crlf(text []byte) string {
	s := strings.ReplaceAll(strings.ReplaceAll(string(text), "\r\n", "\n"), "\r", "\n")
	return strings.ReplaceAll(s, "\n", "\r\n")
}

// blanked is what a header makes of a person's text.
func blanked(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// sameHeader compares without the blanks at the ends, and what is no UTF-8 as U+FFFD.
func sameHeader(a, b string) bool {
	return strings.Trim(strings.ToValidUTF8(a, "\ufffd"), " ") == strings.Trim(strings.ToValidUTF8(b, "\ufffd"), " ")
}
