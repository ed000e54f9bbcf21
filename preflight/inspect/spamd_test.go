package inspect_test

import (
	"context"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"facteur/internal/services/servicestest"
	"facteur/preflight/inspect"
)

func TestSpamd_AsksARealOne(t *testing.T) {
	spamd := inspect.Spamd{Addr: servicestest.Spamd(t).Addr()}
	t.Run("a newsletter is no spam", func(t *testing.T) {
		raw, err := os.ReadFile("testdata/good_newsletter_en.eml")
		if err != nil {
			t.Fatal(err)
		}
		o, err := spamd.Ask(t.Context(), raw)
		if err != nil {
			t.Fatal(err)
		}
		if o.Spam || o.Threshold != 5 || o.Score >= 3 || len(o.Rules) == 0 {
			t.Errorf("%+v", o)
		}
	})
	t.Run("its own test mail is", func(t *testing.T) {
		// The message quotes a table of rules; only the real one counts.
		mail := "From: a@example.com\r\nSubject: Hello\r\n\r\nXJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n pts rule name\r\n---- ----\r\n 9.0 MADE_UP   by us\r\n"
		o, err := spamd.Ask(t.Context(), []byte(mail))
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, r := range o.Rules {
			if r.Name == "MADE_UP" {
				t.Error("a rule of the message was taken for one of the report")
			}
			found = found || r.Name == "GTUBE" && r.Score == 1000 && strings.Contains(r.Description, "Unsolicited")
		}
		if !o.Spam || o.Score < 1000 || !found {
			t.Errorf("%+v", o)
		}
		if f := o.Findings(); len(f) != 1 || f[0].Code != "spam_score" || f[0].Severity != inspect.Error || !strings.Contains(f[0].Where, "GTUBE (1000)") {
			t.Errorf("%+v", f)
		}
	})
}

func TestSpamd_DoesNotWaitForOneThatIsSilent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := (inspect.Spamd{Addr: l.Addr().String()}).Ask(ctx, []byte("x")); err == nil || !strings.Contains(err.Error(), "deadline") {
		t.Errorf("%v", err)
	}
}

func TestSpamd_BoundsTheAnswer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		for _, err = conn.Write([]byte("SPAMD/1.1 0 EX_OK\r\n")); err == nil; {
			_, err = conn.Write([]byte(strings.Repeat("x", 4096)))
		}
	}()
	if _, err := (inspect.Spamd{Addr: l.Addr().String()}).Ask(t.Context(), []byte("x")); err == nil || !strings.Contains(err.Error(), "longer") {
		t.Errorf("%v", err)
	}
}
