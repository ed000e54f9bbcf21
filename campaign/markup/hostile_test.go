package markup_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"facteur/campaign/markup"
)

// allocated is how many bytes a call takes from the heap, all in all, which tells of its work as well as a clock
// does, but is the same on a busy machine.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// filled repeats a text up to a size.
func filled(size int, text string) string { return strings.Repeat(text, size/len(text)) }

// numbered joins texts that differ by their number.
func numbered(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

func TestMJML_IsBoundedForHostileSources(t *testing.T) {
	const size = 250_000
	head := func(head, body string) string {
		return "<mjml><mj-head>" + head + "</mj-head><mj-body>" + body + "</mj-body></mjml>"
	}
	c := markup.NewCompiler()
	small := column("<mj-text>x</mj-text>")
	if _, err := c.MJML(small); err != nil { // warm
		t.Fatal(err)
	}
	honest := allocated(func() { _, _ = c.MJML(small) })
	for name, source := range map[string]string{
		"nesting":             "<mjml><mj-body>" + filled(size, "<mj-wrapper><mj-section>"),
		"sections in columns": mail(filled(size, "<mj-section><mj-column>")),
		"elements":            mail(filled(size, "<mj-section/>")),
		"comments":            mail(filled(size, "<!---->")),
		"deep HTML":           column("<mj-text>" + filled(size, "<div>") + "</mj-text>"),
		"same name in HTML":   column("<mj-text>" + filled(size, "<mj-text>")),
		"a long text":         column("<mj-text>" + filled(size, "ä\u2028𝒳 ") + "</mj-text>"),
		"conditions":          column("<mj-text>" + filled(size, "<!--[if mso | IE]>") + "</mj-text>"),
		"ends of conditions":  column("<mj-text>" + filled(size, "<![endif]--> ") + "</mj-text>"),
		"font families":       head("<mj-font name='a' href='b'/>", "<mj-raw>"+filled(size, `"font-family:a`)+"</mj-raw>"),
		"a font's pattern":    head("<mj-font name='(?=(a+)+$)' href='b'/>", "<mj-raw>"+filled(size, "font-family:aaaa")+"</mj-raw>"),
		"fonts":               head(numbered(5_000, "<mj-font name='f%d' href='b'/>"), "<mj-raw>font-family:f1</mj-raw>"),
		"a script":            head("<mj-raw><script>for(;;){}</script></mj-raw>", "<mj-raw><script>for(;;){}</script></mj-raw>"),
		"a file":              mail(`<mj-include path="/etc/passwd" /><mj-include path="file:///dev/zero" type="css" />`),
		"attributes for all":  head("<mj-attributes><mj-all "+numbered(90, `a%d="`+strings.Repeat("x", 400)+`" `)+"/></mj-attributes>", filled(10_000, "<mj-section/>")),
		"attributes":          mail("<mj-section " + numbered(20_000, "a%d=b ") + "/>"),
		"classes":             head("<mj-attributes>"+numbered(400, `<mj-class name="c%d" color="red"/>`)+"</mj-attributes>", "<mj-section mj-class='"+numbered(400, "c%d ")+"'/>"),
		"a class handed down": head(`<mj-attributes><mj-class name="c">`+filled(200_000, `<mj-column padding="1px"/>`)+"</mj-class></mj-attributes>", "<mj-section mj-class='c'>"+filled(10_000, "<mj-column/>")+"</mj-section>"),
		"a long value":        mail("<mj-section padding='" + filled(size, "1px ") + "'/>"),
		"a long address":      column("<mj-image src='" + filled(size, "x") + "'/>"),
		"images":              column("<mj-carousel>" + filled(size, "<mj-carousel-image src='a'/>") + "</mj-carousel>"),
		"CSS to inline":       head("<mj-style inline='inline'>"+filled(100_000, "div{a:b}")+"</mj-style>", "<mj-raw>"+filled(100_000, "<div></div>")+"</mj-raw>"),
		"values":              column("<mj-text>" + filled(size, "{{a}}") + "</mj-text>"),
		"values between":      column(filled(size, "{{a}}")),
		"a title":             head("<mj-title>"+filled(size, "x")+"</mj-title>", ""),
		"spaces":              filled(size, " ") + mail(""),
		"tags that close":     mail(filled(size, "</mj-section>")),
		"less-than signs":     mail(filled(size, "<")),
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			var page string
			var err error
			bytes := allocated(func() { page, err = c.MJML(source) })
			if bytes > honest+24<<20 {
				t.Errorf("takes %d kB, a small mail %d kB; %v", bytes>>10, honest>>10, err)
			}
			t.Logf("%d kB, %v, page of %d, %.80v", bytes>>10, time.Since(start).Round(time.Millisecond), len(page), err)
		})
	}
}

func TestInline_IsBoundedForHostilePages(t *testing.T) {
	const size = 500_000
	style := func(css, page string) string { return "<style>" + css + "</style>" + page }
	for name, page := range map[string]string{
		"selectors":            style(filled(size, "p,"), filled(size, "<p>")),
		"rules times elements": style(filled(size, "p{a:b}"), filled(60_000, "<p>")),
		"descendants":          style(strings.Repeat(strings.Repeat("b ", 60)+"{a:b}", 100), strings.Repeat("<b>", 250)+filled(size, "<i></i>")),
		"siblings":             style("i:nth-last-child(2n+1){a:b}i~i~i~i~i{c:d}", filled(100_000, "<i></i>")),
		"classes":              style(numbered(5_000, ".c%d{a:b}"), `<p class="`+numbered(50_000, "c%d ")+`">`),
		"not":                  style("p"+filled(10_000, ":not(.a)")+"{a:b}", filled(60_000, "<p>")),
		"declarations":         style("p{"+filled(300_000, "a:b;")+"}p{"+filled(100_000, "a:c;")+"}", filled(60_000, "<p>")),
		"a large value":        style("*{a:"+filled(100_000, "x")+"}", filled(60_000, "<p>")),
		"sheets":               filled(size, "<style>p{a:b}</style>") + "<p>",
		"sheets in blocks":     filled(size, "{% if a %}<style>p{a:b}</style>"),
		"unclosed braces":      style(filled(size, "p{"), "<p>"),
		"unclosed brackets":    style(filled(size, "p["), "<p>"),
		"unclosed strings":     style(filled(size, "p{a:'\n"), "<p>"),
		"unclosed comments":    style(filled(size, "/*"), "<p>"),
		"unclosed tags":        style("p{a:b}", filled(size, "<p ")),
		"end tags":             style("p{a:b}", strings.Repeat("<table><td>", 60)+"<b>"+strings.Repeat("<table><td>", 60)+filled(size, "</b>")),
		"comments":             style("p{a:b}", filled(size, "<!--[if mso]>")),
		"Outlook's elements":   style(filled(100_000, "p{a:b}"), "<!--[if mso]>"+filled(300_000, "<p>")+"<![endif]--><p>"),
		"attributes":           style("p{a:b}", "<p "+numbered(80_000, "a%d ")+">"),
		"blocks":               style("p{a:b}", filled(size, "{% if a %}<p>{% endif %}")),
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			var err error
			bytes := allocated(func() { _, err = markup.Inline(page) })
			if most := uint64(len(page)*60 + 16<<20); bytes > most {
				t.Errorf("a page of %d kB takes %d kB; %v", len(page)>>10, bytes>>10, err)
			}
			t.Logf("%d kB of %d kB, %v, %.80v", bytes>>10, len(page)>>10, time.Since(start).Round(time.Millisecond), err)
		})
	}
}

func TestMarkdown_IsBoundedForHostileSources(t *testing.T) {
	const size = 128 << 10
	honest := allocated(func() {
		_, _ = markup.Markdown(filled(size, "Some *honest* text, https://a.example and https://b.example in it.\n\n")[:60_000], "en")
	})
	for name, source := range map[string]string{
		"quotes": filled(size, "> "), "lists": filled(size, "- "), "numbers": filled(size, "1. "), "quotes and lists": filled(size, ">- "),
		"brackets": filled(size, "["), "links": filled(size, "[a]("), "images": filled(size, "!["), "references": filled(size, "[a]: b\n"),
		"stars": filled(size, "*a **b "), "underscores": filled(size, "_a_"), "tildes": filled(size, "~a~"), "hashes": filled(size, "# "),
		"backticks": func() string {
			var b strings.Builder
			for i := 1; b.Len() < size-600; i++ {
				b.WriteString(strings.Repeat("`", i) + " ")
			}
			return b.String()
		}(),
		"a table": strings.Repeat("|a", 2_000) + "\n" + strings.Repeat("|-", 2_000) + filled(100_000, "\na"),
		"rows":    "|a|b\n|-|-" + filled(100_000, "\na"), "delimiters": filled(size, "|-|-\n"), "heads": filled(size, "|x\n|-\n"),
		"underlines": filled(size, "a\n=\n"), "fences": filled(size, "```\n"), "lines": filled(size, "a\n"), "less-than signs": filled(size, "<"), "comments": filled(size, "<!--"),
		"lines of tags": filled(size, "{%a%}\n"), "values": filled(size, "{{a}}"), "addresses": filled(size, "http://a.b "), "entities": filled(size, "&amp;"),
		"steps": func() string {
			var b strings.Builder
			for i := 0; b.Len() < size-1_000; i++ {
				b.WriteString(strings.Repeat("  ", i) + "- a\n")
			}
			return b.String()
		}(),
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			var err error
			bytes := allocated(func() { _, err = markup.Markdown(source, "en") })
			if bytes > 10*honest {
				t.Errorf("takes %d kB, an honest mail %d kB; %v", bytes>>10, honest>>10, err)
			}
			t.Logf("%d kB, honest %d kB, %v, %.80v", bytes>>10, honest>>10, time.Since(start).Round(time.Millisecond), err)
		})
	}
}
