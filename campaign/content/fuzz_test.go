package content_test

import (
	"errors"
	"testing"
	"time"

	"facteur/campaign/content"
)

func FuzzCompile(f *testing.F) {
	f.Add("{{ name }}", newsletter, "")
	f.Add("s", `{% if a == 1 and b %}{% elsif c contains "x" %}{% else %}{% endif %}{% unless x %}{% endunless %}`, "x")
	f.Add("s", `{% for i in (1..attributes.n) reversed limit: 2 offset:1 %}{{ forloop.index }}{% break %}{% else %}{% endfor %}`, "")
	f.Add("s", `{% case name %}{% when "a", 'b' or 1.5 %}{% else %}{% endcase %}{% assign x = name | split: "" | sort | join %}{{ x[-1].y["z"] }}`, "")
	f.Add("s", `{%- capture x -%}<a href="{% if name %}b{% endif %}">{% raw %}{{{% endraw %}{% comment %}{% endcomment %}{% # x %}{% endcapture %}`, "")
	f.Add("s", `<ul><li><pre>a<table><tr><td><img alt='{{ name }}'><br></body>`, "{{ attributes.a | date: '%d' | plus: 1 | truncate: 3, '.' | replace: 'a', 'b' }}")
	f.Fuzz(func(t *testing.T, subject, html, text string) {
		start := time.Now()
		m, err := content.Compile(content.Source{Subject: subject, HTML: html, Text: text}, frame())
		if err == nil {
			m.Variables()
			person := ada(everything)
			var message []byte
			if message, err = m.Append(nil, person); err == nil {
				checkMessage(t, m, person, message)
			}
		}
		var fault *content.Error
		if err != nil && !errors.As(err, &fault) {
			t.Fatalf("an error that names no place: %v", err)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Fatalf("took %v", took)
		}
	})
}

func FuzzAppend(f *testing.F) {
	m, err := content.Compile(content.Source{
		Subject: "{{ name }} {{ attributes.a }}",
		HTML:    newsletter + `{{ attributes.a.b[0] }};{{ attributes[name] | raw }}{% for x in attributes.a %}{{ x | date: "%F" }};{{ x | strip_html }};{% endfor %}`,
	}, frame())
	if err != nil {
		f.Fatal(err)
	}
	f.Add("Ada", "https://x.example", []byte(everything), "ada@example.org")
	f.Add("a\r\n.\r\n", "\x00", []byte(`{"a":{"b":["\ud800"]},"city":"\\\"","vip":1e5,"tags":[[1],{"x":null}]}`), "é@b")
	f.Add("=?utf-8?q?x?=", ".", []byte(`{"a":"<p>`+"`"+`"}`), `"a b"@c`)
	f.Fuzz(func(t *testing.T, name, url string, attributes []byte, email string) {
		person := ada(string(attributes))
		person.Name, person.UnsubscribeURL, person.Email = name, url, email
		message, err := m.Append(nil, person)
		if err != nil {
			var fault *content.Error
			if !errors.As(err, &fault) {
				t.Fatalf("an error that names no place: %v", err)
			}
			return
		}
		if email != "ada@example.org" { // net/mail knows fewer addresses than there are
			person.Email = "ada@example.org"
			if message, err = m.Append(nil, person); err != nil {
				t.Fatalf("%v", err)
			}
		}
		checkMessage(t, m, person, message)
	})
}
