package smtp

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode"
	"unicode/utf8"
)

func TestReadReply_SplitsCodesFromText(t *testing.T) {
	for _, c := range []struct {
		said string
		want Result
	}{
		{"250 ok\r\n", Result{Code: 250, Text: "ok"}},
		{"250\r\n", Result{Code: 250}},
		{"250 \r\n", Result{Code: 250}},
		{"250 ok\n", Result{Code: 250, Text: "ok"}},
		{"550 5.1.1 no such user\r\n", Result{Code: 550, Enhanced: "5.1.1", Text: "no such user"}},
		{"550 5.1.1\r\n", Result{Code: 550, Enhanced: "5.1.1"}},
		{"550-5.1.1 no\r\n550-5.1.1 such\r\n550 5.1.1 user\r\n", Result{Code: 550, Enhanced: "5.1.1", Text: "no such user"}},
		{"550-no\r\n550 5.1.1 such user\r\n", Result{Code: 550, Enhanced: "5.1.1", Text: "no such user"}},
		{"550 4.1.1 of another class\r\n", Result{Code: 550, Text: "4.1.1 of another class"}},
		{"550 5.1.1.1 of four\r\n", Result{Code: 550, Text: "5.1.1.1 of four"}},
		{"550 5.1000.1 too long\r\n", Result{Code: 550, Text: "5.1000.1 too long"}},
		{"550 5.x.1 no number\r\n", Result{Code: 550, Text: "5.x.1 no number"}},
		{"550 5..1 empty\r\n", Result{Code: 550, Text: "5..1 empty"}},
		{"550 \x1b[31mred\u009b31m\x00\xffé\r\n", Result{Code: 550, Text: "[31mred31mé"}},
	} {
		got, err := readReply(bufio.NewReader(strings.NewReader(c.said)))
		if err != nil || got != c.want {
			t.Errorf("%q: %+v, %v, want %+v", c.said, got, err, c.want)
		}
	}
}

func TestReadReply_RefusesWhatIsNoReply(t *testing.T) {
	for name, said := range map[string]string{
		"too many lines": strings.Repeat("250-ok\r\n", 101) + "250 ok\r\n",
		"too long":       "250 " + strings.Repeat("x", maxLine) + "\r\n",
		"two codes":      "250-ok\r\n251 ok\r\n",
		"cut":            "250-ok\r\n",
	} {
		if got, err := readReply(bufio.NewReader(strings.NewReader(said))); err == nil {
			t.Errorf("%s: taken for %+v", name, got)
		}
	}
}

// FuzzReadReply: whatever comes, the reader ends without a panic, what it
// takes is in bounds, and how the bytes are cut up makes no difference.
func FuzzReadReply(f *testing.F) {
	for _, seed := range []string{
		"250 ok\r\n", "250-a\r\n250 b\r\n", "354\r\n", "421 4.7.0 later\r\n", "550-5.1.1 no\n550 5.1.1 user\n",
		"2", "\r\n", "999 x\r\n", "250_x\r\n", "250 \xff\x00\u009b\r\n", strings.Repeat("250-x\r\n", 120),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		got, err := readReply(bufio.NewReader(bytes.NewReader(said)))
		again, errAgain := readReply(bufio.NewReader(iotest.OneByteReader(bytes.NewReader(said))))
		if got != again || (err == nil) != (errAgain == nil) {
			t.Fatalf("%+v, %v; byte by byte %+v, %v", got, err, again, errAgain)
		}
		if err != nil {
			return
		}
		if got.Code < 200 || got.Code > 599 {
			t.Errorf("code %d", got.Code)
		}
		if got.Enhanced != "" && (len(got.Enhanced) > 9 || got.Enhanced[0] != byte('0'+got.Code/100)) {
			t.Errorf("enhanced %q for %d", got.Enhanced, got.Code)
		}
		if len(got.Text) > 500 || !utf8.ValidString(got.Text) || strings.ContainsFunc(got.Text, unicode.IsControl) {
			t.Errorf("text %q", got.Text)
		}
	})
}

func TestReadReply_LeavesWhatFollows(t *testing.T) {
	r := bufio.NewReader(strings.NewReader("250 one\r\n250-two\r\n250 two\r\nrest"))
	for _, want := range []string{"one", "two two"} {
		if got, err := readReply(r); err != nil || got.Text != want {
			t.Fatalf("%+v, %v, want %q", got, err, want)
		}
	}
	if rest, _ := io.ReadAll(r); string(rest) != "rest" {
		t.Errorf("left %q", rest)
	}
}
