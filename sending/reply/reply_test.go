package reply_test

import (
	"testing"

	"facteur/sending/reply"
)

func TestRules_EachClassesItsOwnExample(t *testing.T) {
	seen := map[string]int{}
	for _, r := range reply.Rules() {
		if got := reply.ByWords(r.Example); got != r.Class {
			t.Errorf("rules.txt line %d: %q is %q, want %q", r.Line, r.Example, got, r.Class)
		}
		if r.Source == "" {
			t.Errorf("rules.txt line %d has no source", r.Line)
		}
		if at, twice := seen[r.Words]; twice {
			t.Errorf("rules.txt line %d says what line %d says", r.Line, at)
		}
		seen[r.Words] = r.Line
	}
	if len(seen) < 100 {
		t.Errorf("%d rules", len(seen))
	}
}

func TestClassify_ReadsWordsBeforeCodes(t *testing.T) {
	for _, c := range []struct {
		code           int
		enhanced, text string
		want           reply.Class
	}{
		{550, "5.1.1", "", reply.DeadAddress},
		{550, "5.1.1", "mailbox is full", reply.MailboxFull},
		{550, "5.1.1", "blocked using zen.spamhaus.org", reply.BlockedReputation},
		{550, "5.2.1", "", reply.Temporary},
		{521, "", "we take no mail", reply.DeadDomain},
		{552, "", "", reply.MailboxFull},
		{421, "4.7.28", "", reply.Rate},
		{450, "4.2.0", "", reply.Temporary},
		{550, "", "no", reply.RelayFault},
		{0, "", "", reply.NoClass},
	} {
		if got := reply.Classify(c.code, c.enhanced, c.text); got != c.want {
			t.Errorf("%d %s %q is %q, want %q", c.code, c.enhanced, c.text, got, c.want)
		}
	}
}

func FuzzClassify(f *testing.F) {
	f.Add(550, "5.1.1", "user unknown")
	f.Fuzz(func(t *testing.T, code int, enhanced, text string) {
		c := reply.Classify(code, enhanced, text)
		if c.Hard() && c.AboutUs() {
			t.Errorf("%s is both", c)
		}
		if reply.Sure(text) && reply.ByWords(text) != reply.DeadAddress {
			t.Error("sure of what is not dead")
		}
	})
}
