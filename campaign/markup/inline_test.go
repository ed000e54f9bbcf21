package markup_test

import (
	"strings"
	"testing"

	"facteur/campaign/markup"
)

func TestInline_WritesRulesIntoAttributes(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"a page without style stays":    {"<p CLASS=x>a</P><br/>{{ name }", "<p CLASS=x>a</P><br/>{{ name }"},
		"a rule moves":                  {"<head><style>p { color: red }</style></head><p>a</p>", `<head></head><p style="color:red">a</p>`},
		"a fragment too":                {"<style>p{color:red}</style><p>a<br>b", `<p style="color:red">a<br>b`},
		"specificity":                   {"<style>#i{c:1}p.x{c:2}.x{c:3}p{c:4}</style><p id=i class=x><p class=x><p>", `<p id=i class=x style="c:1"><p class=x style="c:2"><p style="c:4">`},
		"order among equals":            {"<style>.a{c:1}.b{c:2}</style><p class='b a'>", `<p class='b a' style="c:2">`},
		"a list, most specific counts":  {"<style>p,.a{c:1}p{c:2}</style><p class=a>", `<p class=a style="c:1">`},
		"important":                     {"<style>p{c:1!important}#i{c:2}</style><p id=i>", `<p id=i style="c:1 !important">`},
		"the attribute wins":            {`<style>p{color:red;margin:0}</style><p style="COLOR: blue">`, `<p style="margin:0;COLOR: blue">`},
		"important beats the attribute": {`<style>p{color:red ! IMPORTANT}</style><p style='color:blue'>`, `<p style='color:red !important;color:blue'>`},
		"important of both":             {`<style>p{color:red !important}</style><p style='color:blue!important'>`, `<p style='color:blue!important'>`},
		"fallbacks of one rule stay":    {"<style>p{a:b;background:red;background:linear-gradient(red, blue)}p{a:c}</style><p>", `<p style="background:red;background:linear-gradient(red, blue);a:c">`},
		"shorthand before longhand":     {"<style>p{margin-left:1px}p{margin:0}</style><p>", `<p style="margin-left:1px;margin:0">`},
		"unitless zero":                 {"<style>p{margin:0}</style><p>", `<p style="margin:0">`},
		"quotes":                        {`<style>p{font-family:"A B",'C';background:url("a?b&c")}</style><p><p style='x:y'>`, `<p style="font-family:'A B','C';background:url('a?b&amp;c')"><p style='font-family:"A B","C";background:url("a?b&amp;c");x:y'>`},
		"an attribute without quotes":   {"<style>p{a:b}</style><p style=c:d;e:f class=x><p style><p style=''>", `<p style="a:b;c:d;e:f" class=x><p style="a:b"><p style='a:b'>`},
		"void elements":                 {"<style>img{border:0}</style><img src=x/><img src='x' /><IMG>", `<img src=x/ style="border:0"><img src='x' style="border:0" /><IMG style="border:0">`},
		"combinators":                   {"<style>div p{a:1}div>b{b:1}p+p{c:1}b~i{d:1}</style><div><p><b></b><i></i></p><p>x</p><b></b></div><p>", `<div><p style="a:1"><b></b><i style="d:1"></i></p><p style="a:1;c:1">x</p><b style="b:1"></b></div><p>`},
		"implied ends":                  {"<style>p>b{a:1}li>p{b:1}td{c:1}tbody>tr>td>i{d:1}</style><ul><li><p>x<li>y<p><b>z</b><div><b></b></div></ul><table><td>1<td><i>2</i></table>", `<ul><li><p style="b:1">x<li>y<p style="b:1"><b style="a:1">z</b><div><b></b></div></ul><table><td style="c:1">1<td style="c:1"><i style="d:1">2</i></table>`},
		"counting":                      {"<style>td:nth-child(2){a:1}td:last-child{b:1}td:not(.x){c:1}</style><table><tr><td class=x><td></table>", `<table><tr><td class=x><td style="a:1;b:1;c:1"></table>`},
		"universal, not in the head":    {"<html><head><title>x</title><style>*{a:1}</style></head><body><p></html>", `<html style="a:1"><head><title>x</title></head><body style="a:1"><p style="a:1"></html>`},
		"what only style can say":       {"<style>@import 'x';p{a:1}@media(max-width:1px){p{b:1}}@font-face{font-family:x;src:y}p:hover,p::before{c:1}a:link{d:1}:root{e:1}</style><p>", `<style>@import 'x';@media(max-width:1px){p{b:1}}@font-face{font-family:x;src:y}p:hover,p::before{c:1}a:link{d:1}:root{e:1}</style><p style="a:1">`},
		"a list half hover":             {"<style>a:hover,a{c:1}</style><a>", `<style>a:hover,a{c:1}</style><a style="c:1">`},
		"what means nothing here":       {"<style>#outlook a{padding:0}.ExternalClass *{a:b}p{c:1}</style><p>", `<style>#outlook a{padding:0}.ExternalClass *{a:b}</style><p style="c:1">`},
		"media of the element":          {"<style media='only screen'>p{a:1}</style><style media=all type=text/css>p{b:1}</style><style type=x>p{c:1}</style><p>", `<style media='only screen'>p{a:1}</style><style type=x>p{c:1}</style><p style="b:1">`},
		"comments and old marks":        {"<style><!-- /* a { b: c } */ p /*x*/ { /* no */ a : 1 /* ; */ ; } --></style><p>", `<style><!-- /* a { b: c } */ --></style><p style="a:1">`},
		"broken CSS":                    {"<style>p{a;:b;c:;d:);e:'\n;f:1}p{f:'x}</style><p>", `<style>p{f:'x}</style><p style="f:1">`},
		"strings with signs":            {`<style>p{content:";}{"}p{a:';"'}</style><p>`, `<style>p{content:";}{"}</style><p style="a:';&quot;'">`},
		"conditional comments":          {"<style>td{a:1}p{b:1}</style><!--[if mso]><table><tr><td class=x><![endif]--><table><td><p></table><!--[if !mso]><!--><p><!--<![endif]-->", `<style>td{a:1}</style><!--[if mso]><table><tr><td class=x><![endif]--><table><td style="a:1"><p style="b:1"></table><!--[if !mso]><!--><p style="b:1"><!--<![endif]-->`},
		"doctype and case":              {"<!DOCTYPE HTML PUBLIC \"x\">\r\n<HTML><HEAD><STYLE>P{A:1}</STYLE></HEAD><BODY><P\n>x</P></BODY></HTML>\r\n", "<!DOCTYPE HTML PUBLIC \"x\">\r\n<HTML><HEAD></HEAD><BODY><P style=\"a:1\"\n>x</P></BODY></HTML>\r\n"},
		"style in the body keeps place": {"<body><style>p{a:1}</style><p>", `<body><style></style><p style="a:1">`},
		"selectors of style attributes": {"<style>p[style]{a:1}p:not([ style]){b:1}p{c:1}</style><p>", `<style>p[style]{a:1}p:not([ style]){b:1}</style><p style="c:1">`},
		"entities":                      {"<style>p[title='a&b']{a:1}</style><p title='a&amp;b'>", `<p title='a&amp;b' style="a:1">`},
		"CSS nesting stays":             {"<style>p{a:1;&:hover{b:1}}</style><p>", "<style>p{a:1;&:hover{b:1}}</style><p>"},
		"svg":                           {"<style>p{a:1}</style><svg><path/><path/></svg><p>", `<svg><path/><path/></svg><p style="a:1">`},
		"noscript in the head":          {"<head><noscript><style>b{c:d}</style></noscript><style>p{a:1}</style></head><p>", `<head><noscript><style>b{c:d}</style></noscript></head><p style="a:1">`},
	} {
		t.Run(name, func(t *testing.T) {
			check(t, c.in, c.want)
		})
	}
}

func TestInline_KeepsLiquid(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"in values":              {`<style>a{c:1}</style><a href="{{ web_url | default: "<b>" }}" title='{{ x | append: '>' }}'>x</a>`, `<a href="{{ web_url | default: "<b>" }}" title='{{ x | append: '>' }}' style="c:1">x</a>`},
		"in text and tables":     {`<style>td{c:1}</style><table>{% for x in attributes.list %}<tr><td>{{ x }}{% if x > 1 %}<b>{% endif %}</td></tr>{% endfor %}</table>`, `<table>{% for x in attributes.list %}<tr><td style="c:1">{{ x }}{% if x > 1 %}<b>{% endif %}</td></tr>{% endfor %}</table>`},
		"in a style attribute":   {`<style>p{c:1}</style><p style="color:{{ x }}"><p style={{x}}>`, `<p style="c:1;color:{{ x }}"><p style="c:1;{{x}}">`},
		"among attributes":       {`<style>p{c:1}</style><p {% if x %}class="a"{% endif %}><p>`, `<style>p{c:1}</style><p {% if x %}class="a"{% endif %}><p style="c:1">`},
		"for a class":            {`<style>.a{c:1}</style><p class="a {{ x }}"><p class=a>`, `<style>.a{c:1}</style><p class="a {{ x }}"><p class=a style="c:1">`},
		"in a sheet":             {`<style>p{c:{{ x }};d:1}p{e:1}</style><p>`, `<style>p{c:{{ x }};d:1}</style><p style="e:1">`},
		"a condition in a sheet": {`<style>{% if x %}p{c:1}{% endif %}</style><p>`, `<style>{% if x %}p{c:1}{% endif %}</style><p>`},
		"a conditional sheet":    {`{% if x %}<style>p{c:1}</style>{% endif %}<style>p{d:1}</style><p>`, `{% if x %}<style>p{c:1}</style>{% endif %}<p style="d:1">`},
		"elements that count":    {`<style>tr:nth-child(2){c:1}b+i{d:1}i{e:1}</style>{% for x in y %}<tr>{% endfor %}<tr><b></b><i>`, `<style>tr:nth-child(2){c:1}b+i{d:1}</style>{% for x in y %}<tr>{% endfor %}<tr><b></b><i style="e:1">`},
		"raw values":             {`<style>p{c:1}</style><p>{{ attributes.html | raw }}`, `<style>p{c:1}</style><p style="c:1">{{ attributes.html | raw }}`},
		"comments":               {`<style>p{c:1}</style>{% comment %}<p>{% endcomment %}<p>`, `{% comment %}<p>{% endcomment %}<p style="c:1">`},
		"raw blocks are text":    {`<style>p{c:1}</style>{% raw %}<p>{{{% endraw %}<p>`, `{% raw %}<p style="c:1">{{{% endraw %}<p style="c:1">`},
		"a tag's name":           {`<style>*{c:1}</style><body><h{{ n }}>x</h{{ n }}>`, `<style>*{c:1}</style><body style="c:1"><h{{ n }}>x</h{{ n }}>`},
	} {
		t.Run(name, func(t *testing.T) {
			check(t, c.in, c.want)
		})
	}
}

// check inlines, and once more.
func check(t *testing.T, in, want string) {
	t.Helper()
	got, err := markup.Inline(in)
	if err != nil || got != want {
		t.Errorf("of %s\ncame %s\nwant %s\n%v", in, got, want, err)
		return
	}
	if again, err := markup.Inline(got); err != nil || again != got {
		t.Errorf("once more made of %s\n             this %s\n%v", got, again, err)
	}
}

func TestInline_Refuses(t *testing.T) {
	for want, in := range map[string]string{
		"1:22: {{ is not closed":                         "<style>p{a:1}</style>{{ name }",
		"2:1: elements stand inside each other":          "<style>p{a:1}</style>" + strings.Repeat("<b>", 254) + "\n<b>",
		"the page has more than 20000 elements":          "<style>p{a:1}</style>" + strings.Repeat("<br>", 20_000),
		"the page has more than 100000 attributes":       "<style>p{a:1}</style>" + strings.Repeat("<br a b c d e f g h i j k l m n o p q r s t>", 5_001),
		"1:22: the element has more than 100 attributes": "<style>p{a:1}</style><p " + numbered(101, "a%d ") + ">",
		"too many elements for so many style rules":      "<style>" + strings.Repeat("p{a:1}", 2_000) + "</style>" + strings.Repeat("<p>", 2_000),
		"the HTML gets longer than":                      "<style>p{a:" + strings.Repeat("x", 10_000) + "}</style>" + strings.Repeat("<p>", 200),
		"the source has 1048577 bytes":                   "<style>" + strings.Repeat(" ", 1<<20-6),
		"1:8: the source is not UTF-8":                   "<style>\xff",
	} {
		if _, err := markup.Inline(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}
