package smtp_test

import "testing"

// A fault in one mail's own code ends that mail, and nobody else's.
func TestConnection_SurvivesAMailThatPanics(t *testing.T) {
	for _, where := range []string{"ready", "envelope", "compose"} {
		t.Run(where, func(t *testing.T) {
			mails := letters("bad", "one")
			mails[0].panics = where
			scene{mails: mails, script: hello + `
				T: refuse bad compose no answer
				C: MAIL FROM:<news@client.test>
				C: RCPT TO:<one@example.test>
				C: DATA`}.play(t)
		})
		if where == "compose" {
			continue // by then its envelope is behind the body, see below
		}
		t.Run(where+" behind a body", func(t *testing.T) {
			mails := letters("one", "bad")
			mails[1].panics = where
			scene{mails: mails, script: begunOne + `
				T: refuse bad compose no answer` + bodyOne + `
				S: 250 2.0.0 taken
				T: settle one body 250 2.0.0` + goodbye}.play(t)
		})
	}
}

func TestConnection_WithdrawsAMailWhoseMakingPanicsBehindABody(t *testing.T) {
	mails := letters("one", "two")
	mails[1].panics = "compose"
	scene{mails: mails, script: begunOne + bodyOneEnvelopeTwo + `
		S: 250 2.0.0 taken
		S: 250 2.1.0 ok
		S: 250 2.1.5 ok
		S: 354 go on
		T: settle one body 250 2.0.0, refuse two compose no answer
		-- closed`}.play(t)
}

func TestConnection_GivesBackWhatItsTurnPanicsAt(t *testing.T) {
	mails := letters("bad")
	mails[0].panics = "turn"
	scene{mails: mails, script: hello + `
		C: MAIL FROM:<news@client.test>
		C: RCPT TO:<bad@example.test>
		C: DATA
		S: 250 2.1.0 ok
		S: 250 2.1.5 ok
		S: 354 go on
		P: panic: turn
		R: bad connection lost before the message
		-- closed`}.play(t)
}
