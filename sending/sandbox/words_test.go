package sandbox_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"facteur/sending/sandbox"
)

func TestWords_RefuseAtRcpt(t *testing.T) {
	s := started(t, sandbox.Options{})
	c := greeted(t, s)
	c.plays(`
		C: MAIL FROM:<a@sender.test>
		S: 250
		C: RCPT TO:<unknown@example.com>
		S: 550 5.1.1
		C: RCPT TO:<full@example.com>
		S: 552 5.2.2
		C: RCPT TO:<tempfull@example.com>
		S: 452 4.2.2
		C: RCPT TO:<policy@example.com>
		S: 554 5.7.1
		C: DATA
		S: 503 5.5.1`)
	if got := s.RefusalsOf("full@example.com"); len(got) != 1 || got[0].Code != "552 5.2.2" || got[0].Count != 1 {
		t.Fatalf("refusals %+v", got)
	}
}

func TestWords_RefuseAfterTheFinalDot(t *testing.T) {
	s := started(t, sandbox.Options{})
	c := greeted(t, s)
	wantReply(t, c.sends("blocked@example.com", "1@x"), "550 5.7.1")
	wantReply(t, c.sends("toolarge@example.com", "2@x"), "552 5.3.4")
	wantReply(t, c.sends("content@example.com", "3@x"), "554 5.6.0")
	wantReply(t, c.sends("rate@example.com", "4@x"), "421 4.7.28")
	c.ended()
	if got := s.Count(); got.Accepted != 0 || len(got.Refused) != 4 {
		t.Fatalf("counts %+v", got)
	}
}

func TestWords_StandAtTheStartOfTheLocalPart(t *testing.T) {
	s := started(t, sandbox.Options{})
	c := greeted(t, s)
	c.plays("C: MAIL FROM:<a@sender.test>\nS: 250")
	for to, want := range map[string]string{
		"unknown": "550", "unknown17": "550", "unknown-a": "550", "unknown+a": "550", "unknown.a": "550", "UnKnown.a": "550",
		"unknowns": "250", "unknown_a": "250", "anunknown": "250", "unknow": "250", "fuller": "250", "u": "250",
		"tempfull1": "452", "temp.full": "250", "fulladdress": "250", "\"unknown\"": "250",
	} {
		c.plays("C: RCPT TO:<" + to + "@example.com>\nS: " + want)
	}
}

func TestWords_AreSwitchedOffByPlainNames(t *testing.T) {
	s := started(t, sandbox.Options{PlainNames: true})
	wantReply(t, greeted(t, s).sends("unknown@example.com", "1@x"), "250")
}

func TestWords_HangUpAtData(t *testing.T) {
	s := started(t, sandbox.Options{Rules: []sandbox.Rule{{Fraction: 1, Action: "hang-up"}}})
	greeted(t, s).plays(`
		C: MAIL FROM:<a@sender.test>
		C: RCPT TO:<b@example.com>
		C: DATA
		S: 250
		S: 250
		S: closed`)
	if n := s.Count(); n.Accepted+n.Dropped+n.Mistakes != 0 {
		t.Errorf("counted %+v", n)
	}
}

func TestWords_OfRulesAreNoWordsInAddresses(t *testing.T) {
	s := started(t, sandbox.Options{})
	wantReply(t, greeted(t, s).sends("bare@example.com", "1@x"), "250")
}

func TestWords_GreylistRefusesTheFirstAttemptOfASenderDomain(t *testing.T) {
	s := started(t, sandbox.Options{})
	greeted(t, s).plays(`
		C: MAIL FROM:<a@sender.test>
		C: RCPT TO:<greylist@example.com>
		C: RCPT TO:<greylist2@example.com>
		C: RCPT TO:<greylist@example.com>
		C: RSET
		S: 250
		S: 451 4.7.1
		S: 451 4.7.1
		S: 250 2.1.5
		S: 250
		C: MAIL FROM:<b@sender.test>
		C: RCPT TO:<greylist@example.com>
		C: RSET
		S: 250
		S: 250 2.1.5
		S: 250
		C: MAIL FROM:<a@other.test>
		C: RCPT TO:<greylist@example.com>
		S: 250
		S: 451 4.7.1`)
}

func TestWords_GreylistRefusesForItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := piped(t, sandbox.Options{GreylistFor: 5 * time.Minute})
		attempt := `
			C: MAIL FROM:<a@sender.test>
			C: RCPT TO:<greylist@example.com>
			C: RSET
			S: 250
			S: %
			S: 250`
		c.plays("S: 220\nC: EHLO client.test\nS: 250")
		c.plays(strings.ReplaceAll(attempt, "%", "451"))
		time.Sleep(5*time.Minute - time.Millisecond)
		c.plays(strings.ReplaceAll(attempt, "%", "451"))
		time.Sleep(time.Millisecond)
		c.plays(strings.ReplaceAll(attempt, "%", "250"))
		c.conn.Close()
	})
}

func TestWords_BusyClosesOnceForARecipient(t *testing.T) {
	s := started(t, sandbox.Options{})
	greeted(t, s).plays(`
		C: MAIL FROM:<a@sender.test>
		C: RCPT TO:<busy@example.com>
		C: DATA
		S: 250
		S: 421 4.3.2
		S: closed`)
	wantReply(t, greeted(t, s).sends("busy@example.com", "1@x"), "250")
}

func TestWords_SlowTakesTheMessageAndWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := piped(t, sandbox.Options{SlowFor: 7 * time.Second})
		c.plays("S: 220\nC: EHLO client.test\nS: 250")
		start := time.Now()
		wantReply(t, c.sends("slow@example.com", "1@x"), "250")
		if took := time.Since(start); took != 7*time.Second {
			t.Errorf("took %v", took)
		}
		if got := s.Count().Accepted; got != 1 {
			t.Errorf("accepted %d", got)
		}
		c.conn.Close()
	})
}

// unanswered sends a message and wants the connection to end instead of an answer.
func unanswered(t *testing.T, s *sandbox.Server, to, id string) {
	t.Helper()
	greeted(t, s).plays(`
		C: MAIL FROM:<a@sender.test>
		C: RCPT TO:<` + to + `>
		C: DATA
		S: 250
		S: 250
		S: 354
		C: Message-ID: <` + id + `>
		C: .
		S: closed`)
}

func TestWords_DropAfterBodyLosesTheMessage(t *testing.T) {
	s := started(t, sandbox.Options{})
	unanswered(t, s, "drop-after-body@example.com", "1@x")
	unanswered(t, s, "drop-after-body@example.com", "1@x")
	if got := s.Count(); got.Accepted != 0 || got.Lost != 2 || got.Dropped != 0 {
		t.Fatalf("counts %+v", got)
	}
}

func TestWords_DropBeforeAnswerCountsAndAnswersTheResend(t *testing.T) {
	s := started(t, sandbox.Options{})
	unanswered(t, s, "drop-before-answer1@example.com", "1@x")
	if got := s.Count(); got.Accepted != 1 || got.Unanswered != 1 {
		t.Fatalf("counts %+v", got)
	}
	wantReply(t, greeted(t, s).sends("drop-before-answer1@example.com", "1@x"), "250")
	if got := s.Count(); got.Accepted != 2 || got.Distinct != 1 || got.Duplicates != 1 {
		t.Fatalf("counts %+v", got)
	}
}

func TestWords_SwallowCountsAndNeverAnswers(t *testing.T) {
	s := started(t, sandbox.Options{})
	unanswered(t, s, "swallow@example.com", "1@x")
	unanswered(t, s, "swallow@example.com", "1@x")
	if got := s.Count(); got.Accepted != 2 || got.Unanswered != 2 {
		t.Fatalf("counts %+v", got)
	}
}

func TestWords_HangingUpStillGivesEarlierReplies(t *testing.T) {
	s := started(t, sandbox.Options{})
	greeted(t, s).plays(`
		C: MAIL FROM:<a@sender.test>
		C: RCPT TO:<anna@example.com>
		C: DATA
		C: Message-ID: <1@x>
		C: .
		C: MAIL FROM:<a@sender.test>
		C: RCPT TO:<swallow@example.com>
		C: DATA
		C: Message-ID: <2@x>
		C: .
		S: 250
		S: 250
		S: 354
		S: 250 2.0.0 queued as 1
		S: 250
		S: 250
		S: 354
		S: closed`)
}

func TestWords_PrintAsATable(t *testing.T) {
	var b strings.Builder
	if err := sandbox.WriteWords(&b); err != nil {
		t.Fatal(err)
	}
	for _, w := range sandbox.Words() {
		if !strings.Contains(b.String(), "| `"+w.Name) || w.Plays == "" {
			t.Errorf("%s is not told about", w.Name)
		}
	}
	if !strings.Contains(b.String(), "| `busy@` | RCPT | 421 4.3.2 service shutting down, try again later, then closes |") {
		t.Error(b.String())
	}
}
