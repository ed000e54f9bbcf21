package markup_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"facteur/campaign/content"
	"facteur/campaign/markup"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMJML_Mails(t *testing.T) {
	c := markup.NewCompiler()
	files, err := filepath.Glob("testdata/*.mjml")
	if err != nil || len(files) != 3 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.MJML(string(source))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		golden := strings.TrimSuffix(file, "mjml") + "html"
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(golden); err != nil || got != string(want) {
			t.Errorf("%s is not what %s says: %v", file, golden, err)
		}
		if _, err := content.Compile(content.Source{Subject: "s", HTML: got}, content.Frame{}); err != nil && strings.Contains(err.Error(), "html:") {
			t.Errorf("%s: the template can't be compiled: %v", file, err)
		}
	}
}

func mail(body string) string { return "<mjml><mj-body>" + body + "</mj-body></mjml>" }

func column(body string) string {
	return mail("<mj-section><mj-column>" + body + "</mj-column></mj-section>")
}

func TestMJML_KeepsLiquid(t *testing.T) {
	c := markup.NewCompiler()
	for name, test := range map[string]struct {
		in   string
		want []string
	}{
		"in text":           {column(`<mj-text>{{ x | default: "</mj-text>" }} {% if a < b %}c{% endif %}</mj-text>`), []string{`>{{ x | default: "</mj-text>" }} {% if a < b %}c{% endif %}</div>`}},
		"in values":         {column(`<mj-image src="{{ a | default: "x" }}" alt='{{ b | append: '>' }}'/>`), []string{`src="{{ a | default: "x" }}"`, `alt="{{ b | append: '>' }}"`}},
		"for a color":       {column(`<mj-text color="{{ a }}" container-background-color="#{{ b }}"></mj-text>`), []string{`color:{{ a }};`, `#{{ b }}`}},
		"for a class":       {mail(`<mj-section css-class="{{ a }}"></mj-section>`), []string{`class="{{ a }}"`, `{{ a }}-outlook`}},
		"between sections":  {mail("{% if a %}<mj-section></mj-section>{% else %}\n{{ b }}<mj-section/>{% endif %}"), []string{"{% if a %}", "{% else %}\n{{ b }}", "{% endif %}"}},
		"between columns":   {mail(`<mj-section>{% if a %}<mj-column></mj-column>{% endif %}<mj-column/></mj-section>`), []string{"{% if a %}", "{% endif %}"}},
		"around the root":   {`{% assign a = "<" %}` + mail("") + "{% # end %}", []string{`{% assign a = "<" %}<!doctype html>`, "</html>\n  {% # end %}"}},
		"raw and comments":  {column(`<mj-text>{% raw %}{{ x }} {%{% endraw %}</mj-text>{% comment %}<mj-x>{{{% endcomment %}`), []string{`{% raw %}{{ x }} {%{% endraw %}`, `{% comment %}<mj-x>{{{% endcomment %}`}},
		"the language":      {strings.Replace(mail(""), "<mjml", `<mjml lang="{{ locale }}"`, 1), []string{`<html lang="{{ locale }}"`}},
		"words of ours":     {column(`<mj-text>liquidq0z liquidqq0z LIQUIDqqq {{ a }} liquidqqqh0z</mj-text>`), []string{`liquidq0z liquidqq0z LIQUIDqqq {{ a }} liquidqqqh0z`}},
		"dollars":           {column(`<mj-text>$& $1 {{ a }} $value</mj-text><mj-image src="$&"/>`), []string{`>$& $1 {{ a }} $value</div>`, `src="$&"`}},
		"in CSS":            {"<mjml><mj-head><mj-style>p{color:{{ a }}}</mj-style><mj-style inline='inline'>p{b:{{ c }}}.x{d:e}</mj-style></mj-head><mj-body><mj-raw><p class=x></mj-raw></mj-body></mjml>", []string{"p{color:{{ a }}}", "p{b:{{ c }}}", `<p class=x style="d:e">`}},
		"inline CSS":        {"<mjml><mj-head><mj-style inline='inline'>.x div{color:red}.x:hover{a:b}</mj-style></mj-head><mj-body><mj-section><mj-column><mj-text css-class='x' color='blue'>{{ a }}</mj-text></mj-column></mj-section></mj-body></mjml>", []string{".x:hover{a:b}", "color:blue"}},
		"fonts that a text": {"<mjml><mj-head><mj-font name='My Font' href='https://f.example/x'/><mj-font name='Other' href='https://f.example/y'/></mj-head><mj-body><mj-raw><p style=\"font-family: 'my font'\">{{ a }}</mj-raw></mj-body></mjml>", []string{"https://f.example/x", `<p style="font-family: 'my font'">{{ a }}`}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.MJML(test.in)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range test.want {
				if !strings.Contains(got, want) {
					t.Errorf("%s\nlacks %s", got, want)
				}
			}
			if strings.Contains(got, "https://f.example/y") || strings.Contains(got, "googleapis") || strings.Contains(got, "inline*/") {
				t.Errorf("%s\nhas more than it should", got)
			}
		})
	}
}

func TestMJML_Refuses(t *testing.T) {
	c := markup.NewCompiler()
	for in, want := range map[string]string{
		"":                                  "1:1: there is no <mjml>",
		"hello":                             `1:1: "hello" stands outside of <mjml>`,
		mail("") + "\nx":                    `2:1: "x" stands outside of <mjml>`,
		"<mjml></mjml>":                     "1:1: <mjml> has no <mj-body>",
		mail("") + mail(""):                 "a second <mjml> begins",
		"<mjml><mj-body/><mj-body/></mjml>": "1:17: a second <mj-body> begins",
		"<mjml>\n<mj-body>\n <mj-section>\n</mj-body>":    "4:1: </mj-body> stands where </mj-section> is expected, for the <mj-section> of line 3",
		"<mjml>\n<mj-body>":                               "2:1: <mj-body> is not closed",
		column("<mj-text>a"):                              "<mj-text> is not closed",
		column("<mj-text a='>"):                           "the tag <mj-text is not closed",
		column("\nhello"):                                 "2:1: text can't stand directly in <mj-column>; write it into an mj-text",
		column("{{ a }}\n {{ b }} c"):                     "2:10: text can't stand directly in <mj-column>",
		column("<p>a</p>"):                                "<p> can't stand directly in <mj-column>; write HTML into an mj-text",
		column("<mj-txt/>"):                               "MJML has no element <mj-txt>",
		mail("<mj-text/>"):                                "<mj-text> can't stand in <mj-body>; it stands in mj-column, mj-hero",
		mail("\n<mj-include path='/etc/passwd'/>"):        "2:1: mj-include is not allowed",
		column("<mj-raw><mj-include path='x'/></mj-raw>"): "mj-include is not allowed",
		"<mjml><mj-head><mj-html-attributes/></mj-head><mj-body/></mjml>":                                       "mj-html-attributes is not allowed",
		"<mjml><mj-head>{% if a %}</mj-head><mj-body/></mjml>":                                                  "1:16: a tag of the template language can't stand between the elements of <mj-head>",
		"<mjml><mj-head><mj-attributes><mj-all color='{{ a }}'/></mj-attributes></mj-head><mj-body/></mjml>":    "1:39: a tag of the template language can't stand here; write it at the elements",
		"<mjml><mj-head><mj-font name='(a+)+$' href='x'/></mj-head><mj-body/></mjml>":                           `"(a+)+$" is no name of a font`,
		"<mjml><mj-head><mj-attributes><mj-class name='__proto__'/></mj-attributes></mj-head><mj-body/></mjml>": `"__proto__" is no name of a class`,
		column("<mj-carousel>{{ a }}</mj-carousel>"):                                                            "can't stand between the elements of <mj-carousel>",
		"<mjml><mj-raw>{{ a }}</mj-raw><mj-body/></mjml>":                                                       `1:15: the tag "{{ a }}" stands where MJML writes nothing`,
		mail("<!-- "): "1:16: the comment is not closed",
		column("<mj-text {% if a %}color='red'{% endif %}/>"):  "1:48: a tag of the template language can't stand among the attributes of <mj-text>",
		column("\n<mj-image width='{{ a }}px'/>"):              "line 2: <mj-image>: Attribute width has invalid value: {{ a }}px for type Unit, only accepts (px) units and 1 value(s); MJML reckons with this value",
		column("<mj-image width='wide'/>\n<mj-text foo='x'/>"): "line 2: <mj-text>: Attribute foo is illegal",
		column("<mj-text color='reddish'/>"):                   "line 1: <mj-text>: Attribute color has invalid value: reddish for type Color",
		column("{{ a"):                                         "1:39: {{ is not closed",
	} {
		if got, err := c.MJML(in); err == nil || got != "" || !strings.Contains(err.Error(), want) {
			t.Errorf("of %s\nwant %q\ngot  %v", in, want, err)
		}
	}
}

func TestMJML_ServesManyAtATime(t *testing.T) {
	c := markup.NewCompiler()
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			text := strings.Repeat("x", i+1)
			for range 2 {
				got, err := c.MJML(column("<mj-text>{{ name }}" + text + "</mj-text>"))
				if err != nil || !strings.Contains(got, ">{{ name }}"+text+"</div>") {
					t.Errorf("%d: %v", i, err)
				}
			}
		})
	}
	all.Wait()
}
