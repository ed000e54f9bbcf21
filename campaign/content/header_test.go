package content_test

import (
	"bytes"
	"strings"
	"testing"

	"facteur/campaign/content"
)

func TestAppend_FoldsAndEncodesHeaders(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("word ", 40))
	for _, c := range []struct{ subject, name, wantSubject, wantTo string }{
		{"Hello", "Ada", "Subject: Hello", "To: Ada <ada@example.org>"},
		{"Hello", "", "Subject: Hello", "To: <ada@example.org>"},
		{"a\r\nBcc: evil@example.org", "b\nX-Evil: 1", "Subject: a  Bcc: evil@example.org", `To: "b X-Evil: 1" <ada@example.org>`},
		{" \tx\x00 ", "A \"B\" \\ C.", "Subject: x", `To: "A \"B\" \\ C." <ada@example.org>`},
		{"été", "Zoë", "Subject: =?utf-8?b?w6l0w6k=?=", "To: =?utf-8?q?Zo=C3=AB?= <ada@example.org>"},
		{"a rather plain é", "=?utf-8?q?x?=", "Subject: =?utf-8?q?a_rather_plain_=C3=A9?=", "To: =?utf-8?b?PT91dGYtOD9xP3g/PQ==?= <ada@example.org>"},
		{long, "Ada", "Subject: " + strings.TrimSpace(strings.Repeat("word ", 13)) + "\r\n " + strings.TrimSpace(strings.Repeat("word ", 15)) + "\r\n " + strings.TrimSpace(strings.Repeat("word ", 12)), "To: Ada <ada@example.org>"},
		{strings.Repeat("x", 200), strings.Repeat("n", 60), "Subject: " + strings.Repeat("x", 200), "To: " + strings.Repeat("n", 60) + "\r\n <ada@example.org>"},
	} {
		m, err := content.Compile(content.Source{Subject: "{{ attributes.s }}", Text: "x"}, frame())
		if err != nil {
			t.Fatal(err)
		}
		person := ada(`{"s":` + quoteJSON(c.subject) + `}`)
		person.Name = c.name
		message, err := m.Append(nil, person)
		if err != nil {
			t.Fatal(err)
		}
		header, _, _ := bytes.Cut(message, []byte("\r\n\r\n"))
		for _, want := range []string{c.wantSubject, c.wantTo} {
			if !strings.Contains(string(header)+"\r\n", "\r\n"+want+"\r\n") {
				t.Errorf("headers\n%s\nlack\n%s", header, want)
			}
		}
		checkMessage(t, m, person, message)
	}
}

func TestAppend_KeepsAUTF8LocalPart(t *testing.T) {
	m, err := content.Compile(content.Source{Subject: "été", Text: "x"}, frame())
	if err != nil {
		t.Fatal(err)
	}
	person := ada("")
	person.Email = "zoë@example.org"
	message, err := m.Append(nil, person)
	if err != nil || !strings.Contains(string(message), "\r\nTo: Ada <zoë@example.org>\r\n") {
		t.Errorf("got %q, %v", message, err)
	}
}
