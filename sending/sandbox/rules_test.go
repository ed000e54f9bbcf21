package sandbox_test

import (
	"fmt"
	"strings"
	"testing"

	"facteur/sending/sandbox"
)

// refused returns which of n recipients in a domain are refused at RCPT.
func refused(t *testing.T, s *sandbox.Server, domain string, n int) map[int]bool {
	t.Helper()
	c := greeted(t, s)
	c.plays("C: MAIL FROM:<a@sender.test>\nS: 250")
	found := map[int]bool{}
	for i := range n {
		c.writes(fmt.Sprintf("RCPT TO:<person%d@%s>\r\n", i, domain))
		if !strings.HasPrefix(c.reply(false), "250") {
			found[i] = true
		}
	}
	c.plays("C: QUIT\nS: 221")
	return found
}

func TestRules_PickTheSameShareEachTime(t *testing.T) {
	rules := []sandbox.Rule{{Fraction: 0.2, Action: "unknown"}}
	first := refused(t, started(t, sandbox.Options{Rules: rules}), "example.com", 1000)
	if len(first) < 150 || len(first) > 250 {
		t.Fatalf("%d of 1000 refused, want about 200", len(first))
	}
	again := refused(t, started(t, sandbox.Options{Rules: rules}), "EXAMPLE.com", 1000)
	if fmt.Sprint(first) != fmt.Sprint(again) {
		t.Error("another server picks others")
	}
	rules[0].Seed = 1
	if other := refused(t, started(t, sandbox.Options{Rules: rules}), "example.com", 1000); fmt.Sprint(first) == fmt.Sprint(other) {
		t.Error("another seed picks the same")
	}
}

func TestRules_MatchADomainAndAllBelowIt(t *testing.T) {
	s := started(t, sandbox.Options{Rules: []sandbox.Rule{{Match: "Example.com", Fraction: 1, Action: "policy"}}})
	for domain, want := range map[string]int{"example.com": 1, "mx.EXAMPLE.com": 1, "notexample.com": 0, "example.com.org": 0} {
		if got := len(refused(t, s, domain, 1)); got != want {
			t.Errorf("%s: %d refused, want %d", domain, got, want)
		}
	}
}

func TestRules_StrikeAtEveryNthAttempt(t *testing.T) {
	s := started(t, sandbox.Options{Rules: []sandbox.Rule{{EveryNth: 3, Action: "tempfull"}}})
	if got := refused(t, s, "example.com", 9); fmt.Sprint(got) != "map[2:true 5:true 8:true]" {
		t.Fatalf("refused %v", got)
	}
}

func TestRules_TheFirstThatPicksDecides(t *testing.T) {
	s := started(t, sandbox.Options{Rules: []sandbox.Rule{
		{Match: "spared.test", Fraction: 1, Action: "accept"},
		{Fraction: 1, Action: "unknown"},
	}})
	if len(refused(t, s, "spared.test", 3)) != 0 || len(refused(t, s, "example.com", 3)) != 3 {
		t.Fatal("the order of rules does not hold")
	}
	wantReply(t, greeted(t, s).sends("anna@spared.test", "1@x"), "250")
}

func TestRules_RefuseTheSenderAtMail(t *testing.T) {
	s := started(t, sandbox.Options{Rules: []sandbox.Rule{
		{Match: "busy.test", Fraction: 1, Action: "sender-busy"},
		{Match: "sender.test", Fraction: 1, Action: "sender-blocked"},
	}})
	greeted(t, s).plays(`
		C: MAIL FROM:<a@sender.test>
		C: RCPT TO:<anna@example.com>
		C: DATA
		S: 550 5.7.1
		S: 503 5.5.1
		S: 503 5.5.1
		C: MAIL FROM:<a@busy.test>
		C: RCPT TO:<anna@example.com>
		S: 421 4.7.0
		S: closed`)
	if got := s.Count(); got.Mistakes != 0 || got.Refused["550 5.7.1"] != 1 || got.Refused["421 4.7.0"] != 1 {
		t.Fatalf("a refused group is no mistake: %+v", got)
	}
}

func TestRules_RefuseWithoutAnEnhancedCode(t *testing.T) {
	s := started(t, sandbox.Options{Rules: []sandbox.Rule{{Fraction: 1, Action: "bare"}}})
	greeted(t, s).plays(`
		C: MAIL FROM:<a@sender.test>
		C: RCPT TO:<anna@example.com>
		S: 250
		S: 554 transaction failed`)
	if got := s.Count().Refused["554"]; got != 1 {
		t.Fatalf("counted %d", got)
	}
}

func TestRules_SwallowEverything(t *testing.T) {
	s := started(t, sandbox.Options{Rules: []sandbox.Rule{{Fraction: 1, Action: "swallow"}}})
	unanswered(t, s, "anna@example.com", "1@x")
}

func TestRules_ThatCanNotBeMeantAreRefusedAndTheOldOnesStay(t *testing.T) {
	s := started(t, sandbox.Options{Rules: []sandbox.Rule{{Fraction: 1, Action: "unknown"}}})
	for _, try := range []struct {
		rule sandbox.Rule
		want string
	}{
		{sandbox.Rule{Fraction: 1.5, Action: "full"}, "fraction 1.5"},
		{sandbox.Rule{Fraction: 1, Action: "explode"}, `unknown action "explode"`},
		{sandbox.Rule{Action: "full"}, "picks nobody"},
		{sandbox.Rule{EveryNth: -1, Action: "full"}, "every_nth -1"},
	} {
		if err := s.SetRules([]sandbox.Rule{try.rule}); err == nil || !strings.Contains(err.Error(), try.want) {
			t.Errorf("%+v: %v", try.rule, err)
		}
	}
	if got := s.Rules(); len(got) != 1 || got[0].Action != "unknown" {
		t.Fatalf("rules %+v", got)
	}
}
