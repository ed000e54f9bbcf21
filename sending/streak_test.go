package sending_test

import (
	"strings"
	"testing"
	"time"

	"facteur/sending"
	"facteur/sending/smtp"
)

var (
	good      = sending.Outcome{Verdict: sending.Sent, Stage: smtp.Body, Code: 250}
	doubt     = sending.Outcome{Verdict: sending.Doubted, Class: sending.RelayFault, Stage: smtp.Body, Text: "answer lost: EOF"}
	refusal   = sending.Outcome{Verdict: sending.Deferred, Class: sending.Authentication, Stage: smtp.Body, Code: 550, Enhanced: "5.7.26", Text: "unsigned"}
	atMail    = sending.Outcome{Verdict: sending.Deferred, Class: sending.RelayFault, Stage: smtp.MailCmd, Code: 550, Text: "no"}
	dead      = sending.Outcome{Verdict: sending.Failed, Class: sending.DeadAddress, Stage: smtp.Rcpt, Code: 550, Enhanced: "5.1.1"}
	greylist  = sending.Outcome{Verdict: sending.Deferred, Class: sending.Temporary, Stage: smtp.Rcpt, Code: 451}
	slowdown  = sending.Outcome{Verdict: sending.Deferred, Class: sending.Rate, Stage: smtp.Rcpt, Code: 421}
	fourTimes = []sending.Outcome{doubt, doubt, doubt, doubt}
)

// see shows the outcomes to s and returns the trouble of the last, none before.
func see(t *testing.T, s *sending.Streak, probing bool, outcomes ...sending.Outcome) (sending.Trouble, bool) {
	t.Helper()
	for i, o := range outcomes {
		trouble, rest := s.See(o, probing)
		if i == len(outcomes)-1 {
			return trouble, rest
		}
		if rest {
			t.Fatalf("outcome %d: rest already: %+v", i, trouble)
		}
	}
	return sending.Trouble{}, false
}

func TestStreak_RestsAtFiveDoubtsInARow(t *testing.T) {
	var s sending.Streak
	if _, rest := see(t, &s, false, append(append(append([]sending.Outcome{}, fourTimes...), good), fourTimes...)...); rest {
		t.Fatal("rest with an answer between")
	}
	trouble, rest := see(t, &s, false, doubt)
	if !rest || !trouble.Doubts || trouble.Hold || trouble.Refused || !strings.Contains(trouble.Reason, "EOF") {
		t.Errorf("rest %v, %+v, want a rest for doubts that are not held", rest, trouble)
	}
	if _, rest := see(t, &s, false, fourTimes...); rest {
		t.Error("the doubts of before still count")
	}
}

func TestStreak_HoldsTheDoubtOfAProbe(t *testing.T) {
	var s sending.Streak
	if trouble, rest := s.See(doubt, true); !rest || !trouble.Doubts || !trouble.Hold {
		t.Errorf("rest %v, %+v, want a rest with held doubts", rest, trouble)
	}
}

func TestStreak_HoldsDoubtsThatAreMoreThanAHundredth(t *testing.T) {
	// A doubt every eighty answers is one in a hundred and more.
	var s sending.Streak
	at := 0
	for i := 1; i <= 1000; i++ {
		o := good
		if i%80 == 0 {
			o = doubt
		}
		if trouble, rest := s.See(o, false); rest {
			if !trouble.Doubts || !trouble.Hold {
				t.Errorf("%+v, want held doubts", trouble)
			}
			at = i
			break
		}
	}
	if at != 560 { // the first doubt with 500 answers behind it of which more than five are lost
		t.Errorf("rest at answer %d, want 560", at)
	}
}

func TestStreak_ToleratesDoubtsThatAreRare(t *testing.T) {
	var s sending.Streak
	for i := 1; i <= 5000; i++ {
		o := good
		if i%100 == 0 {
			o = doubt
		}
		if trouble, rest := s.See(o, false); rest {
			t.Fatalf("rest at answer %d: %+v", i, trouble)
		}
	}
}

func TestStreak_RestsAtThreeRefusalsInARow(t *testing.T) {
	var s sending.Streak
	if _, rest := see(t, &s, false, slowdown, slowdown, slowdown, slowdown, refusal, refusal, good, refusal, refusal, dead, refusal, refusal, greylist, refusal, refusal, doubt, refusal, refusal); rest {
		t.Fatal("rest with other answers between")
	}
	trouble, rest := see(t, &s, false, refusal)
	if !rest || !trouble.Refused || trouble.Doubts || trouble.Hold {
		t.Errorf("rest %v, %+v, want a rest for refusals", rest, trouble)
	}
	for _, word := range []string{"authentication", "550", "5.7.26", "unsigned"} {
		if !strings.Contains(trouble.Reason, word) {
			t.Errorf("reason %q does not say %q", trouble.Reason, word)
		}
	}
}

func TestStreak_RestsAtOnceForARefusedSenderOrProbe(t *testing.T) {
	var s sending.Streak
	if trouble, rest := s.See(atMail, false); !rest || !trouble.Refused {
		t.Errorf("at MAIL: rest %v, %+v", rest, trouble)
	}
	if trouble, rest := s.See(refusal, true); !rest || !trouble.Refused {
		t.Errorf("of a probe: rest %v, %+v", rest, trouble)
	}
	for _, o := range []sending.Outcome{good, dead, greylist, slowdown} {
		if trouble, rest := s.See(o, true); rest {
			t.Errorf("a probe with %+v: %+v", o, trouble)
		}
	}
}

func TestRestFor_DoublesWithinItsBounds(t *testing.T) {
	for _, c := range []struct {
		n       int
		refused bool
		most    time.Duration
	}{
		{0, false, 2 * time.Second},
		{1, false, 2 * time.Second},
		{2, false, 4 * time.Second},
		{5, false, 32 * time.Second},
		{6, false, time.Minute},
		{100, false, time.Minute},
		{1, true, 30 * time.Second},
		{2, true, time.Minute},
		{6, true, 16 * time.Minute},
		{7, true, 30 * time.Minute},
		{11, true, 30 * time.Minute},
		{12, true, 30 * time.Minute},
		{1 << 40, true, 30 * time.Minute},
	} {
		for range 200 {
			if d := sending.RestFor(c.n, c.refused); d > c.most || d < c.most-c.most/5 {
				t.Fatalf("rest %d, refused %v: %v, want %v less at most a fifth", c.n, c.refused, d, c.most)
			}
		}
	}
}
