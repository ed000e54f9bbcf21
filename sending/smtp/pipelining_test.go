package smtp_test

import (
	"errors"
	"testing"

	"facteur/sending/smtp"
)

// hello is the beginning of a dialogue with a relay that can pipeline.
const hello = `
	-- accept
	S: 220 relay.test ESMTP
	C: EHLO client.test
	S: 250-relay.test
	S: 250-PIPELINING
	S: 250 ENHANCEDSTATUSCODES
`

// begunOne is hello and the first mail, whose body the relay awaits.
const begunOne = hello + `
	C: MAIL FROM:<news@client.test>
	C: RCPT TO:<one@example.test>
	C: DATA
	S: 250 2.1.0 ok
	S: 250 2.1.5 ok
	S: 354 go on
	T: begin one
`

// bodyOneEnvelopeTwo is what follows when another mail waits.
const bodyOneEnvelopeTwo = `
	C: Message-ID: <one@client.test>
	C:
	C: Hello one
	C: .
	C: MAIL FROM:<news@client.test>
	C: RCPT TO:<two@example.test>
	C: DATA
`

const bodyOne = `
	C: Message-ID: <one@client.test>
	C:
	C: Hello one
	C: .
`

const bodyTwo = `
	C: Message-ID: <two@client.test>
	C:
	C: Hello two
	C: .
`

const goodbye = `
	-- close
	C: QUIT
	S: 221 2.0.0 bye
	-- closed
`

func TestConnection_SendsAnEnvelopeBehindTheLastBody(t *testing.T) {
	scene{mails: letters("one", "two"), script: begunOne + bodyOneEnvelopeTwo + `
		S: 250 2.0.0 taken
		S: 250 2.1.0 ok
		S: 250 2.1.5 ok
		S: 354 go on
		T: settle one body 250 2.0.0, begin two` + bodyTwo + `
		S: 250 2.0.0 taken
		T: settle two body 250 2.0.0` + goodbye}.play(t)
}

func TestConnection_ReadsRepliesHoweverTheyArrive(t *testing.T) {
	scene{mails: letters("one", "two"), bytewise: true, script: begunOne + bodyOneEnvelopeTwo + `
		S: 250-2.0.0 taken,
		S: 250-2.0.0 in several
		S: 250 2.0.0 lines
		S: 250
		S: 250-2.1.5 ok
		S: 250 2.1.5 too
		S: 354
		T: settle one body 250 2.0.0, begin two` + bodyTwo + `
		S: 250 taken
		T: settle two body 250` + goodbye}.play(t)
}

func TestConnection_ClosesRawWhenTurnRefusesTheFirstBegin(t *testing.T) {
	scene{mails: letters("one"), script: hello + `
		C: MAIL FROM:<news@client.test>
		C: RCPT TO:<one@example.test>
		C: DATA
		S: 250 2.1.0 ok
		S: 250 2.1.5 ok
		S: 354 go on
		T: begin one => no
		-- closed
		R: one not allowed to begin`}.play(t)
}

func TestConnection_ClosesRawWhenTurnRefusesTheNextBegin(t *testing.T) {
	scene{mails: letters("one", "two"), script: begunOne + bodyOneEnvelopeTwo + `
		S: 250 2.0.0 taken
		S: 250 2.1.0 ok
		S: 250 2.1.5 ok
		S: 354 go on
		T: settle one body 250 2.0.0, begin two => no
		-- closed
		R: two not allowed to begin`}.play(t)
}

func TestConnection_WaitsForEachReplyWithoutPipelining(t *testing.T) {
	scene{mails: letters("one", "two"), script: `
		-- accept
		S: 220 relay.test ESMTP
		C: EHLO client.test
		S: 250 relay.test
		C: MAIL FROM:<news@client.test>
		S: 250 ok
		C: RCPT TO:<one@example.test>
		S: 550 5.1.1 no such user
		T: refuse one rcpt 550 5.1.1
		C: RSET
		S: 250 ok
		C: MAIL FROM:<news@client.test>
		S: 250 ok
		C: RCPT TO:<two@example.test>
		S: 250 ok
		C: DATA
		S: 354 go on
		T: begin two` + bodyTwo + `
		S: 250 2.0.0 taken
		T: settle two body 250 2.0.0` + goodbye}.play(t)
}

func TestConnection_SpeaksToAServerThatOnlyKnowsHELO(t *testing.T) {
	scene{mails: letters("one"), script: `
		-- accept
		S: 220 relay.test
		C: EHLO client.test
		S: 502 what?
		C: HELO client.test
		S: 250 relay.test
		C: MAIL FROM:<news@client.test>
		S: 250 ok
		C: RCPT TO:<one@example.test>
		S: 250 ok
		C: DATA
		S: 354 go on
		T: begin one` + bodyOne + `
		S: 250 taken
		T: settle one body 250` + goodbye}.play(t)
}

func TestConnection_AsksForSMTPUTF8WhereItIsOffered(t *testing.T) {
	mails := letters("zoé")
	mails[0].utf8 = true
	scene{mails: mails, script: `
		-- accept
		S: 220 relay.test ESMTP
		C: EHLO client.test
		S: 250-relay.test
		S: 250-SMTPUTF8
		S: 250 PIPELINING
		C: MAIL FROM:<news@client.test> SMTPUTF8
		C: RCPT TO:<zoé@example.test>
		C: DATA
		S: 250 ok
		S: 250 ok
		S: 354 go on
		T: begin zoé`}.play(t)
}

func TestConnection_RefusesAUTF8AddressWithoutSMTPUTF8(t *testing.T) {
	for name, pipelining := range map[string]bool{"pipelined": true, "stepwise": false} {
		t.Run(name, func(t *testing.T) {
			mails := letters("zoé", "one")
			mails[0].utf8 = true
			offer, envelope := "", `
				C: MAIL FROM:<news@client.test>
				S: 250 ok
				C: RCPT TO:<one@example.test>`
			if pipelining {
				offer, envelope = "S: 250-PIPELINING", `
				C: MAIL FROM:<news@client.test>
				C: RCPT TO:<one@example.test>
				C: DATA`
			}
			scene{mails: mails, script: `
				-- accept
				S: 220 relay.test ESMTP
				C: EHLO client.test
				S: 250-relay.test
				` + offer + `
				S: 250 HELP
				T: refuse zoé rcpt 553 5.6.7` + envelope}.play(t)
		})
	}
}

func TestConnection_RefusesAUTF8AddressBehindABody(t *testing.T) {
	mails := letters("one", "zoé")
	mails[1].utf8 = true
	scene{mails: mails, script: begunOne + `
		T: refuse zoé rcpt 553 5.6.7` + bodyOne + `
		S: 250 2.0.0 taken
		T: settle one body 250 2.0.0` + goodbye}.play(t)
}

func TestConnection_SettlesAMailThatCannotBeComposedWithoutAWord(t *testing.T) {
	mails := letters("bad", "one")
	mails[0].err = errors.New("no such variable")
	scene{mails: mails, script: hello + `
		T: refuse bad compose no answer
		C: MAIL FROM:<news@client.test>
		C: RCPT TO:<one@example.test>
		C: DATA`}.play(t)
}

func TestConnection_WithdrawsAMailThatCannotBeComposedBehindABody(t *testing.T) {
	mails := letters("one", "two")
	mails[1].err = errors.New("no such variable")
	scene{mails: mails, script: begunOne + bodyOneEnvelopeTwo + `
		S: 250 2.0.0 taken
		S: 250 2.1.0 ok
		S: 250 2.1.5 ok
		S: 354 go on
		T: settle one body 250 2.0.0, refuse two compose no answer
		-- closed`}.play(t)
}

func TestConnection_ForgetsAMailThatIsNotReady(t *testing.T) {
	mails := letters("gone", "one", "left")
	mails[0].unready, mails[2].unready = true, true
	scene{mails: mails, script: begunOne + bodyOne + `
		S: 250 2.0.0 taken
		T: settle one body 250 2.0.0` + goodbye}.play(t)
}

func TestResult_IsAcceptedOnlyByATwoHundred(t *testing.T) {
	for code, want := range map[int]bool{0: false, 199: false, 200: true, 250: true, 299: true, 354: false, 421: false, 550: false} {
		if got := (smtp.Result{Code: code}).Accepted(); got != want {
			t.Errorf("%d: accepted %v, want %v", code, got, want)
		}
	}
	if (smtp.Result{Code: 250, Err: smtp.ErrLost}).Accepted() {
		t.Error("an error counts as accepted")
	}
}
