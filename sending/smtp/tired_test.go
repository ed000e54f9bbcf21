package smtp_test

import (
	"testing"
	"time"

	"facteur/sending/smtp"
)

func TestConnection_TakesA421AtMAILAfterAnAnswerForTheConnectionsEnd(t *testing.T) {
	t.Run("behind a body", func(t *testing.T) {
		scene{mails: letters("one", "two"), script: begunOne + bodyOneEnvelopeTwo + `
			S: 250 2.0.0 taken
			S: 421 4.7.0 enough messages on this connection
			-- cut
			T: settle one body 250 2.0.0
			R: two connection lost before the message`}.play(t)
	})
	t.Run("after a pause", func(t *testing.T) {
		scene{mails: letters("one"), script: begunOne + bodyOne + `
			S: 250 2.0.0 taken
			T: settle one body 250 2.0.0
			S: 421 4.4.2 nothing came for too long
			-- offer two
			C: MAIL FROM:<news@client.test>
			C: RCPT TO:<two@example.test>
			C: DATA
			-- cut
			R: two connection lost before the message`}.play(t)
	})
}

func TestConnection_IsLostWhenARelayDoesNotReset(t *testing.T) {
	refused := hello + envelopeOne + `
		S: 250 2.1.0 ok
		S: 550 5.1.1 no such user
		S: 503 5.5.1 no valid recipients
		T: refuse one rcpt 550 5.1.1
		C: RSET
		C: MAIL FROM:<news@client.test>
		C: RCPT TO:<two@example.test>
		C: DATA
	`
	scene{mails: letters("one", "two"), script: refused + `
		S: 502 5.5.1 not here
		R: two connection lost before the message: no answer of success to RSET
		-- closed`}.play(t)
	scene{mails: letters("one", "two"), script: refused + `
		-- cut
		R: two connection lost before the message: no answer of success to RSET; read reply: EOF`}.play(t)
}

func TestConnection_KnowsARefusalWhenItsLoneDotIsNotAnswered(t *testing.T) {
	scene{mails: letters("one"), script: hello + envelopeOne + `
		S: 250 2.1.0 ok
		S: 550 5.1.1 no such user
		S: 354 go on
		C: .
		-- cut
		T: refuse one rcpt 550 5.1.1`}.play(t)
}

func TestConnection_SendsNothingOfABodyWhoseBeginIsTooOld(t *testing.T) {
	brief := func(s *smtp.Server) { s.Timeouts.FinalDot = 10 * time.Millisecond }
	// Turn takes longer than that here, as it does while the wire is watched.
	scene{mails: letters("one", "two"), server: brief, script: begunOne + `
		-- closed
		T: settle one body unsent
		R: two connection lost before the message`}.play(t)
}
