package dkim_test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"facteur/internal/services/servicestest"
	"facteur/sending/dkim"

	msgauth "github.com/emersion/go-msgauth/dkim"
)

var at = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// house is a domain with a key of each algorithm.
type house struct {
	*dkim.Signer
	records map[string]string // by name in DNS
}

func newHouse(t testing.TB) house {
	t.Helper()
	h := house{records: map[string]string{}}
	var keys []dkim.Key
	for _, a := range []dkim.Algorithm{dkim.RSA, dkim.Ed25519} {
		made, err := dkim.Generate("f1"+string(a), a)
		if err != nil {
			t.Fatal(err)
		}
		private, err := made.Private()
		if err != nil {
			t.Fatal(err)
		}
		key, err := dkim.Open(made.Selector, private) // as from the database
		if err != nil {
			t.Fatal(err)
		}
		record, err := key.Record()
		if err != nil {
			t.Fatal(err)
		}
		h.records[key.Selector+"._domainkey.news.example.com"] = record
		keys = append(keys, key)
	}
	h.Signer = dkim.NewSigner("news.example.com", keys...)
	return h
}

func (h house) sign(t testing.TB, message string) []byte {
	t.Helper()
	signed, err := h.Append(nil, []byte(message), at)
	if err != nil {
		t.Fatal(err)
	}
	return append(signed, message...)
}

// verify lets go-msgauth check all signatures.
func (h house) verify(t testing.TB, message []byte) {
	t.Helper()
	found, err := msgauth.VerifyWithOptions(bytes.NewReader(message), &msgauth.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
		return []string{h.records[name]}, nil
	}})
	if err != nil || len(found) != 2 {
		t.Fatalf("%d signatures, %v\n%s", len(found), err, message)
	}
	for _, v := range found {
		if v.Err != nil || v.Domain != "news.example.com" {
			t.Errorf("%s: %v\n%s", v.Domain, v.Err, message)
		}
	}
}

const letter = "From: Ada <ada@news.example.com>\r\nTo: bob@example.org\r\nReply-To: answer@news.example.com\r\nSubject: =?utf-8?q?Caf=C3=A9?=\r\n =?utf-8?q?_ouvert?=\r\n" +
	"Date: Sun, 01 Mar 2026 09:00:00 +0000\r\nMessage-ID: <1@news.example.com>\r\nMIME-Version: 1.0\r\nList-Unsubscribe: <https://news.example.com/u/1>\r\n" +
	"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nList-Id: All <1.news.example.com>\r\nFeedback-ID: 1:2:3:news\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"

// letters are bodies and headers of all kinds of shapes.
func letters() map[string]string {
	return map[string]string{
		"plain":       letter + "Hello\r\n",
		"no body":     letter,
		"no line end": letter + "Hello",
		"empty lines": letter + "\r\n\r\nHello  \t there \r\n\t\r\n\r\n \r\nBye\t\r\n\r\n \r\n",
		"only blanks": letter + " \r\n\t\r\n",
		"long":        letter + strings.Repeat("A line that is as long as most lines are, and a bit longer.\r\n", 5000),
		"dots":        letter + "a\r\n.\r\n..b\r\n",
		"odd blanks":  "FROM :\t  a@news.example.com \r\nSubject:  a\t\tb  \r\n   c\r\nX: y\r\n\r\nHello\r\n",
		"twice":       "From: a@news.example.com\r\nTo: b@example.org\r\nTo: c@example.org\r\n\r\nHello\r\n",
	}
}

func TestSigner_VerifiesElsewhere(t *testing.T) {
	h := newHouse(t)
	for name, message := range letters() {
		t.Run(name, func(t *testing.T) { h.verify(t, h.sign(t, message)) })
	}
}

func TestSigner_SignsWhatTheRulesDemand(t *testing.T) {
	signature := string(newHouse(t).sign(t, letter+"Hello\r\n"))
	tags := strings.NewReplacer("\r\n\t", "", " ", "").Replace(signature)
	for _, want := range []string{":list-unsubscribe:", ":list-unsubscribe-post:", ":feedback-id;", ":list-id:", "h=from:from:", "c=relaxed/relaxed", "d=news.example.com", "a=rsa-sha256", "a=ed25519-sha256"} {
		if !strings.Contains(tags, want) {
			t.Errorf("no %q in\n%s", want, signature)
		}
	}
	for _, line := range strings.Split(signature, "\r\n") {
		if len(line) > 78 {
			t.Errorf("a line of %d: %q", len(line), line)
		}
	}
}

// What is added or changed on the way breaks the signature.
func TestSigner_NobodyMayAddOrChange(t *testing.T) {
	h := newHouse(t)
	signed := string(h.sign(t, letter+"Hello\r\n"))
	for name, forged := range map[string]string{
		"a second From":       "From: eve@example.net\r\n" + signed,
		"a second subject":    "Subject: Free\r\n" + signed,
		"a second way out":    "List-Unsubscribe: <https://eve.example.net/>\r\n" + signed,
		"another body":        strings.Replace(signed, "Hello", "Hullo", 1),
		"another feedback id": strings.Replace(signed, "1:2:3", "1:2:4", 1),
	} {
		found, err := msgauth.VerifyWithOptions(strings.NewReader(forged), &msgauth.VerifyOptions{LookupTXT: func(name string) ([]string, error) { return []string{h.records[name]}, nil }})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range found {
			if v.Err == nil {
				t.Errorf("%s: it still verifies", name)
			}
		}
	}
}

func TestSigner_NeedsAFrom(t *testing.T) {
	if _, err := newHouse(t).Append(nil, []byte("Subject: Hello\r\n\r\n"), at); err == nil {
		t.Error("signed without a From")
	}
}

func TestOpen_RefusesWhatIsNoKey(t *testing.T) {
	for _, text := range []string{"", "?", base64.StdEncoding.EncodeToString([]byte("nothing"))} {
		if _, err := dkim.Open("s", text); err == nil {
			t.Errorf("%q was opened", text)
		}
	}
	if _, err := dkim.Generate("s", "dsa"); err == nil {
		t.Error("a key of no known algorithm")
	}
}

// Two verifiers that are neither ours nor in Go: dkimpy and OpenDKIM.
func TestSigner_VerifiesInPythonAndInOpenDKIM(t *testing.T) {
	h := newHouse(t)
	tools := servicestest.DKIM(t, h.records)
	for name, message := range letters() {
		if name == "odd blanks" || name == "no line end" { // no mails that anybody sends
			continue
		}
		for _, fault := range tools.Check(t, h.sign(t, message)) {
			t.Errorf("%s: %s", name, fault)
		}
	}
}

func BenchmarkSigner(b *testing.B) {
	message := []byte(letter + strings.Repeat("A line that is as long as most lines are, and a bit longer.\r\n", 200))
	for _, a := range []dkim.Algorithm{dkim.RSA, dkim.Ed25519} {
		b.Run(string(a), func(b *testing.B) {
			key, err := dkim.Generate("f1", a)
			if err != nil {
				b.Fatal(err)
			}
			s := dkim.NewSigner("news.example.com", key)
			var buffer []byte
			for b.Loop() {
				if buffer, err = s.Append(buffer[:0], message, at); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(message)), "bytes")
		})
	}
}

// Whatever is signed verifies, and nothing panics.
func FuzzSigner(f *testing.F) {
	for _, message := range letters() {
		if len(message) > 10_000 {
			continue // its like would be made smaller for minutes
		}
		f.Add(message)
	}
	h := newHouse(f)
	f.Fuzz(func(t *testing.T, text string) {
		// Line ends as SMTP has them, and headers that are some: others read the rest differently.
		message := letter + strings.ReplaceAll(strings.NewReplacer("\r", "", "\x00", "").Replace(text), "\n", "\r\n")
		h.verify(t, h.sign(t, message))
	})
}
