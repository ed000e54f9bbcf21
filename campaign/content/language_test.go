package content_test

import (
	"strings"
	"testing"
	"time"

	"facteur/campaign/content"
)

// ada is the person of most tests.
func ada(attributes string) *content.Recipient {
	return &content.Recipient{
		Email: "ada@example.org", Name: "Ada", Locale: "en", Attributes: []byte(attributes),
		UnsubscribeURL: "https://mail.example/u/1?a=b&c=d", PreferencesURL: "https://mail.example/p/1", WebURL: "https://mail.example/w/1",
		MessageID: "1.1@mail.example", Date: time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC),
	}
}

func frame() content.Frame {
	return content.Frame{From: content.Address{Name: "Shop", Email: "news@shop.example"}, Boundary: "=_facteur_1"}
}

// renderText gives what a text-only template says to a person, without footer.
func renderText(t *testing.T, template, attributes string) string {
	t.Helper()
	m, err := content.Compile(content.Source{Subject: "s", Text: template}, frame())
	if err != nil {
		t.Fatalf("compile %q: %v", template, err)
	}
	person := ada(attributes)
	person.UnsubscribeURL = ""
	out, err := m.AppendText(nil, person)
	if err != nil {
		t.Fatalf("render %q: %v", template, err)
	}
	return string(out)
}

const everything = `{"city":"Lyon","empty":"","n":7,"price":1.50,"age":"21","vip":true,"off":false,"none":null,
	"tags":["tea","chess","tea"],"nums":[10,9,2],"big":12345678901234567890,"since":"2021-03-04","stamp":"2021-03-04T15:06:07+02:00",
	"items":[{"title":"One","price":3},{"title":"Two","price":1}],"deep":{"a":{"b":[1,{"c":"found"}]}},"Code postal":"69001","prénom":"Ада",
	"esc":"a\"b\\c\u00e9\n","html":"<b>x</b> &amp; y"}`

func TestLanguage_SaysWhatLiquidSays(t *testing.T) {
	for _, c := range []struct{ template, want string }{
		{"plain", "plain"},
		{"{{ name }} {{email}} {{ locale }}", "Ada ada@example.org en"},
		{"{{ attributes.city }}|{{ attributes.absent }}|{{ attributes.none }}", "Lyon||"},
		{`{{ attributes["Code postal"] }} {{ attributes.prénom }}`, "69001 Ада"},
		{`{{ attributes.deep.a.b[1].c }} {{ attributes.deep["a"].b[0] }} {{ attributes.deep.x.y }}`, "found 1 "},
		{`{{ attributes.tags[0] }} {{ attributes.tags[-1] }} {{ attributes.tags.first }} {{ attributes.tags.size }} {{ attributes.tags[9] }}`, "tea tea tea 3 "},
		{`{% assign k = "city" %}{{ attributes[k] }}`, "Lyon"},
		{`{{ attributes.price }} {{ attributes.big }} {{ attributes.n }} {{ attributes.vip }} {{ attributes.tags }} {{ attributes.deep }}`, "1.50 12345678901234567890 7 true tea, chess, tea "},
		{`{{ attributes.esc }}`, "a\"b\\cé\n"},
		{`{{ "a" }}{{ 'b' }}{{ 1 }}{{ -2.5 }}{{ true }}{{ nil }}`, "ab1-2.5true"},
		// blanks
		{"a {{- name -}} b", "aAdab"},
		{"a\n {%- if true -%} \n b \n {%- endif -%} \n c", "abc"},
		{"{% if true %} x {% endif %}", " x "},
		{"{% raw %}{{ name }} {% if %}{% endraw %}!", "{{ name }} {% if %}!"},
		{"a {%- raw -%} {{ x }} {%- endraw -%} b", "a{{ x }}b"},
		{"a{% comment %} {{ nonsense | }} {% comment %}x{% endcomment %} y {% endcomment %}b{% # don't mind %}", "ab"},
		{"{{ '}}' }} {{ \"%}\" }} } {x} {", "}} %} } {x} {"},
		// tests
		{"{% if attributes.city %}y{% else %}n{% endif %}", "y"},
		{"{% if attributes.empty %}y{% else %}n{% endif %}", "n"},
		{"{% if attributes.off %}a{% elsif attributes.none %}b{% elsif attributes.vip %}c{% else %}d{% endif %}", "c"},
		{"{% unless attributes.off %}y{% else %}n{% endunless %}", "y"},
		{`{% if attributes.city == "Lyon" and attributes.n > 6 %}y{% endif %}`, "y"},
		{`{% if attributes.n >= 7 and attributes.n <= 7 and attributes.n != 8 and attributes.n < 8 %}y{% endif %}`, "y"},
		{`{% if attributes.age > 20 %}y{% endif %}{% if attributes.age == 21 %}y{% endif %}{% if attributes.city > 3 %}x{% endif %}`, "yy"},
		{`{% if attributes.tags contains "chess" %}y{% endif %}{% if attributes.city contains "yo" %}y{% endif %}{% if attributes.deep contains "a" %}y{% endif %}`, "yyy"},
		{`{% if true or false and false %}y{% else %}n{% endif %}`, "y"},
		{`{% if false and false or true %}y{% else %}n{% endif %}`, "n"},
		{`{% if attributes.empty == blank %}a{% endif %}{% if attributes.absent == empty %}b{% endif %}{% if attributes.absent == nil %}c{% endif %}{% if attributes.city != blank %}d{% endif %}`, "abcd"},
		{`{% if attributes.vip == true %}y{% endif %}{% if 1 == 1.0 %}y{% endif %}{% if "a" < "b" %}y{% endif %}`, "yyy"},
		{`{% case attributes.city %} x {% when "Paris", "Lyon" %}1{% when "Nice" or "Lille" %}2{% else %}3{% endcase %}`, "1"},
		{`{% case attributes.n %}{% when 1 %}1{% else %}3{% endcase %}{% case 2 %}{% when 1 or 2 %}b{% endcase %}`, "3b"},
		// loops
		{"{% for i in (1..3) %}{{ i }}{% unless forloop.last %},{% endunless %}{% endfor %}", "1,2,3"},
		{"{% for i in (1..attributes.n) reversed limit:2 offset: 1 %}{{ i }} {% endfor %}", "3 2 "},
		{"{% for t in attributes.tags %}{{ forloop.index }}{{ forloop.index0 }}{{ forloop.rindex }}{{ forloop.rindex0 }}{{ forloop.first }}{{ forloop.length }}{{ t }} {% endfor %}", "1032true3tea 2121false3chess 3210false3tea "},
		{"{% for p in attributes.items %}{{ p.title }}={{ p.price }};{% endfor %}", "One=3;Two=1;"},
		{"{% for x in attributes.absent %}a{% else %}none{% endfor %}", "none"},
		{"{% for i in (3..1) %}a{% else %}none{% endfor %}", "none"},
		{"{% for i in (1..9) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 4 %}{% break %}{% endif %}{{ i }}{% endfor %}", "13"},
		{"{% for i in (1..2) %}{% for j in (1..2) %}{{ i }}{{ j }}{{ forloop.parentloop.index }} {% endfor %}{{ forloop.index }};{% endfor %}", "111 121 1;212 222 2;"},
		{"{% for i in (1..2) %}{% for i in (5..6) %}{{ i }}{% endfor %}{{ i }}{% endfor %}", "561562"},
		{"{% for i in (1..5000000) %}{{ i }}{% if i == 3 %}{% break %}{% endif %}{% endfor %}", "123"},
		{"{% for p in attributes.deep %}{{ p[0] }}{% endfor %}{% for c in attributes.city %}[{{ c }}]{% endfor %}", "a[Lyon]"},
		// names of one's own
		{`{% assign x = "v" | upcase %}{{ x }}{% assign x = 2 %}{{ x }}`, "V2"},
		{`{% assign name = name | default: "friend" %}{{ name }}{{ y }}{% if false %}{% assign y = 1 %}{% endif %}`, "Ada"},
		{`{% capture c %}Dear {{ name }}{% endcapture %}{{ c }}, {{ c | size }}`, "Dear Ada, 8"},
		{`{% for i in (1..3) %}{% assign sum = sum | plus: i %}{% endfor %}{{ sum }}`, "6"},
		// filters on texts
		{`{{ attributes.absent | default: "your town" }} {{ attributes.empty | default: name }} {{ attributes.city | default: "x" }} {{ attributes.off | default: 1 }}`, "your town Ada Lyon 1"},
		{`{{ "aé" | upcase }}{{ "AÉ" | downcase }}{{ "été mcDonald" | capitalize }}`, "AÉaéÉté mcDonald"},
		{`[{{ "  a " | strip }}][{{ "  a " | lstrip }}][{{ "  a " | rstrip }}]`, "[a][a ][  a]"},
		{`{{ "Ground control" | truncate: 9 }}|{{ "Ground" | truncate: 9 }}|{{ "Éclair" | truncate: 4, "…" }}|{{ "abc" | truncate: 2 }}`, "Ground...|Ground|Écl…|..."},
		{`{{ "one  two three" | truncatewords: 2 }}|{{ "one two" | truncatewords: 2 }}|{{ "a b c" | truncatewords: 1, "--" }}`, "one  two...|one two|a--"},
		{`{{ "a-b-c" | replace: "-", "+" }} {{ "a-b" | remove: "-" }} {{ "b" | append: "c" | prepend: "a" }} {{ "a-b" | replace: "-" }}`, "a+b+c ab abc ab"},
		{`{{ "a b&c/é~" | url_encode }}`, "a+b%26c%2F%C3%A9~"},
		{`{{ attributes.html | strip_html }}`, "x & y"},
		{`{{ "a<b" | escape }}{{ "a<b" | raw }}{{ "a<b" }}`, "a<ba<ba<b"},
		// numbers
		{`{{ 1 | plus: 2 }} {{ "3" | minus: 1.5 }} {{ 2 | times: 3 }} {{ 7 | divided_by: 2 }} {{ -7 | divided_by: 2 }} {{ 7 | divided_by: 2.0 }} {{ 7 | modulo: 4 }}`, "3 1.5 6 3 -4 3.5 3"},
		{`{{ 1 | divided_by: 0 | default: "-" }} {{ attributes.absent | plus: 1 }} {{ attributes.price | times: 2 }}`, "- 1 3.0"},
		{`{{ 2.5 | round }} {{ 3.14159 | round: 2 }} {{ 2.1 | ceil }} {{ 2.9 | floor }} {{ -3 | abs }}`, "3 3.14 3 2 3"},
		{`{{ 9223372036854775807 | plus: 1 | floor }}`, "9223372036854775808.0"},
		// lists
		{`{{ attributes.tags | size }} {{ "été" | size }} {{ attributes.tags | first }} {{ attributes.tags | last }} {{ attributes.tags | join: "+" }}`, "3 3 tea tea tea+chess+tea"},
		{`{{ "b,a,c" | split: "," | sort | reverse | join }} {{ attributes.tags | uniq | join: "," }} {{ attributes.nums | sort | join: "," }}`, "c b a tea,chess 2,9,10"},
		{`{{ attributes.items | sort: "price" | map: "title" | join: "," }}`, "Two,One"},
		// dates
		{`{{ attributes.since | date: "%d/%m/%Y" }} {{ attributes.since | date: "%-d %B %y, %A" }} {{ attributes.stamp | date: "%H:%M %I %p %z" }}`, "04/03/2021 4 March 21, Thursday 15:06 03 PM +0200"},
		{`{{ 0 | date: "%F %T %j %e%%" }} {{ 1700000000000 | date: "%Y" }} {{ "next spring" | date: "%Y" }} {{ attributes.absent | date: "%Y" }}`, "1970-01-01 00:00:00 001  1% 2023 next spring "},
	} {
		if got := renderText(t, c.template, everything); got != c.want {
			t.Errorf("%s\n got %q\nwant %q", c.template, got, c.want)
		}
	}
}

func TestLanguage_EscapesValuesInHTMLOnly(t *testing.T) {
	for _, c := range []struct{ template, html, text string }{
		{`{{ attributes.x }}`, `&lt;b&gt;&#34;&#39;&amp;`, `<b>"'&`},
		{`{{ attributes.x | raw }}`, `<b>"'&`, `<b>"'&`},
		{`{{ attributes.x | escape }}`, `&lt;b&gt;&#34;&#39;&amp;`, `<b>"'&`},
		{`{{ attributes.x | raw | upcase }}`, `&lt;B&gt;&#34;&#39;&amp;`, `<B>"'&`},
		{`{{ attributes.none | default: "<i>" }}`, `&lt;i&gt;`, `<i>`},
		{`{% capture c %}<i>{{ attributes.x }}{% endcapture %}{{ c }}`, `<i>&lt;b&gt;&#34;&#39;&amp;`, `<i><b>"'&`},
		{`{{ attributes.lines | newline_to_br }}`, "a&lt;<br>\nb<br>\nc", "a<\r\nb\nc"},
		{`{% for p in attributes.list %}{{ p }}{% endfor %}{{ attributes.list }}`, `&lt;&lt;`, `<<`},
	} {
		m, err := content.Compile(content.Source{Subject: "s", HTML: c.template, Text: c.template}, frame())
		if err != nil {
			t.Fatal(err)
		}
		person := ada(`{"x":"<b>\"'&","lines":"a<\r\nb\nc","list":["<"]}`)
		person.UnsubscribeURL = ""
		html, err := m.AppendHTML(nil, person)
		if err != nil || string(html) != c.html {
			t.Errorf("%s: HTML %q, %v; want %q", c.template, html, err, c.html)
		}
		text, err := m.AppendText(nil, person)
		if err != nil || string(text) != c.text {
			t.Errorf("%s: text %q, %v; want %q", c.template, text, err, c.text)
		}
	}
}

func TestCompile_SaysWhatIsWrongAndWhere(t *testing.T) {
	for _, c := range []struct{ template, want string }{
		{"a\nbé {{ nmae }}", `text:2:7: unknown variable "nmae"; did you mean "name"?`},
		{"{{ city }}", `text:1:4: unknown variable "city"; a person's own fields are written attributes.city`},
		{"{{ name | upcas }}", `text:1:11: unknown filter "upcas"; did you mean "upcase"?`},
		{"{% fi x %}", `unknown tag "fi"; did you mean "if"?`},
		{"x\n{% if name %}", `text:2:1: {% if %} is not closed`},
		{"{% for x in name %}{% if x %}{% endfor %}", `{% endfor %} does not belong here: {% if %} of line 1 is still open`},
		{"{% endif %}", `{% endif %} has no beginning`},
		{"{{ name", `{{ is not closed`},
		{"{% if name ", `{% is not closed`},
		{"{{ 'a }}", `is not closed`},
		{"{% comment %}", `{% comment %} is not closed`},
		{"{{ }}", `a value is missing here`},
		{"{{ name name }}", `did not expect "name" here`},
		{"{{ name | }}", `the name of a filter is missing`},
		{"{{ name | truncate: 1, 2, 3 }}", `takes 0 to 2 values after :, not 3`},
		{"{{ name | default }}", `takes one value after :`},
		{"{{ name ; }}", `the sign ";" has no meaning here`},
		{"{{ attributes }}", `attributes needs the name of one`},
		{"{{ name.first }}", `name is a text and has no parts`},
		{"{% if name = 1 %}{% endif %}", `write ==`},
		{"{% for x %}{% endfor %}", `"in" is missing`},
		{"{% for x in (1..2 %}{% endfor %}", `")" is missing after the range`},
		{"{% break %}", `{% break %} stands in no loop`},
		{"{{ forloop.index }}", `forloop is known only inside a loop`},
		{"{% for x in name %}{{ forloop.indx }}{% endfor %}", `forloop has no part "indx"; did you mean "index"?`},
		{"{% for x in name %}{% endfor %}{{ x }}", `unknown variable "x"`},
		{"{% assign 1 = 2 %}", `the name to assign to is missing`},
		{"{% include 'a' %}", `can't take in another`},
		{"{{ 'now' | date: '%Y' }}", `a template has no clock`},
		{"{{ name | date: '%Q' }}", `the date format has "%Q"`},
		{"{% if a %}{% else %}{% else %}{% endif %}", `{% else %} does not belong here`},
		{strings.Repeat("{% if name %}", 33) + strings.Repeat("{% endif %}", 33), `more than 32 deep`},
		{"{{ " + strings.Repeat("attributes[", 40) + "1" + strings.Repeat("]", 40) + " }}", `too many brackets`},
		{strings.Repeat("x", 1<<20+1), `at most 1048576 are allowed`},
		{"a\xff", `text:1:2: the template is not UTF-8 here`},
	} {
		_, err := content.Compile(content.Source{Subject: "s", Text: c.template}, frame())
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.80s\n got %v\nwant %s", c.template, err, c.want)
		}
	}
}

func TestCompile_ReportsSeveralErrorsInOrder(t *testing.T) {
	_, err := content.Compile(content.Source{Subject: "{{ a }}", HTML: "{{ b }}\n{{ c | d }}", Text: "{% e %}"}, content.Frame{
		From: content.Address{Name: "a\r\nBcc: x", Email: "a@b"}, Boundary: "a b",
	})
	want := []string{"from: ", "boundary: ", "subject:1:4: ", "html:1:4: ", "html:2:4: ", "html:2:8: ", "text:1:1: "}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != len(want) {
		t.Fatalf("got %d errors, want %d:\n%v", len(lines), len(want), err)
	}
	for i, line := range lines {
		if !strings.HasPrefix(line, want[i]) {
			t.Errorf("error %d is %q, want it at %q", i, line, want[i])
		}
	}
}
