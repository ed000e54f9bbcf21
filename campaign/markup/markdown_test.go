package markup_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"facteur/campaign/content"
	"facteur/campaign/markup"
)

// text is what stands in the frame, without the styles.
func text(t *testing.T, page string) string {
	t.Helper()
	_, body, ok := strings.Cut(page, `role="article"`)
	_, body, also := strings.Cut(body, ">\n")
	body, _, ended := strings.Cut(body, "\n</div>\n<!--[if mso]>")
	if !ok || !also || !ended {
		t.Fatalf("no frame in %s", page)
	}
	for {
		before, rest, found := strings.Cut(body, ` style="`)
		_, rest, ended := strings.Cut(rest, `"`)
		if !found || !ended {
			return body
		}
		body = before + rest
	}
}

func TestMarkdown(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"text":                {"# A\n\nb *c* **d** ~~e~~ `f`  \ng & h", "<h1>A</h1>\n<p>b <em>c</em> <strong>d</strong> <del>e</del> <code>f</code><br>\ng &amp; h</p>"},
		"nothing":             {"", ""},
		"links":               {"[a](https://b.example/?c&d \"e\") https://f.example/g <h@i.example> [x](javascript:alert(1))", `<p><a href="https://b.example/?c&amp;d" title="e">a</a> <a href="https://f.example/g">https://f.example/g</a> <a href="mailto:h@i.example">h@i.example</a> <a href="">x</a></p>`},
		"a table":             {"| a | b |\n|---|--:|\n| c \\| d | e |", "<table>\n<thead>\n<tr>\n<th scope=\"col\">a</th>\n<th scope=\"col\">b</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n<td>c | d</td>\n<td>e</td>\n</tr>\n</tbody>\n</table>"},
		"signs":               {"a < b > c \\<b> 1<2 <3", "<p>a &lt; b &gt; c &lt;b&gt; 1&lt;2 &lt;3</p>"},
		"values":              {"{{ name | default: \"<b> & 'c'\" }} *{{ a }}*{{ b }} `{{ c }}`", "<p>{{ name | default: \"<b> & 'c'\" }} <em>{{ a }}</em>{{ b }} <code>{{ c }}</code></p>"},
		"values on lines":     {"{{ a }}\n{{ b }}", "<p>{{ a }}\n{{ b }}</p>"},
		"values over lines":   {"a {{ b\n\n| default: \"\n# x\" }} c", "<p>a {{ b\n\n| default: \"\n# x\" }} c</p>"},
		"values in links":     {"[a]({{ web_url }}) [{{ b }}](<{{ c }}> \"{{ d }}\") https://x.example/{{ e | url_encode }}?f={{ g }} ![{{ h }}]({{ i | append: \")\" }})\n\n[j][k]\n\n[k]: {{ l }}", `<p><a href="{{ web_url }}">a</a> <a href="{{ c }}" title="{{ d }}">{{ b }}</a> <a href="https://x.example/{{ e | url_encode }}?f={{ g }}">https://x.example/{{ e | url_encode }}?f={{ g }}</a> <img src="{{ i | append: ")" }}" alt="{{ h }}"></p>` + "\n" + `<p><a href="{{ l }}">j</a></p>`},
		"tags in a line":      {"a {% if b < c %}**d**{% else %}e{% endif %} f", "<p>a {% if b < c %}<strong>d</strong>{% else %}e{% endif %} f</p>"},
		"tags on lines":       {"a\n{% if b %}\nc\n{% else %} {% # x %}\n- d\n{% endif %}\ne", "<p>a</p>\n{% if b %}\n<p>c</p>\n{% else %} {% # x %}\n<ul>\n<li>d</li>\n</ul>\n{% endif %}\n<p>e</p>"},
		"tags in a list":      {"- a\n\n  {% if b %}\n  c\n  {% endif %}\n- {% if d %}e{% endif %}", "<ul>\n<li>\n<p>a</p>\n{% if b %}\n<p>c</p>\n{% endif %}\n</li>\n<li>\n<p>{% if d %}e{% endif %}</p>\n</li>\n</ul>"},
		"tags in a quote":     {"> {% if a %}\n> b\n> {% endif %}", "<blockquote>\n{% if a %}\n<p>b</p>\n{% endif %}\n</blockquote>"},
		"rows in a loop":      {"| a |\n|---|\n{% for b in attributes.c %}\n| {{ b | append: \"|\" }} |\n{% endfor %}\n\nd", "<table>\n<thead>\n<tr>\n<th scope=\"col\">a</th>\n</tr>\n</thead>\n<tbody>\n{% for b in attributes.c %}\n<tr>\n<td>{{ b | append: \"|\" }}</td>\n</tr>\n{% endfor %}\n</tbody>\n</table>\n<p>d</p>"},
		"rows in a condition": {"| a | b |\n|---|---|\n| {% if c %} | |\n| d | e |\n{% endif %}\n| f | g |", "<table>\n<thead>\n<tr>\n<th scope=\"col\">a</th>\n<th scope=\"col\">b</th>\n</tr>\n</thead>\n<tbody>\n{% if c %}\n<tr>\n<td>d</td>\n<td>e</td>\n</tr>\n{% endif %}\n<tr>\n<td>f</td>\n<td>g</td>\n</tr>\n</tbody>\n</table>"},
		"comments and raw":    {"{% comment %}\n# a <b>\n{% endcomment %}\n{% raw %}\n{{ *a* }}\n{% endraw %}", "{% comment %}\n# a <b>\n{% endcomment %}\n{% raw %}\n<p>{{ <em>a</em> }}</p>\n{% endraw %}"},
		"code":                {"```\n{{ a }} <b>\n{% if c %}\n```", "<pre><code>{{ a }} &lt;b&gt;\n{% if c %}\n</code></pre>"},
		"words of ours":       {"liquidq0z LIQUIDQq {{ a }}", "<p>liquidq0z LIQUIDQq {{ a }}</p>"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := markup.Markdown(c.in, "en")
			if err != nil {
				t.Fatal(err)
			}
			if body := text(t, got); body != c.want {
				t.Errorf("of %s\ncame %s\nwant %s", c.in, body, c.want)
			}
			if again, err := markup.Inline(got); err != nil || again != got {
				t.Errorf("there was something left to inline: %v\n%s", err, again)
			}
		})
	}
}

func TestMarkdown_Frame(t *testing.T) {
	for _, c := range []struct {
		source, language string
		want             []string
	}{
		{"x\n\n## A & *b* {{ name }}!\n\n# c", "pt-BR", []string{`<html lang="pt-BR" dir="ltr">`, "<title>A &amp; b !</title>", `role="article" aria-roledescription="email" lang="pt-BR" dir="ltr" aria-label="A &amp; b !"`}},
		{"x", "ar", []string{`<html lang="ar" dir="rtl">`, "<title></title>", `lang="ar" dir="rtl" style="max-width:552px;`}},
		{"# BODY TITLE LANG LABEL", "", []string{`<html dir="ltr">`, ">BODY TITLE LANG LABEL</h1>", "<title>BODY TITLE LANG LABEL</title>"}},
	} {
		got, err := markup.Markdown(c.source, c.language)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range append(c.want, "@media (prefers-color-scheme: dark)", `<meta name="color-scheme" content="light dark">`, "</html>\n") {
			if !strings.Contains(got, want) {
				t.Errorf("%s\nlacks %s", got, want)
			}
		}
	}
}

func TestMarkdown_Refuses(t *testing.T) {
	for in, want := range map[string]string{
		"a\n\n<div>\nb":                   "3:1: HTML can't stand in Markdown",
		"{{ a }} <b>x</b>":                "1:9: HTML can't stand in Markdown",
		"a <!-- b -->":                    "1:3: HTML can't stand in Markdown",
		"a\n[b]: {{ c }}\n\n[d]: {{ e }}": `the tag "{{ e }}" stands where Markdown writes nothing`,
		"a {{ b":                          "1:3: {{ is not closed",
		"{% raw %}":                       "1:1: {% raw %} is not closed",
		"\xff":                            "1:1: the source is not UTF-8",
		strings.Repeat("x", 128<<10+1):    "at most 131072 are allowed",
		"a\n" + strings.Repeat("> ", 20):  "2:1: lists and quotes stand inside each other",
		strings.Repeat("[", 2001):         "more than 2000 opening brackets",
		strings.Repeat("|a", 40) + "\n" + strings.Repeat("|-", 40):                               "2:1: the table has 40 columns",
		strings.Repeat("|a", 30) + "\n" + strings.Repeat("|-", 30) + strings.Repeat("\n|a", 700): "the tables have more than 20000 cells",
	} {
		if _, err := markup.Markdown(in, "en"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	if _, err := markup.Markdown("a", `en" onload="x`); err == nil || !strings.Contains(err.Error(), "the language") {
		t.Errorf("a language: %v", err)
	}
}

func TestMarkdown_KeepsTagsInTheirOrder(t *testing.T) {
	marks := append(liquidTags(), "a", " ", "\n", "\n\n", "# ", "- ", "  ", "1. ", "> ", "*", "**", "_", "`", "```\n", "[", "](", ")", "!", "|", "|-|-|\n", "~~", "\\", "---\n", "https://a.example/", "www.b.example", "c@d.example", "&amp;", "&#113;", "\t", "    ", "liquidq", "z", "0")
	rapid.Check(t, func(t *rapid.T) {
		source := pieces(t, "source", 30, marks...)
		page, err := markup.Markdown(source, "en")
		if err != nil {
			return
		}
		before, after := found(source), found(page)
		if strings.Contains(source, "](") || strings.Contains(source, "example") { // an address comes before its text, or is both
			slices.Sort(before)
			slices.Sort(after)
			before, after = slices.Compact(before), slices.Compact(after)
		}
		if !slices.Equal(before, after) {
			t.Fatalf("of %q came %q: the tags were\n%q, are\n%q", source, page, before, after)
		}
	})
}

func TestMarkdown_MakesATemplate(t *testing.T) {
	page, err := markup.Markdown("# Hello {{ name }}\n\n{% for x in attributes.list %}\n- {{ x }}\n{% endfor %}\n\n[out]({{ unsubscribe_url }})", "en")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := content.Compile(content.Source{Subject: "s", HTML: page}, content.Frame{}); err != nil && strings.Contains(err.Error(), "html:") {
		t.Errorf("%v\n%s", err, page)
	}
}
