package inspect_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"facteur/preflight/inspect"
)

// expected is what stands beside a message in testdata: what is known about it,
// and all that is to be found, as "severity code".
type expected struct {
	Context inspect.Context
	Want    []string
}

// corpus are the messages of testdata by name.
func corpus(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/*.eml")
	if err != nil || len(files) == 0 {
		t.Fatal("no messages", err)
	}
	all := map[string][]byte{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".eml")] = raw
	}
	return all
}

func TestMessage_FindsWhatIsThereAndNothingElse(t *testing.T) {
	met := map[string]bool{}
	for name, raw := range corpus(t) {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile("testdata/" + name + ".json")
			if err != nil {
				t.Fatal(err)
			}
			var e expected
			if err := json.Unmarshal(text, &e); err != nil {
				t.Fatal(err)
			}
			found, err := inspect.Message(raw, e.Context)
			if err != nil {
				t.Fatal(err)
			}
			got := []string{}
			for _, f := range found {
				got = append(got, f.Severity+" "+f.Code)
				met[f.Code] = true
				if f.Message == "" || f.Fix == "" {
					t.Errorf("%s says too little: %+v", f.Code, f)
				}
			}
			if !slices.Equal(got, e.Want) {
				t.Errorf("found %q\n want %q\n%s", got, e.Want, show(found))
			}
			if strings.HasPrefix(name, "good_") && slices.ContainsFunc(found, func(f inspect.Finding) bool { return f.Severity != inspect.Info }) {
				t.Error("a good message has an error or a warning")
			}
		})
	}
	for _, code := range inspect.Codes() {
		if !met[code] && code != "spam_score" && code != "attachments_heavy" { // these have tests of their own
			t.Errorf("no message of testdata shows %s", code)
		}
	}
}

func show(found []inspect.Finding) string {
	var b strings.Builder
	for _, f := range found {
		b.WriteString("  " + f.Severity + " " + f.Code + ": " + f.Message + " [" + f.Where + "]\n")
	}
	return b.String()
}

func TestMessage_RefusesWhatIsNoMessage(t *testing.T) {
	for _, raw := range []string{"", "\r\n", "Hello, this is no mail.\r\n\r\nx", strings.Repeat("x", 65<<20)} {
		if _, err := inspect.Message([]byte(raw), inspect.Context{}); !errors.Is(err, inspect.ErrNoMessage) {
			t.Errorf("%.30q: %v", raw, err)
		}
	}
}

func TestMessage_SaysWhereAndHowOften(t *testing.T) {
	html := "<p>One</p>\n" + strings.Repeat("<p><a href=\"http://shop.example/tea\">tea</a></p>\n", 5)
	raw := "From: Shop <a@shop.example>\r\nSubject: Tea\r\nContent-Type: text/html\r\n\r\n" + strings.ReplaceAll(html, "\n", "\r\n")
	found, err := inspect.Message([]byte(raw), inspect.Context{})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(found, func(f inspect.Finding) bool { return f.Code == "link_http" })
	const want = `HTML line 2: <a href="http://shop.example/tea">; HTML line 3: <a href="http://shop.example/tea">; HTML line 4: <a href="http://shop.example/tea">; and 2 more`
	if i < 0 || found[i].Where != want {
		t.Errorf("%s", show(found))
	}
}

func TestMessage_WeighsAttachments(t *testing.T) {
	for size, want := range map[int]string{900_000: "", 1_100_000: inspect.Warning, 11_000_000: inspect.Error} {
		raw := "From: Shop <a@shop.example>\r\nSubject: Tea\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nTea\r\n--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=tea.pdf\r\n\r\n" +
			strings.Repeat(strings.Repeat("x", 98)+"\r\n", size/100) + "--b--\r\n"
		found, err := inspect.Message([]byte(raw), inspect.Context{})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, f := range found {
			if f.Code == "attachments_heavy" {
				got = f.Severity
			}
		}
		if got != want {
			t.Errorf("%d bytes: %q, want %q", size, got, want)
		}
	}
}

// A page that somebody wrote to be slow must not hold up a launch.
func TestMessage_IsQuickOnHugePages(t *testing.T) {
	for name, html := range map[string]string{
		"rules":    "<style>" + strings.Repeat("div div div div p{color:#fff}\n", 900) + "</style>" + strings.Repeat("<div>", 200) + strings.Repeat("<p>x</p>", 50000),
		"links":    strings.Repeat("<a href='https://a.example/'><img src='https://a.example/b.png'>", 10000),
		"unclosed": strings.Repeat("<b><a href=x>", 60000),
		"stray":    strings.Repeat("</div>", 300000),
		"text":     strings.Repeat("example.com 75011 rue {{ ", 80000),
		"one line": strings.Repeat("a", 2<<20),
	} {
		raw := "From: Shop <a@shop.example>\r\nSubject: Tea\r\nContent-Type: text/html\r\n\r\n" + html
		start := time.Now()
		if _, err := inspect.Message([]byte(raw), inspect.Context{}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s: %v", name, took)
		} else {
			t.Logf("%s: %v", name, took)
		}
	}
}

func TestParseWords_ReadsAListAndNamesTheBadLine(t *testing.T) {
	words, err := inspect.ParseWords("# ours\n5 Beaujolais nouveau # in November\n\n1 vin*\n")
	if want := []inspect.Word{{5, "Beaujolais nouveau"}, {1, "vin*"}}; err != nil || !slices.Equal(words, want) {
		t.Errorf("%v, %v", words, err)
	}
	for _, text := range []string{"beaujolais", "6 x", "0 x", "3", "2 !!"} {
		if _, err := inspect.ParseWords("1 x\n" + text); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestCodes_AreThoseOfTheDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/preflight.md")
	if err != nil {
		t.Fatal(err)
	}
	var sections []string
	for _, m := range regexp.MustCompile("(?m)^### `([a-z0-9_]+)`$").FindAllStringSubmatch(string(text), -1) {
		sections = append(sections, m[1])
	}
	for _, code := range inspect.Codes() {
		if !slices.Contains(sections, code) {
			t.Errorf("docs/preflight.md has no section for %s", code)
		}
	}
	for n, code := range sections {
		if !slices.Contains(inspect.Codes(), code) || slices.Contains(sections[:n], code) {
			t.Errorf("docs/preflight.md has a section for %s, which is no code or has one already", code)
		}
	}
}

// FuzzMessage: whatever the bytes are, there are findings of known codes or an
// error, never a panic, and not after long.
func FuzzMessage(f *testing.F) {
	const head = "From: Shop <a@gmail.com>\r\nSubject: =?utf-8?q?RE:_F=C3=89E!!?=\r\nDate: Thu, 26 Nov 2026 09:30:00 +0100\r\n"
	// Short ones: the fuzzer takes a minute to shorten a long one.
	for _, body := range []string{
		"List-Unsubscribe: <https://a.example/u/1>, <mailto:a@b>\r\n\r\nHello {{ name }}, %NAME% https://bit.ly/a\r\n69001 Lyon +33 4 72 00 00 00",
		"Content-Type: text/html; charset=iso-8859-1\r\n\r\n<html lang=fr><title>x</title><style>@media all{.a>b{color:#fff!important}}@import x;</style><p class=a style='font:1px/2 x;background:url(x) rgb(1,2%,3)'>\xe9<a href='//0x1/'>www.a.fr</a>",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/related; boundary=c\r\n\r\n--c\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<img src=3D\"cid:1\" width=3D5% alt><table><td>=\r\n</table></div>\r\n--c--\r\n--b\r\nContent-Disposition: attachment; filename=a.zip\r\nContent-Transfer-Encoding: base64\r\n\r\nUEsDBA==\r\n--b--",
		"Content-Type: text/html\r\n\r\n<base href=x><form onclick=a><input><script>x</script><object><iframe></iframe><a href=javascript:x>a<a href=#a><img src=data:,x><div hidden><svg><p style='display:none;max-height:0;overflow:hidden'>x</svg><!-- ",
	} {
		f.Add([]byte(head+body), int64(5000), "12 Quay Street\nBristol", "https://a.example/u/1")
	}
	// What is read once is read before, or the fuzzer takes it for news.
	for name, raw := range corpus(f) {
		if _, err := inspect.Message(raw, inspect.Context{}); err != nil {
			f.Fatal(name, err)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte, recipients int64, address, leave string) {
		start := time.Now()
		found, err := inspect.Message(raw, inspect.Context{Recipients: recipients, PostalAddress: address, UnsubscribeURL: leave, RelayHosts: []string{address}, Locale: leave})
		if err != nil && !errors.Is(err, inspect.ErrNoMessage) {
			t.Fatal(err)
		}
		for n, one := range found {
			if !slices.Contains(inspect.Codes(), one.Code) || slices.ContainsFunc(found[:n], func(f inspect.Finding) bool { return f.Code == one.Code }) {
				t.Errorf("%+v", one)
			}
			if !utf8.ValidString(one.Where + one.Message) {
				t.Errorf("not UTF-8: %q", one)
			}
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func BenchmarkMessage(b *testing.B) {
	raw := corpus(b)["good_shop_en"]
	for b.Loop() {
		if _, err := inspect.Message(raw, inspect.Context{Recipients: 5000}); err != nil {
			b.Fatal(err)
		}
	}
}
