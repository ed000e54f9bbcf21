package markup_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"facteur/campaign/markup"
)

// pieces draws a text of the given pieces.
func pieces(t *rapid.T, label string, most int, from ...string) string {
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom(from), 0, most).Draw(t, label), "")
}

// liquidTags are tags of the template language with what HTML, CSS and Markdown would stumble on.
func liquidTags() []string {
	return []string{
		`{{ name }}`, `{{ x | default: "<b> & 'c' | d" }}`, `{% if a > b and c < d %}`, `{% endif %}`, `{% for x in y %}`, `{% endfor %}`,
		`{{- x -}}`, `{% assign a = "}}" %}`, `{% comment %}<p> {{ {% endcomment %}`, `{{"*_[]()!#\"}}`, "{{ a\n\n| b: \"`~\" }}", `{% # it's %}`, `{{ h | raw }}`,
	}
}

// found lists the tags in their order. They are told apart by themselves, so that this is not the package's own reading.
func found(s string) []string {
	var all []string
	for s != "" {
		next, width := -1, 0
		for _, tag := range liquidTags() {
			if i := strings.Index(s, tag); i >= 0 && (next < 0 || i < next || i == next && len(tag) > width) {
				next, width = i, len(tag)
			}
		}
		if next < 0 {
			break
		}
		all = append(all, s[next:next+width])
		s = s[next+width:]
	}
	return all
}

func TestInline_TwiceIsOnceAndKeepsTags(t *testing.T) {
	html := append(liquidTags(),
		"<p>", "</p>", "<div class='a b' id=x>", "</div>", `<td style="a:1;c:2 !important">`, "<table>", "<tr>", "</table>", "<b class=b>", "</b>", "<br/>", "text", "\n", "<!--[if mso]><p><![endif]-->",
		"<!-- c -->", `<a href="`, `">`, "<p class=\"", "'", "<li>", "<ul>", "<style>p{a:2}", "</style>", "<i style=a:3>", "<svg>", "<body class=a>", "<head>", "</head>", "&amp;", " <", "/>", "<p style='", "<title>", "<textarea>",
	)
	css := []string{
		"p", ".a", ".b", "#x", "*", "td", " ", ">", "+", "~", ",", "{a:1}", "{b:'x;}'}", "{a:2!important;c:url(a;b)}", "{a:'", "{", "}", "@media x{", "@import 'a';", "/*", "*/", ":hover", ":first-child", ":nth-child(2n+1)", "[class]", "[style]",
		":not(.a)", "\n", "\\", "\"", "(", ")", "<!--", "&", ";", ":", "--x", "{margin:0;margin-left:1px}",
	}
	rapid.Check(t, func(t *rapid.T) {
		page := pieces(t, "before", 6, html...) + "<style>" + pieces(t, "css", 12, css...) + "</style>" + pieces(t, "after", 25, html...)
		once, err := markup.Inline(page)
		if err != nil {
			return
		}
		twice, err := markup.Inline(once)
		if err != nil || twice != once {
			t.Fatalf("of   %q\nonce %q\ntwice %q\n%v", page, once, twice, err)
		}
		if a, b := strings.Join(found(page), "\x00"), strings.Join(found(once), "\x00"); a != b {
			t.Fatalf("of %q came %q: the tags were\n%q, are\n%q", page, once, a, b)
		}
	})
}
