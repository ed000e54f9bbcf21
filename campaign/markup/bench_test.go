package markup_test

import (
	"os"
	"testing"

	"facteur/campaign/markup"
)

func BenchmarkMJML(b *testing.B) {
	source, err := os.ReadFile("testdata/newsletter.mjml")
	if err != nil {
		b.Fatal(err)
	}
	c := markup.NewCompiler()
	if _, err := c.MJML(string(source)); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.MJML(string(source)); err != nil {
			b.Fatal(err)
		}
	}
}

// The first mail of a process waits for the compiler.
func BenchmarkMJML_First(b *testing.B) {
	for b.Loop() {
		if _, err := markup.NewCompiler().MJML(mail("")); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkInline(b *testing.B) {
	page, err := os.ReadFile("testdata/newsletter.html") // its own rules are a few; these are a house style
	if err != nil {
		b.Fatal(err)
	}
	source := "<style>" + numbered(100, ".c%d, td.x > a.y { color: red; margin: 0 }") + "p, td, a { font: 14px/1.5 Arial; } div p { margin: 0 }</style>" + string(page)
	b.SetBytes(int64(len(source)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := markup.Inline(source); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMarkdown(b *testing.B) {
	source := filled(10_000, "## A heading\n\nSome *text* with [a link]({{ web_url }}), {{ name }}.\n\n- one\n- two\n\n")
	b.SetBytes(int64(len(source)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := markup.Markdown(source, "en"); err != nil {
			b.Fatal(err)
		}
	}
}
