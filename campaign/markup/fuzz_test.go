package markup_test

import (
	"errors"
	"strings"
	"testing"

	"facteur/campaign/markup"
)

func FuzzMarkdown(f *testing.F) {
	f.Add("# a {{ b }}\n\n{% if c %}\n- d\n{% endif %}\n\n| e | f |\n|--|:-:|\n{% for g in h %}\n| {{ i | append: \"|\" }} | `j` |\n{% endfor %}\n\n[k]({{ l }}) ![m](n \"o\") https://p.example/{{ q }}")
	f.Add("> 1. a\n>    ```x\n>    b\n> - c\n***\n[d][e]\n\n[e]: <f> 'g'\nh\n===\ni  \n~~j~~ &amp; <k@l.m> \\< *a **b*** _c_")
	f.Fuzz(func(t *testing.T, source string) {
		page, err := markup.Markdown(source, "en")
		if err != nil {
			var fault *markup.Error
			if !errors.As(err, &fault) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		if again, err := markup.Inline(page); err != nil || again != page {
			t.Fatalf("of %q: inlining once more: %v\n%s", source, err, again)
		}
	})
}

func FuzzMJML(f *testing.F) {
	c := markup.NewCompiler()
	for _, body := range []string{
		`<mj-section css-class="a"><mj-column width="50%"><mj-text color="{{ a }}">b <b>c</b></mj-text>{% if d %}<mj-image src="{{ e }}"/>{% endif %}</mj-column></mj-section>`,
		`<mj-wrapper><mj-section><mj-group><mj-column><mj-button href='x'>y</mj-button><mj-divider/><mj-spacer/><mj-table>z</mj-table></mj-column></mj-group></mj-section></mj-wrapper><!-- f -->`,
		`<mj-hero mode="fixed-height" height="1px"><mj-navbar hamburger="hamburger"><mj-navbar-link href="a">b</mj-navbar-link></mj-navbar></mj-hero>`,
		`<mj-section><mj-column><mj-carousel><mj-carousel-image src="a"/></mj-carousel><mj-accordion><mj-accordion-element><mj-accordion-title>a</mj-accordion-title></mj-accordion-element></mj-accordion><mj-social><mj-social-element name="github"/></mj-social></mj-column></mj-section>`,
	} {
		f.Add(`<mj-title>t</mj-title><mj-attributes><mj-all color="red"/><mj-class name="a" padding="1px"><mj-text align="left"/></mj-class></mj-attributes><mj-style inline="inline">.a p{b:c}</mj-style><mj-font name="f" href="g"/>`, body)
	}
	f.Fuzz(func(t *testing.T, head, body string) {
		page, err := c.MJML("<mjml><mj-head>" + head + "</mj-head><mj-body>" + body + "</mj-body></mjml>")
		var fault *markup.Error
		if err != nil && (!errors.As(err, &fault) || page != "") {
			t.Fatalf("an error of another kind: %v", err)
		}
		if err != nil && (strings.Contains(err.Error(), "compiler failed") || strings.Contains(err.Error(), "took longer")) {
			t.Fatalf("the compiler: %v", err)
		}
	})
}

func FuzzInline(f *testing.F) {
	f.Add("<style>p{color:red}.a>b+i~u{margin:0 !important}@media x{p{a:b}}</style><p style='a:b' class=a>{{ x }}<b></b><i>")
	f.Add("<!doctype html><html><head><style><!-- a:hover,td:nth-child(2n+1),[href^='x']{font:\"a\";b:url(c)} --></style></head><body><table><td><td>{% if x %}<!--[if mso]><td><![endif]-->")
	f.Add("<STYLE media=all>*{--x:1;*zoom:1}\\41 {b:c}</STYLE><p style=a:b;c><img/ style><svg><path/></svg></p>")
	f.Fuzz(func(t *testing.T, page string) {
		once, err := markup.Inline(page)
		if err != nil {
			var fault *markup.Error
			if !errors.As(err, &fault) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		if twice, err := markup.Inline(once); err != nil || twice != once {
			t.Fatalf("of   %q\nonce %q\ntwice %q\n%v", page, once, twice, err)
		}
	})
}
