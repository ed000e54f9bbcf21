package content_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"facteur/campaign/content"
)

func TestCompile_RefusesTemplatesThatAlwaysRunTooLong(t *testing.T) {
	for _, c := range []struct{ template, want string }{
		{"a\n {% for i in (1..5000000) %}{% endfor %}", "text:2:2: this loop goes round more than 10000 times"},
		{"{% for i in (1..5000000) %}{{ i }}{% endfor %}", "text:1:1: this takes more than 20000 steps"},
		{"{% for i in (-9223372036854775807..9223372036854775807) reversed %}{% endfor %}", "more than 10000 times"},
		{"{% for i in (1..3000) %}\n{% for j in (1..3000) %}x{% endfor %}{% endfor %}", "text:2:1: this takes more than 20000 steps"},
		{"{% for i in (1..9999) %}" + strings.Repeat("long ", 100) + "{% endfor %}", "text:1:1: this makes the text larger than 2 MiB"},
		{`{% assign x = "aaaaaaaa" %}{% for i in (1..60) %}{% assign x = x | append: x %}{% endfor %}`, "more than 20000 steps"},
		{`{% assign x = "aaaaaaaa" %}{% for i in (1..60) %}{% assign x = x | replace: "a", x %}{% endfor %}`, "more than 20000 steps"},
		{`{% assign x = "aaaaaaaa" %}{% for i in (1..60) %}{% capture x %}{{ x }}{{ x }}{% endcapture %}{% endfor %}`, "larger than 2 MiB"},
		{`{% assign x = "` + strings.Repeat("a", 100_000) + `" %}{% for i in (1..9000) %}{% if x == x %}{% endif %}{% endfor %}`, "more than 20000 steps"},
		{`{% assign x = "` + strings.Repeat("a", 500_000) + `" | split: "" %}`, "more than 20000 steps"},
		{`{% assign x = "` + strings.Repeat("a,", 30_000) + `" | split: "," %}{% for i in (1..900) %}{% assign y = x | sort %}{% assign z = x | join: "-" %}{% endfor %}`, "more than 20000 steps"},
		{`{% assign x = "` + strings.Repeat("<p>a", 25_000) + `" %}{% for i in (1..9000) %}{% assign y = x | strip_html %}{% endfor %}`, "more than 20000 steps"},
		{`{% assign x = "` + strings.Repeat("é", 50_000) + `" %}{% for i in (1..9000) %}{% assign y = x | upcase | truncate: 9999 %}{% endfor %}`, "more than 20000 steps"},
		{`{% for i in (1..9000) %}{% assign y = "nothing like a date" | date: "%F" %}{% endfor %}`, "more than 20000 steps"},
		{strings.Repeat("{{ name }}", 20_001), "more than 20000 steps"},
	} {
		start := time.Now()
		_, err := content.Compile(content.Source{Subject: "s", Text: c.template}, frame())
		took := time.Since(start)
		t.Logf("%-60.60s stopped after %v", c.template, took.Round(time.Millisecond/10))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60s\n got %v\nwant %s", c.template, err, c.want)
		}
	}
}

func TestAppend_RefusesOnlyThePersonWhoseValuesPassALimit(t *testing.T) {
	m, err := content.Compile(content.Source{
		Subject: "s",
		HTML:    "<p>\n{% for x in attributes.list %}{% for y in attributes.list %}{{ y }}{% endfor %}{% endfor %}</p>",
	}, frame())
	if err != nil {
		t.Fatal(err)
	}
	person := ada(`{"list":["a","b"]}`)
	if _, err := m.Append(nil, person); err != nil {
		t.Fatal(err)
	}
	person.Attributes = []byte(`{"list":[` + strings.Repeat("1,", 5000) + `1]}`)
	start := time.Now()
	dst, err := m.Append([]byte("kept"), person)
	var fault *content.Error
	if !errors.As(err, &fault) || fault.Line != 2 || !strings.Contains(fault.Message, "20000 steps") {
		t.Errorf("got %v", err)
	}
	if string(dst) != "kept" {
		t.Errorf("the buffer holds a part of the refused message: %.40q", dst)
	}
	t.Logf("stopped after %v", time.Since(start).Round(time.Millisecond/10))
	if _, err := m.Append(nil, ada(`{"list":[1]}`)); err != nil {
		t.Errorf("the next person is refused too: %v", err)
	}
}

func TestAppend_RefusesWhatWouldBreakTheHeaders(t *testing.T) {
	m, err := content.Compile(content.Source{Subject: "s {{ name }}", Text: "x"}, frame())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		part   string
		change func(*content.Recipient)
	}{
		{"to", func(r *content.Recipient) { r.Email = "a@b\r\nBcc: x@y" }},
		{"to", func(r *content.Recipient) { r.Email = "a@b>, <c@d" }},
		{"to", func(r *content.Recipient) { r.Email = "a,c@d" }},
		{"to", func(r *content.Recipient) { r.Email = `"a"b"@d` }},
		{"to", func(r *content.Recipient) { r.Email = "nobody" }},
		{"to", func(r *content.Recipient) { r.Email = "" }},
		{"to", func(r *content.Recipient) { r.Email = strings.Repeat("a", 320) + "@b" }},
		{"message_id", func(r *content.Recipient) { r.MessageID = "" }},
		{"message_id", func(r *content.Recipient) { r.MessageID = "a>\r\nX: y" }},
		{"headers", func(r *content.Recipient) { r.Headers = []byte("X: y") }},
		{"headers", func(r *content.Recipient) { r.Headers = []byte("X: y\n") }},
		{"headers", func(r *content.Recipient) { r.Headers = []byte("X: y\r\n\r\nbody\r\n") }},
		{"headers", func(r *content.Recipient) { r.Headers = []byte("X: y\nZ: a\r\n") }},
		{"headers", func(r *content.Recipient) { r.Headers = []byte(" more\r\n") }},
		{"date", func(r *content.Recipient) { r.Date = time.Time{} }},
	} {
		person := ada(`{}`)
		c.change(person)
		_, err := m.Append(nil, person)
		var fault *content.Error
		if !errors.As(err, &fault) || fault.Part != c.part {
			t.Errorf("%+v: got %v, want an error about %s", person, err, c.part)
		}
	}
	for _, email := range []string{`"a b"@example.org`, "é@example.org", "o'neil+x@example.org", "a@[192.0.2.1]", `"a\"@<"@example.org`} {
		person := ada(``)
		person.Email = email
		if _, err := m.Append(nil, person); err != nil {
			t.Errorf("%s: %v", email, err)
		}
	}
}

func TestAppend_RefusesAttributesThatAreNoObject(t *testing.T) {
	m, err := content.Compile(content.Source{Subject: "s", Text: "{{ attributes.a }}{{ attributes.b.c }}"}, frame())
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{`[]`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,}`, `{a:1}`, `{"a":"x`, `{"a":[1}`, `{"a" 1}`, `x`, `{"a":,}`} {
		_, err := m.Append(nil, ada(bad))
		var fault *content.Error
		if !errors.As(err, &fault) || fault.Part != "attributes" {
			t.Errorf("%s: got %v", bad, err)
		}
	}
	for good, want := range map[string]string{
		``: "", ` `: "", `{}`: "", `null`: "!", ` { "a" : 1 , "a" : 2 } `: "2", `{"\u0061":"\ud83d\ude00"}`: "😀",
		`{"x":{"a":"}"},"a":"ok","y":["]",{"a":3}]}`: "ok", `{"b":{"c":[1,[2]]}}`: "1, 2", `{"b":{"c":1]}}`: "", `{"a":true,"b":false}`: "true",
		`{"b":` + strings.Repeat(`{"c":`, 5000) + `1` + strings.Repeat(`}`, 5000) + `}`: "",
	} {
		got, err := m.AppendText(nil, ada(good))
		text, _, _ := strings.Cut(string(got), "\n\nUnsubscribe")
		if want == "!" {
			if err == nil {
				t.Errorf("%s is no object, but passes", good)
			}
		} else if err != nil || text != want {
			t.Errorf("%.60s: got %q, %v; want %q", good, text, err, want)
		}
	}
}

func TestVariables_ListsEveryUseWithItsPlace(t *testing.T) {
	m, err := content.Compile(content.Source{
		Subject: "{{ name }}",
		HTML: "{% if attributes.vip %}\n{{ attributes.city | default: locale }}{% endif %}{% for i in attributes.items %}{{ i.x | default: 1 }}{% endfor %}\n" +
			`{% assign x = attributes["Code postal"] | upcase | default: "-" %}{{ x }}{{ attributes.l[0].t }}{{ attributes.l[x] }}`,
	}, frame())
	if err != nil {
		t.Fatal(err)
	}
	want := []content.Variable{
		{Path: "name", Part: "subject", Line: 1},
		{Path: "attributes.vip", Part: "html", Line: 1, InCondition: true},
		{Path: "attributes.city", Part: "html", Line: 2, HasDefault: true},
		{Path: "locale", Part: "html", Line: 2},
		{Path: "attributes.items", Part: "html", Line: 2, InCondition: true},
		{Path: `attributes["Code postal"]`, Part: "html", Line: 3, HasDefault: true},
		{Path: "attributes.l[0].t", Part: "html", Line: 3},
		{Path: "attributes.l[…]", Part: "html", Line: 3},
	}
	if got := m.Variables(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
}
