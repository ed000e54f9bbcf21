package smtp_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"facteur/sending/smtp"
)

func TestPool_TakesUrgentMailBeforeBulk(t *testing.T) {
	scene{mails: letters("one", "three"), script: hello + envelopeOne + `
		S: 250 2.1.0 ok
		S: 250 2.1.5 ok
		S: 354 go on
		-- offer urgent two
		T: begin one` + bodyOneEnvelopeTwo}.play(t)
}

func TestPool_OpensAsManyConnectionsAsItMay(t *testing.T) {
	scene{mails: letters("one", "two", "three"), atOnce: true, most: 2, script: `
		-- accept
		-- accept
		-- alone`}.play(t)
	scene{mails: letters("one", "two"), atOnce: true, script: `
		-- accept
		-- alone`}.play(t)
}

func TestPool_StaysUpWhenAFurtherConnectionIsRefused(t *testing.T) {
	scene{mails: letters("one"), most: 2, script: begunOne + bodyOne + `
		-- offer two
		-- offer three
		-- accept
		S: 421 4.7.0 too many connections
		-- alone`}.play(t)
}

func TestPool_StaysUpWhenOneOfItsFirstConnectionsIsRefused(t *testing.T) {
	scene{mails: letters("one", "two"), atOnce: true, most: 2, script: `
		-- accept
		S: 421 4.7.0 too many connections
		-- closed` + hello + `
		-- alone`}.play(t)
}

func TestPool_TellsOnceThatItIsDown(t *testing.T) {
	scene{mails: letters("one", "two", "three"), atOnce: true, most: 3, script: `
		-- accept
		-- cut
		-- accept
		-- cut
		-- accept
		-- cut
		D: connect no answer
		E: one relay is down
		E: two relay is down
		E: three relay is down
		-- offer four
		E: four relay is down
		-- alone`}.play(t)
}

func TestPool_ProbesWithOneConnectionAfterARest(t *testing.T) {
	scene{mails: letters("one"), most: 3, script: `
		-- accept
		-- cut
		D: connect no answer
		E: one relay is down
		-- revive
		-- probing
		-- offer one` + hello + envelopeOne + `
		S: 250 2.1.0 ok
		S: 250 2.1.5 ok
		S: 354 go on
		-- offer two
		T: begin one` + bodyOneEnvelopeTwo + `
		-- offer three
		-- alone
		-- probing
		S: 250 2.0.0 taken
		-- accept`}.play(t)
}

func TestPool_IsDownAgainWhenTheProbeFails(t *testing.T) {
	scene{mails: letters("one"), script: `
		-- accept
		-- cut
		D: connect no answer
		E: one relay is down
		-- revive
		-- offer two
		-- accept
		-- cut
		D: connect no answer
		E: two relay is down`}.play(t)
}

func TestPool_RestEndsIdleConnectionsWithoutTellingDown(t *testing.T) {
	scene{mails: letters("one"), script: begunOne + bodyOne + `
		S: 250 2.0.0 taken
		T: settle one body 250 2.0.0
		-- rest
		C: QUIT
		S: 221 2.0.0 bye
		-- closed
		-- offer two
		E: two relay is down`}.play(t)
}

func TestPool_RestLetsAnOpenDialogueEnd(t *testing.T) {
	scene{mails: letters("one", "two"), script: hello + envelopeOne + `
		S: 250 2.1.0 ok
		S: 250 2.1.5 ok
		S: 354 go on
		-- rest
		E: two relay is down
		T: begin one` + bodyOne + `
		S: 250 2.0.0 taken
		T: settle one body 250 2.0.0
		C: QUIT`}.play(t)
}

func TestPool_CloseWaitsForOpenDialogues(t *testing.T) {
	scene{mails: letters("one"), script: begunOne + bodyOne + `
		-- close
		-- offer two
		E: two pool is closed
		S: 250 2.0.0 taken
		T: settle one body 250 2.0.0
		C: QUIT
		S: 221 2.0.0 bye
		-- closed
		-- ended`}.play(t)
}

func TestPool_CloseDropsWhatDoesNotEndInTime(t *testing.T) {
	scene{mails: letters("one", "two"), script: begunOne + bodyOneEnvelopeTwo + `
		-- drop
		-- closed
		T: settle one body no answer
		R: two connection lost before the message
		-- ended`}.play(t)
}

func TestPool_CloseDoesNotWaitForARelayThatDoesNotGreet(t *testing.T) {
	t.Run("in the clear", func(t *testing.T) {
		scene{mails: letters("one"), script: `
			-- accept
			-- drop
			E: one pool is closed
			-- ended`}.play(t)
	})
	t.Run("under TLS", func(t *testing.T) {
		scene{mails: letters("one"), tls: trusted, server: func(s *smtp.Server) { s.Security = smtp.TLS }, script: `
			-- accept
			-- drop
			E: one pool is closed
			-- ended`}.play(t)
	})
}

// barren is a connection that ends before the first mail's body.
func barren(name string) string {
	return hello + `
		C: MAIL FROM:<news@client.test>
		C: RCPT TO:<` + name + `@example.test>
		C: DATA
		-- cut
		R: ` + name + ` connection lost before the message: read reply: EOF`
}

func TestPool_IsDownAfterFiveConnectionsWithoutAnAnswer(t *testing.T) {
	scene{mails: letters("one", "two", "three", "four", "five"), script: barren("one") + barren("two") + barren("three") + barren("four") + barren("five") + `
		D: connect no answer`}.play(t)
}

func TestPool_CountsConnectionsWithoutAnAnswerAnewAfterOne(t *testing.T) {
	fruitful := hello + envelopeOne + `
		S: 250 2.1.0 ok
		S: 250 2.1.5 ok
		S: 354 go on
		T: begin one` + bodyOneEnvelopeTwo + `
		S: 250 2.0.0 taken
		-- cut
		T: settle one body 250 2.0.0
		R: two connection lost before the message`
	scene{
		mails: letters("a", "b", "c", "d", "one", "two", "e", "f", "g", "h"),
		script: barren("a") + barren("b") + barren("c") + barren("d") + fruitful + barren("e") + barren("f") + barren("g") + barren("h") + `
			-- offer last
			-- accept`,
	}.play(t)
}

func TestPool_DoesNotTakeItsOwnWithdrawalsForAnOutage(t *testing.T) {
	script := ""
	for range 6 {
		script += "-- offer one\n" + strings.ReplaceAll(begunOne, "begin one", "begin one => no") + `
			-- closed
			R: one not allowed to begin
		`
	}
	scene{script: script + `
		-- offer one
		-- accept`}.play(t)
}

func TestPool_SendGivesUpWithItsContext(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	server := smtp.Server{Host: "127.0.0.1", Port: listener.Addr().(*net.TCPAddr).Port, Security: smtp.None, HELO: "client.test"}
	pool := smtp.NewPool(smtp.Options{Server: server, Down: func(smtp.Result) {}})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := pool.Send(ctx, &letter{name: "one"}, false); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
	pool.Close(ended())
	noGoroutines(t)
}
