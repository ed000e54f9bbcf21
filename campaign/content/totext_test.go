package content_test

import (
	"strings"
	"testing"

	"facteur/campaign/content"
)

// derived gives the text part made from HTML, without footer.
func derived(t *testing.T, html, attributes string) string {
	t.Helper()
	m, err := content.Compile(content.Source{Subject: "s", HTML: html}, frame())
	if err != nil {
		t.Fatalf("compile %q: %v", html, err)
	}
	person := ada(attributes)
	person.UnsubscribeURL = ""
	text, err := m.AppendText(nil, person)
	if err != nil {
		t.Fatalf("render %q: %v", html, err)
	}
	return string(text)
}

func TestCompile_MakesTheTextFromTheHTML(t *testing.T) {
	for _, c := range []struct{ html, want string }{
		{"<p>One\n two</p><p>Three</p>", "One two\n\nThree"},
		{"<html><head><title>No</title><style>p{}</style><body>  <h1> Title </h1>\n\n<div>a</div><div>b<br>c<br><br>d</div></body></html>", "Title\n\na\nb\nc\n\nd"},
		{"a <b>bold</b> <i>x</i>, y&nbsp;z &lt;tag&gt; &copy;", "a bold x, y z <tag> ©"},
		{"<table><tr><th>Tea</th><th>3 €</th></tr><tr><td><p>Chess</p></td><td>30 €</td></tr></table>after", "Tea | 3 €\n\nChess\n\n30 €\nafter"},
		{"<ul><li>one</li><li> <b>two</b><ul><li>deep</li></ul></li><li><p>three</p></li></ul><p>end</p>", "- one\n- two\n  - deep\n- three\n\nend"},
		{`<a href="https://a.example/?x=1&amp;y=2">here</a>, <a href="https://b.example">https://b.example</a>, <a href="mailto:x@y.example">x@y.example</a>, <a href="#top">top</a>`, "here (https://a.example/?x=1&y=2), https://b.example, x@y.example, top"},
		{`<a href="https://a.example"><img src="x.png" alt="Our shop"></a> <a href="https://b.example"><img src="y.png"></a>`, "Our shop (https://a.example) https://b.example"},
		{"<pre>a\n  b\n</pre>c", "a\n  b\n\nc"},
		{`<div style="display: none">preheader {{ name }}</div><p>x</p><hr>y<script>alert("{{ name }}")</script><!-- {{ name }} -->`, "x\n\n---\ny"},
		{"<p>Hello {% if name %}<b>{{ name }}</b>{% else %}you{% endif %}, bye</p>", "Hello Ada, bye"},
		{"<ul>{% for t in attributes.tags %}<li>{{ t }}</li>{% endfor %}</ul><p>end</p>", "- tea\n- chess\n\nend"},
		{`{% for t in attributes.tags %}<a href="https://x.example/{{ t | url_encode }}">{{ t }}</a> {% endfor %}`, "tea (https://x.example/tea) chess (https://x.example/chess) "},
		{`<a href="{% if attributes.tags %}https://a{% else %}https://b{% endif %}">go</a>`, "go (https://a)"},
		{`<a {% if attributes.tags %}href="https://a"{% else %}href="https://b"{% endif %}>go</a>`, "go"},
		{`<a href="{% if name %}https://a"{% else %}https://b"{% endif %}>go</a>`, "go"},
		{`{% for t in attributes.tags %}<a href="{{ t }}">x{% endfor %}`, "x (tea)x (chess)"},
		{"<td {% if name %}class=x{% endif %}>a</td><style>{% assign y = 1 %}</style><p title='{% assign z = 2 %}'>{{ y }}{{ z }}</p>", "a\n\n12"},
		{"{{ attributes.bio | raw }} {{ attributes.lines | newline_to_br }} {{ attributes.bio | escape }}", "Hi there a\nb <p>Hi <b>there</b></p>"},
		{"&#123;&#123; name &#125;&#125; &#123;% if %}", "{{ name }} {% if %}"},
		{"{% raw %}{{ name }}<br>{% endraw %}x", "{{ name }}\nx"},
		{"a\ue0000\ue001b", "a0b"},
		{"{% case name %}<p>x</p>{% when 'Ada' %}<p>ada</p>{% endcase %}<p>z</p>", "ada\n\nz"},
	} {
		got := strings.TrimSuffix(derived(t, c.html, `{"tags":["tea","chess"],"bio":"<p>Hi <b>there</b></p>","lines":"a\nb"}`), "\n")
		if got != strings.TrimSuffix(c.want, "\n") {
			t.Errorf("%s\n got %q\nwant %q", c.html, got, c.want)
		}
	}
}

func TestAppendHTML_ShowsATextMailInPre(t *testing.T) {
	m, err := content.Compile(content.Source{Subject: "s", Text: "a <b>\n{{ name }}"}, frame())
	if err != nil {
		t.Fatal(err)
	}
	person := ada("")
	person.Name, person.UnsubscribeURL = "<i>&", ""
	html, err := m.AppendHTML([]byte("x"), person)
	if want := "x<pre style=\"white-space:pre-wrap\">a &lt;b&gt;\n&lt;i&gt;&amp;</pre>\n"; err != nil || string(html) != want {
		t.Errorf("got %q, %v; want %q", html, err, want)
	}
}

func TestCompile_AddsTheFooterWhereItIsMissing(t *testing.T) {
	const link = `<a href="https://mail.example/u/1?a=b&amp;c=d" style="color:#595959">Se d&#39;en aller</a>`
	framed := frame()
	framed.PostalAddress, framed.Footer = "1 rue <A>\r\n69001 Lyon\n", "Se d'en aller"
	for _, c := range []struct {
		html         string
		link, postal bool
	}{
		{"<html><BODY>x</BODY></html>", true, true},
		{"x", true, true},
		{"x{% if name %}</body>{% endif %}", true, true},
		{`<body><a href="{{ unsubscribe_url }}">go</a></body>`, false, true},
		{`<body><a href="{{ unsubscribe_url }}">go</a>{{ postal_address | newline_to_br }}</body>`, false, false},
		{`<body>{% assign u = unsubscribe_url | append: "&x" %}<a href="{{ u }}">go</a></body>`, false, true},
		{`<body>{% capture u %}<a href="{{ unsubscribe_url }}">go</a>{% endcapture %}</body>`, true, true},
		{`<body>{% capture u %}<a href="{{ unsubscribe_url }}">go</a>{% endcapture %}{{ u }}</body>`, false, true},
		{`<body>{% if locale == "en" %}<a href="{{ unsubscribe_url }}">go</a>{% endif %}</body>`, false, true},
		{`<body>{% if locale == "fr" %}<a href="{{ unsubscribe_url }}">go</a>{% endif %}</body>`, true, true},
		{`<body>{% if unsubscribe_url %}x{% endif %}</body>`, true, true},
		{`<body><!-- <a href="{{ unsubscribe_url }}">go</a> --></body>`, true, true},
		{`<body><!--[if mso]><a href="{{ unsubscribe_url }}">go</a><![endif]--></body>`, true, true},
		{`<body><!--[if !mso]><!--><a href="{{ unsubscribe_url }}">go</a><!--<![endif]--></body>`, false, true},
	} {
		m, err := content.Compile(content.Source{Subject: "s", HTML: c.html, Text: "text"}, framed)
		if err != nil {
			t.Fatal(err)
		}
		html, err := m.AppendHTML(nil, ada(""))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(html), link); got != c.link {
			t.Errorf("%s: link added %v, want %v:\n%s", c.html, got, c.link, html)
		}
		if got := strings.Contains(string(html), "1 rue &lt;A&gt;<br>\n69001 Lyon</div>"); got != c.postal {
			t.Errorf("%s: postal address added %v, want %v:\n%s", c.html, got, c.postal, html)
		}
		if body := strings.LastIndex(strings.ToLower(string(html)), "</body>"); c.link && body >= 0 && strings.Index(string(html), link) > body && !strings.Contains(c.html, "{% if name") {
			t.Errorf("%s: the footer stands behind the body:\n%s", c.html, html)
		}
		text, err := m.AppendText(nil, ada(""))
		if want := "text\n\nSe d'en aller: https://mail.example/u/1?a=b&c=d\n\n1 rue <A>\n69001 Lyon"; err != nil || string(text) != want {
			t.Errorf("text %q, %v; want %q", text, err, want)
		}
	}
}
