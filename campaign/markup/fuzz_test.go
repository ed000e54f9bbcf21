package markup_test

import (
	"errors"
	"testing"

	"facteur/campaign/markup"
)

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
