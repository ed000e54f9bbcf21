package unsubscribe_test

import (
	"strings"
	"testing"

	"facteur/unsubscribe"
)

func TestHeaders_AreTheOnesOfRFC2369AndRFC8058(t *testing.T) {
	h := unsubscribe.NewHeaders(12, "Weekly news", "news.test", 34, 56, "")
	const want = "Date: x\r\n" +
		"List-Unsubscribe: <https://out.test/u/abc>\r\n" +
		"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" +
		"List-Id: \"Weekly news\" <12.list.news.test>\r\n" +
		"Feedback-ID: 34:12:campaign:56\r\n"
	if got := string(h.Append([]byte("Date: x\r\n"), "https://out.test/u/abc", "")); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	home := unsubscribe.NewHeaders(12, "Weekly news", "news.test", 34, 56, "c-1@bounces.news.test")
	if got := string(home.Append(nil, "https://out.test/u/abc", "u-1@bounces.news.test")); !strings.HasPrefix(got, "List-Unsubscribe: <https://out.test/u/abc>,\r\n <mailto:u-1@bounces.news.test?subject=unsubscribe>\r\nList-Unsubscribe-Post: ") ||
		!strings.HasSuffix(got, "\r\nCFBL-Address: c-1@bounces.news.test; report=arf\r\n") {
		t.Errorf("where mail comes home: %q", got)
	}
	// One layout serves many messages at once.
	if got := string(h.Append(nil, "https://out.test/u/def", "")); !strings.HasPrefix(got, "List-Unsubscribe: <https://out.test/u/def>\r\n") || strings.Contains(got, "abc") {
		t.Errorf("the second message: %s", got)
	}
}

func TestHeaders_NameTheListOnlyAsAHeaderCan(t *testing.T) {
	for name, want := range map[string]string{
		"Weekly":                `List-Id: "Weekly" <1.list.news.test>`,
		`The "best" \ of`:       `List-Id: "The best  of" <1.list.news.test>`,
		"":                      `List-Id: <1.list.news.test>`,
		"Été":                   `List-Id: <1.list.news.test>`,
		"a\r\nBcc: all@x.test":  `List-Id: <1.list.news.test>`,
		"a\tb":                  `List-Id: <1.list.news.test>`,
		`"\"`:                   `List-Id: <1.list.news.test>`,
		strings.Repeat("a", 61): `List-Id: <1.list.news.test>`,
		strings.Repeat("a", 60): `List-Id: "` + strings.Repeat("a", 60) + `" <1.list.news.test>`,
	} {
		got := string(unsubscribe.NewHeaders(1, name, "news.test", 2, 3, "").Append(nil, "https://out.test/u/abc", ""))
		lines := strings.Split(got, "\r\n")
		if len(lines) != 5 || lines[2] != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
