package content_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"facteur/campaign/content"
)

func quoteJSON(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err)
	}
	return strings.TrimSpace(b.String())
}

// anyValue draws what people and importers put into fields.
func anyValue() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.String(),
		rapid.StringOfN(rapid.RuneFrom([]rune(".-= \t\r\n\x00\x7f<>&\"'?_,;@😀é\u2028{}%")), 0, 200, -1),
		rapid.Just("\r\n.\r\n"), rapid.Just("."), rapid.Just("..x\n.y"), rapid.Just("--=_facteur_1--\r\n"),
		rapid.Just("x\r\nX-Evil: 1"), rapid.Just("=?utf-8?q?=0d=0aX-Evil:_1?="),
		rapid.Just(strings.Repeat("😀", 25_000)), rapid.Just(strings.Repeat("x", 100_000)), rapid.Just(strings.Repeat(" word", 20_000)),
		rapid.Custom(func(t *rapid.T) string { return string(rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "bytes")) }),
	)
}

func TestAppend_KeepsAnyValueAndAnyMessageWhole(t *testing.T) {
	m, err := content.Compile(content.Source{
		Subject: "For {{ name }}: {{ attributes.s }}",
		HTML:    "<p>{{ name }}|{{ attributes.a }}.{{ attributes.b | raw }}{% if attributes.a %}.{{ attributes.a }}{% endif %}|\n{{ attributes.a | upcase | newline_to_br }}</p>{% for x in attributes.l %}{{ x }};\n{% endfor %}",
		Text:    "{{ attributes.a }};",
	}, frame())
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b, s := anyValue().Draw(t, "a"), anyValue().Draw(t, "b"), anyValue().Draw(t, "s")
		person := ada(`{"a":` + quoteJSON(a) + `,"b":` + quoteJSON(b) + `,"s":` + quoteJSON(s) + `,"l":[` + quoteJSON(b) + `]}`)
		person.Name = anyValue().Draw(t, "name")
		person.UnsubscribeURL = "https://mail.example/" + anyValue().Draw(t, "url")
		message, err := m.Append(nil, person)
		if err != nil {
			t.Fatalf("%v", err)
		}
		checkMessage(t, m, person, message)
		text, err := m.AppendText(nil, person)
		if err != nil || !strings.HasPrefix(string(text), strings.ToValidUTF8(a, "")) && utf8.ValidString(a) {
			t.Fatalf("the text does not begin with the value: %q, %v", text, err)
		}
	})
}

func TestCompile_KeepsAnyStaticTextWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		source := content.Source{
			Subject: rapid.StringN(1, 300, -1).Draw(t, "subject"),
			HTML:    rapid.StringN(0, 300, -1).Draw(t, "html"),
			Text:    rapid.StringN(1, 300, -1).Draw(t, "text"),
		}
		m, err := content.Compile(source, frame())
		if err != nil {
			return
		}
		person := ada("")
		message, err := m.Append(nil, person)
		if err != nil {
			t.Fatalf("%v", err)
		}
		checkMessage(t, m, person, message)
	})
}

func TestAppend_MayBeCalledByManyAtOnce(t *testing.T) {
	m, err := content.Compile(content.Source{Subject: "{{ name }}", HTML: newsletter}, frame())
	if err != nil {
		t.Fatal(err)
	}
	want, err := m.Append(nil, ada(personal))
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			var dst []byte
			for i := range 200 {
				person := ada(personal)
				if i%2 == 0 {
					person = ada(`{"city":"other","tags":["x"]}`)
					person.Name = "Other"
				}
				var err error
				if dst, err = m.Append(dst[:0], person); err != nil || i%2 == 1 && !bytes.Equal(dst, want) {
					t.Errorf("got %v\n%s", err, dst)
					return
				}
			}
		})
	}
	group.Wait()
}
