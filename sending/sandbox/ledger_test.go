package sandbox_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"facteur/sending/sandbox"
)

func TestLedger_CountsAPairOfRecipientAndMessageID(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	s := started(t, sandbox.Options{Now: func() time.Time { return now }})
	c := greeted(t, s)
	c.sends("anna@example.com", "1@x")
	now = now.Add(time.Hour)
	c.sends("anna@example.com", "1@x")
	c.sends("anna@example.com", "2@x")
	c.sends("bert@example.com", "1@x")
	want := "[{anna@example.com 1@x 2 1800000000000 1800003600000} {anna@example.com 2@x 1 1800003600000 1800003600000}]"
	if got := fmt.Sprint(s.Of("anna@example.com")); got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
	if c := s.Count(); c.Accepted != 4 || c.Distinct != 3 || c.Duplicates != 1 {
		t.Fatalf("counts %+v", c)
	}
	var seen []string
	for d := range s.Deliveries {
		seen = append(seen, d.Recipient)
		if len(seen) == 2 {
			break
		}
	}
	if len(seen) != 2 {
		t.Fatalf("saw %v", seen)
	}
	if s.Of("nobody@example.com") != nil || s.Of("nobody") != nil {
		t.Fatal("found what never came")
	}
}

func TestLedger_CountsRefusedAttempts(t *testing.T) {
	s := started(t, sandbox.Options{})
	greeted(t, s).plays(`
		C: MAIL FROM:<a@sender.test>
		C: RCPT TO:<full@example.com>
		C: RCPT TO:<full@example.com>
		S: 250
		S: 552
		S: 552`)
	for r := range s.Refusals {
		if r.Recipient != "full@example.com" || r.Code != "552 5.2.2" || r.Count != 2 {
			t.Fatalf("refusal %+v", r)
		}
	}
}

func TestLedger_ResetForgetsAllButConnections(t *testing.T) {
	s := started(t, sandbox.Options{Keep: 5})
	c := greeted(t, s)
	c.sends("anna@example.com", "1@x")
	c.plays("C: MAIL FROM:<a@sender.test>\nC: RCPT TO:<greylist@example.com>\nC: RSET\nS: 250\nS: 451\nS: 250")
	s.Reset()
	if got := s.Count(); got.Accepted != 0 || got.Open != 1 || got.MaxOpen != 1 || len(got.Refused) != 0 || len(s.Messages()) != 0 {
		t.Fatalf("counts %+v", got)
	}
	c.plays("C: MAIL FROM:<a@sender.test>\nC: RCPT TO:<greylist@example.com>\nC: RSET\nS: 250\nS: 451\nS: 250")
	wantReply(t, c.sends("anna@example.com", "1@x"), "250 2.0.0 queued as 1")
}

func TestLedger_IsRightWithManyConnections(t *testing.T) {
	s := started(t, sandbox.Options{})
	var all sync.WaitGroup
	for n := range 8 {
		c := greeted(t, s)
		all.Go(func() {
			for i := range 200 {
				c.sends(fmt.Sprintf("r%d@d%d.test", i, i%7), fmt.Sprintf("%d@x", n/2))
			}
		})
	}
	for range s.Deliveries { // reading goes on beside the mail
	}
	all.Wait()
	if got := s.Count(); got.Accepted != 1600 || got.Distinct != 800 || got.MaxOpen != 8 {
		t.Fatalf("counts %+v", got)
	}
	n := 0
	for d := range s.Deliveries {
		n += d.Count
	}
	if n != 1600 {
		t.Fatalf("deliveries add up to %d", n)
	}
}

func TestMessages_KeepsTheLatest(t *testing.T) {
	s := started(t, sandbox.Options{Keep: 2})
	c := greeted(t, s)
	for i := range 5 {
		c.sends("anna@example.com", fmt.Sprint(i+1, "@x"))
	}
	got := s.Messages()
	if len(got) != 2 || got[0].Number != 4 || got[1].Number != 5 {
		t.Fatalf("kept %+v", got)
	}
	if _, ok := s.Message(3); ok {
		t.Fatal("message 3 should have made room")
	}
}

func TestLog_CanBeReadByAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deliveries.log")
	for range 2 { // the second server goes on where the first ended
		s, err := sandbox.Start(sandbox.Options{LogFile: path, Now: func() time.Time { return time.UnixMilli(12345) }})
		if err != nil {
			t.Fatal(err)
		}
		c := greeted(t, s)
		c.sends("anna@example.com", "1@x")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var got []sandbox.Delivery
	err = sandbox.ReadLog(file, func(d sandbox.Delivery) bool { got = append(got, d); return true })
	if err != nil || len(got) != 2 || got[0] != (sandbox.Delivery{Recipient: "anna@example.com", MessageID: "1@x", Count: 1, First: 12345, Last: 12345}) {
		t.Fatalf("read %+v, %v", got, err)
	}
}

func TestLog_LeavesOutAHalfLineAndRefusesRubbish(t *testing.T) {
	n := 0
	count := func(sandbox.Delivery) bool { n++; return true }
	if err := sandbox.ReadLog(strings.NewReader("1\ta@x\tid\n2\tb@x\ti"), count); err != nil || n != 1 {
		t.Fatalf("read %d, %v", n, err)
	}
	for _, text := range []string{"1\ta@x\n", "one\ta@x\tid\n"} {
		if err := sandbox.ReadLog(strings.NewReader(text), count); err == nil || !strings.Contains(err.Error(), "log line 1") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
