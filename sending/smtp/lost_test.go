package smtp_test

import (
	"testing"
	"time"

	"facteur/sending/smtp"
)

const envelopeOne = `
	C: MAIL FROM:<news@client.test>
	C: RCPT TO:<one@example.test>
	C: DATA
`

func TestConnection_ReturnsAMailThatWasCutOffBeforeItsBody(t *testing.T) {
	for name, said := range map[string]string{
		"before MAIL is answered": ``,
		"before RCPT is answered": `S: 250 2.1.0 ok`,
		"before DATA is answered": `S: 250 2.1.0 ok
			S: 250 2.1.5 ok`,
		"within a reply": `S: 250 2.1.0 ok
			S: 250-2.1.5 ok`,
	} {
		t.Run(name, func(t *testing.T) {
			scene{mails: letters("one"), script: hello + envelopeOne + said + `
				-- cut
				R: one connection lost before the message: read reply: EOF`}.play(t)
		})
	}
}

func TestConnection_LeavesABodyInDoubtThatWasCutOff(t *testing.T) {
	for name, said := range map[string]string{
		"before its answer": ``,
		"within its answer": `S: 250-2.0.0 taken`,
		"by garbage":        `S: hello?`,
	} {
		t.Run(name, func(t *testing.T) {
			scene{mails: letters("one", "two"), script: begunOne + bodyOneEnvelopeTwo + said + `
				-- cut
				T: settle one body no answer
				R: two connection lost before the message`}.play(t)
		})
	}
}

func TestConnection_SettlesAnAnsweredBodyWhenTheNextEnvelopeIsCutOff(t *testing.T) {
	for name, said := range map[string]string{
		"before MAIL is answered": ``,
		"before RCPT is answered": `S: 250 2.1.0 ok`,
		"before DATA is answered": `S: 250 2.1.0 ok
			S: 250 2.1.5 ok`,
	} {
		t.Run(name, func(t *testing.T) {
			scene{mails: letters("one", "two"), script: begunOne + bodyOneEnvelopeTwo + `
				S: 250 2.0.0 taken
				` + said + `
				-- cut
				T: settle one body 250 2.0.0
				R: two connection lost before the message`}.play(t)
		})
	}
}

func TestConnection_TellsA421AndEnds(t *testing.T) {
	for name, c := range map[string]struct{ said, told string }{
		"at MAIL": {`S: 421 4.7.0 too much mail`, `T: refuse one mail 421 4.7.0`},
		"at RCPT": {"S: 250 2.1.0 ok\nS: 421 4.3.2 going down", `T: refuse one rcpt 421 4.3.2`},
		"at DATA": {"S: 250 2.1.0 ok\nS: 250 2.1.5 ok\nS: 421 4.3.2 going down", `T: refuse one data 421 4.3.2`},
	} {
		t.Run(name, func(t *testing.T) {
			scene{mails: letters("one"), script: hello + envelopeOne + c.said + "\n-- cut\n" + c.told}.play(t)
		})
	}
}

func TestConnection_SettlesA421AfterTheBodyAndEnds(t *testing.T) {
	scene{mails: letters("one", "two"), script: begunOne + bodyOneEnvelopeTwo + `
		S: 421 4.7.28 slow down
		-- cut
		T: settle one body 421 4.7.28
		R: two connection lost before the message`}.play(t)
}

func TestConnection_ReturnsAMailThatIsAnsweredByGarbage(t *testing.T) {
	for _, garbage := range []string{"", "2", "25", "hello", "2x0 ok", "250_ok", "-250 ok", "099 ok", "600 ok", "\xff\xfe\xfd"} {
		scene{mails: letters("one"), script: hello + envelopeOne + `
			S: ` + garbage + `
			R: one connection lost before the message: reply "` + quoted(garbage) + `" is not SMTP
			-- closed`}.play(t)
	}
}

func quoted(garbage string) string {
	if garbage == "\xff\xfe\xfd" {
		return `\xff\xfe\xfd`
	}
	return garbage
}

func TestConnection_IsLostWhenTheLinesOfAReplyDisagree(t *testing.T) {
	scene{mails: letters("one"), script: hello + envelopeOne + `
		S: 250-2.1.0 ok
		S: 550 5.1.0 or not
		R: one connection lost before the message: reply "550 5.1.0 or not" is not SMTP
		-- closed`}.play(t)
}

func TestConnection_WaitsForAReplyNoLongerThanItsTimeouts(t *testing.T) {
	brief := func(s *smtp.Server) {
		s.Timeouts = smtp.Timeouts{Command: 50 * time.Millisecond, FinalDot: 50 * time.Millisecond}
	}
	t.Run("envelope", func(t *testing.T) {
		scene{mails: letters("one"), server: brief, script: hello + envelopeOne + `
			R: one connection lost before the message: read reply: i/o timeout
			-- closed`}.play(t)
	})
	t.Run("body", func(t *testing.T) {
		scene{mails: letters("one"), server: brief, script: begunOne + bodyOne + `
			T: settle one body no answer
			-- closed`}.play(t)
	})
}

func TestPool_IsDownWhenTheGreetingIsARefusal(t *testing.T) {
	scene{mails: letters("one"), script: `
		-- accept
		S: 421 4.3.2 not today
		D: connect 421 4.3.2
		E: one relay is down`}.play(t)
}

func TestPool_IsDownWhenTheConnectionIsCutBeforeMail(t *testing.T) {
	for name, script := range map[string]string{
		"before the greeting": `
			-- accept
			-- cut`,
		"within the greeting": `
			-- accept
			S: 220-relay.test
			-- cut`,
		"before EHLO is answered": `
			-- accept
			S: 220 relay.test
			C: EHLO client.test
			-- cut`,
	} {
		t.Run(name, func(t *testing.T) {
			scene{mails: letters("one"), script: script + `
				D: connect no answer
				E: one relay is down`}.play(t)
		})
	}
}

func TestPool_IsDownWhenTheRelayIsSilent(t *testing.T) {
	scene{mails: letters("one"), server: func(s *smtp.Server) { s.Timeouts.Connect = 50 * time.Millisecond }, script: `
		-- accept
		D: connect no answer
		-- closed
		E: one relay is down`}.play(t)
}

func TestPool_ClosesAConnectionThatFailsAtEHLO(t *testing.T) {
	scene{mails: letters("one"), script: `
		-- accept
		S: 220 relay.test
		C: EHLO client.test
		S: 550 5.7.1 not you
		C: HELO client.test
		S: 550 5.7.1 not you
		D: connect 550 5.7.1
		-- closed
		E: one relay is down`}.play(t)
}
