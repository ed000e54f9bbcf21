package smtp_test

import "testing"

func TestConnection_ResetsAfterARefusedRecipient(t *testing.T) {
	scene{mails: letters("one", "two", "three"), script: hello + `
		C: MAIL FROM:<news@client.test>
		C: RCPT TO:<one@example.test>
		C: DATA
		S: 250 2.1.0 ok
		S: 550 5.1.1 no such user
		S: 503 5.5.1 no valid recipients
		T: refuse one rcpt 550 5.1.1
		C: RSET
		C: MAIL FROM:<news@client.test>
		C: RCPT TO:<two@example.test>
		C: DATA
		S: 250 2.0.0 ok
		S: 250 2.1.0 ok
		S: 452 4.2.2 mailbox full
		S: 503 5.5.1 no valid recipients
		T: refuse two rcpt 452 4.2.2
		C: RSET
		C: MAIL FROM:<news@client.test>
		C: RCPT TO:<three@example.test>
		C: DATA`}.play(t)
}

func TestConnection_ResetsAfterARefusedRecipientBehindABody(t *testing.T) {
	scene{mails: letters("one", "two", "three"), script: begunOne + bodyOneEnvelopeTwo + `
		S: 250 2.0.0 taken
		S: 250 2.1.0 ok
		S: 550 5.1.1 no such user
		S: 503 5.5.1 no valid recipients
		T: settle one body 250 2.0.0, refuse two rcpt 550 5.1.1
		C: RSET
		C: MAIL FROM:<news@client.test>
		C: RCPT TO:<three@example.test>
		C: DATA`}.play(t)
}

func TestConnection_EndsADataGrantedWithoutARecipientByALoneDot(t *testing.T) {
	for name, answer := range map[string]string{"refused": "554 5.5.1 no valid recipients", "taken": "250 2.0.0 taken"} {
		t.Run(name, func(t *testing.T) {
			scene{mails: letters("one", "two"), script: hello + `
				C: MAIL FROM:<news@client.test>
				C: RCPT TO:<one@example.test>
				C: DATA
				S: 250 2.1.0 ok
				S: 550 5.1.1 no such user
				S: 354 go on
				C: .
				S: ` + answer + `
				T: refuse one rcpt 550 5.1.1
				C: MAIL FROM:<news@client.test>
				C: RCPT TO:<two@example.test>
				C: DATA`}.play(t)
		})
	}
}

func TestConnection_EndsADataGrantedBehindABodyByALoneDot(t *testing.T) {
	scene{mails: letters("one", "two", "three"), script: begunOne + bodyOneEnvelopeTwo + `
		S: 250 2.0.0 taken
		S: 250 2.1.0 ok
		S: 550 5.1.1 no such user
		S: 354 go on
		C: .
		S: 250 2.0.0 taken
		T: settle one body 250 2.0.0, refuse two rcpt 550 5.1.1
		C: MAIL FROM:<news@client.test>
		C: RCPT TO:<three@example.test>
		C: DATA`}.play(t)
}

func TestConnection_TellsARefusedSender(t *testing.T) {
	scene{mails: letters("one", "two"), script: hello + `
		C: MAIL FROM:<news@client.test>
		C: RCPT TO:<one@example.test>
		C: DATA
		S: 550 5.7.1 you are on a list
		S: 503 5.5.1 MAIL first
		S: 503 5.5.1 RCPT first
		T: refuse one mail 550 5.7.1
		C: MAIL FROM:<news@client.test>
		C: RCPT TO:<two@example.test>
		C: DATA`}.play(t)
}

func TestConnection_TellsARefusedData(t *testing.T) {
	scene{mails: letters("one", "two"), script: hello + `
		C: MAIL FROM:<news@client.test>
		C: RCPT TO:<one@example.test>
		C: DATA
		S: 250 2.1.0 ok
		S: 250 2.1.5 ok
		S: 451 4.3.0 not now
		T: refuse one data 451 4.3.0
		C: RSET
		C: MAIL FROM:<news@client.test>
		C: RCPT TO:<two@example.test>
		C: DATA`}.play(t)
}

func TestConnection_TakesASuccessInPlaceOfA354ForARefusal(t *testing.T) {
	scene{mails: letters("one"), script: hello + `
		C: MAIL FROM:<news@client.test>
		C: RCPT TO:<one@example.test>
		C: DATA
		S: 250 2.1.0 ok
		S: 250 2.1.5 ok
		S: 250 2.0.0 taken already
		T: refuse one data 250 2.0.0`}.play(t)
}

func TestConnection_SettlesARefusedBody(t *testing.T) {
	scene{mails: letters("one", "two"), script: begunOne + bodyOneEnvelopeTwo + `
		S: 554 5.6.0 not like this
		S: 250 2.1.0 ok
		S: 250 2.1.5 ok
		S: 354 go on
		T: settle one body 554 5.6.0, begin two` + bodyTwo + `
		S: 354 go on and on
		T: settle two body 354` + goodbye}.play(t)
}

func TestConnection_KeepsThePipelineWhenMailIsRefusedBehindABody(t *testing.T) {
	scene{mails: letters("one", "two", "three"), script: begunOne + bodyOneEnvelopeTwo + `
		S: 250 2.0.0 taken
		S: 451 4.7.0 later
		S: 503 5.5.1 MAIL first
		S: 503 5.5.1 MAIL first
		T: settle one body 250 2.0.0, refuse two mail 451 4.7.0
		C: MAIL FROM:<news@client.test>
		C: RCPT TO:<three@example.test>
		C: DATA`}.play(t)
}
