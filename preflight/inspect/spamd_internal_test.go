package inspect

import (
	"strings"
	"testing"
)

const spamdAnswer = "SPAMD/1.1 0 EX_OK\r\nContent-length: 282\r\nSpam: False ; 1.0 / 5.0\r\n\r\n" +
	"Content analysis details:   (1.0 points, 5.0 required)\n\n" +
	" pts rule name              description\n---- ---------------------- ----------\n" +
	"-0.0 NO_RELAYS              Informational\n 1.0 LIST_PARTIAL_SHORT_MSG Incomplete mailing list headers + short\n                            message\n\n"

func TestParseReport_ReadsScoreAndRules(t *testing.T) {
	o, err := parseReport([]byte(spamdAnswer))
	if err != nil {
		t.Fatal(err)
	}
	if o.Spam || o.Score != 1 || o.Threshold != 5 || len(o.Rules) != 2 || o.Rules[1] != (Rule{"LIST_PARTIAL_SHORT_MSG", 1, "Incomplete mailing list headers + short message"}) {
		t.Errorf("%+v", o)
	}
}

func TestParseReport_RefusesWhatIsNoAnswer(t *testing.T) {
	for _, answer := range []string{
		"", "SPAMD/1.1 76 EX_PROTOCOL\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", "SPAMD/1.1 0 EX_OK\r\n\r\n",
		"SPAMD/1.1 0 EX_OK\r\nSpam: Maybe ; 1 / 5\r\n\r\n", "SPAMD/1.1 0 EX_OK\r\nSpam: True ; 1.2.3 / 5\r\n\r\n", spamdAnswer[:len(spamdAnswer)-100],
	} {
		if o, err := parseReport([]byte(answer)); err == nil {
			t.Errorf("%q was read as %+v", answer, o)
		}
	}
}

// FuzzParseReport: whatever answers, there is a score and a threshold or an error.
func FuzzParseReport(f *testing.F) {
	f.Add([]byte(spamdAnswer))
	f.Add([]byte(strings.Replace(spamdAnswer, "False", "True", 1)))
	f.Add([]byte("SPAMD/1.0 79 Timeout\r\n\r\n"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		o, err := parseReport(answer)
		if err != nil {
			return
		}
		for _, r := range o.Rules {
			if r.Name == "" {
				t.Errorf("a rule without a name: %+v", o)
			}
		}
		if n := len(o.Findings()); n != 1 {
			t.Errorf("%d findings", n)
		}
	})
}
