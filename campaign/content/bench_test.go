package content_test

import (
	"strings"
	"testing"

	"facteur/campaign/content"
)

// benchmarkSource has 11 KB of HTML with 6 variables and a condition, as the prototype had.
func benchmarkSource() content.Source {
	filler := strings.Repeat("<p style=\"margin:0\">Some text of a newsletter that says = what newsletters say, and goes on for a while.</p>\n", 100)
	return content.Source{
		Subject: "News for {{ name }}",
		HTML: "<html><body><h1>Hello {{ name | default: \"friend\" }}</h1>\n" + filler[:len(filler)/2] +
			"<p>{{ attributes.city }}, {{ attributes.company }}, {{ email }}</p>{% if attributes.vip %}<p>For you: {{ attributes.code }}</p>{% endif %}\n" +
			filler[len(filler)/2:] + "<a href=\"{{ unsubscribe_url }}\">Unsubscribe</a></body></html>\n",
		Text: "Hello {{ name }}, see the web version.\n",
	}
}

const benchmarkAttributes = `{"city":"Lyon","company":"Lovelace & Co","vip":true,"code":"ADA-10","since":"2021-03-04","score":12.5,"tags":["a","b"]}`

func BenchmarkAppend(b *testing.B) {
	m, err := content.Compile(benchmarkSource(), frame())
	if err != nil {
		b.Fatal(err)
	}
	person := ada(benchmarkAttributes)
	person.Headers = []byte("List-Unsubscribe: <https://mail.example/u/1>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nFeedback-ID: 1:2:3:facteur\r\n")
	dst, err := m.Append(nil, person)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(dst)))
	b.ReportAllocs()
	for b.Loop() {
		if dst, err = m.Append(dst[:0], person); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendHTML_LoopOverNestedAttributes(b *testing.B) {
	m, err := content.Compile(content.Source{Subject: "s", HTML: newsletter}, frame())
	if err != nil {
		b.Fatal(err)
	}
	person := ada(personal)
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		if dst, err = m.AppendHTML(dst[:0], person); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	source := benchmarkSource()
	source.Text = ""
	b.ReportAllocs()
	for b.Loop() {
		if _, err := content.Compile(source, frame()); err != nil {
			b.Fatal(err)
		}
	}
}

func TestAppend_AllocatesNothingWhenThereIsRoom(t *testing.T) {
	m, err := content.Compile(benchmarkSource(), frame())
	if err != nil {
		t.Fatal(err)
	}
	person := ada(benchmarkAttributes)
	dst := make([]byte, 0, 64<<10)
	if n := testing.AllocsPerRun(100, func() { dst, _ = m.Append(dst[:0], person) }); n > 1 {
		t.Errorf("a message costs %v allocations", n)
	}
}
