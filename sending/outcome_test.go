package sending_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"facteur/sending"
	"facteur/sending/smtp"
)

func TestJudge_ReadsAnswers(t *testing.T) {
	const (
		sent, deferred, failed, doubted = sending.Sent, sending.Deferred, sending.Failed, sending.Doubted
	)
	for _, c := range []struct {
		stage   smtp.Stage
		answer  string // code, enhanced code or "-", text
		verdict sending.Verdict
		class   sending.Class
	}{
		{smtp.Body, "250 2.0.0 queued as 1", sent, sending.NoClass},
		{smtp.Body, "250 - ok", sent, sending.NoClass},
		{smtp.Body, "299 - strange but yes", sent, sending.NoClass},
		{smtp.Body, "354 - where none belongs", deferred, sending.RelayFault},
		{smtp.Data, "250 - where none belongs", deferred, sending.RelayFault},
		{smtp.Data, "220 - where none belongs", deferred, sending.RelayFault},

		{smtp.Connect, "421 4.3.2 not today", deferred, sending.RelayFault},
		{smtp.Connect, "554 - no", deferred, sending.RelayFault},
		{smtp.Auth, "454 4.7.0 later", deferred, sending.Authentication},
		{smtp.Auth, "535 5.7.8 wrong", deferred, sending.Authentication},
		{smtp.MailCmd, "451 4.7.1 greylisted", deferred, sending.RelayFault},
		{smtp.MailCmd, "452 4.2.2 full", deferred, sending.RelayFault},
		{smtp.MailCmd, "550 5.1.1 no such sender", deferred, sending.RelayFault},
		{smtp.Data, "554 5.1.1 no such user", deferred, sending.RelayFault},

		{smtp.Rcpt, "550 5.1.1 no such user", failed, sending.DeadAddress},
		{smtp.Rcpt, "550 5.1.3 bad syntax", failed, sending.DeadAddress},
		{smtp.Rcpt, "550 5.1.6 moved", failed, sending.DeadAddress},
		{smtp.Rcpt, "556 5.1.10 null MX", failed, sending.DeadDomain},
		{smtp.Rcpt, "550 5.2.1 disabled", failed, sending.Temporary},
		{smtp.Body, "550 5.1.1 no such user", failed, sending.DeadAddress},
		{smtp.Rcpt, "550 5.1.2 no such host", failed, sending.DeadDomain},
		{smtp.Rcpt, "550 5.4.4 no route", failed, sending.DeadDomain},
		{smtp.Rcpt, "552 5.2.2 full", failed, sending.MailboxFull},
		{smtp.Rcpt, "552 5.2.3 too large", failed, sending.Content},
		{smtp.Body, "552 5.3.4 too large", failed, sending.Content},
		{smtp.Body, "554 5.6.0 content", failed, sending.Content},
		{smtp.Rcpt, "553 5.6.7 no SMTPUTF8", failed, sending.Content},

		{smtp.Rcpt, "550 - No Such User here", failed, sending.DeadAddress},
		{smtp.Rcpt, "550 5.0.0 user unknown", failed, sending.DeadAddress},
		{smtp.Body, "550 - no such user", failed, sending.Temporary}, // filters say so too
		{smtp.Rcpt, "554 - transaction failed", deferred, sending.RelayFault},
		{smtp.Body, "554 - rejected", deferred, sending.RelayFault},
		{smtp.Body, "550 5.3.0 other", deferred, sending.RelayFault},

		{smtp.Rcpt, "550 5.7.1 user unknown", failed, sending.DeadAddress},
		{smtp.Body, "554 5.7.1 Listed by Spamhaus", deferred, sending.BlockedReputation},
		{smtp.Body, "550 5.7.1 bad reputation", deferred, sending.BlockedReputation},
		{smtp.Body, "550 5.7.606 on our block list", deferred, sending.BlockedReputation},
		{smtp.Body, "550 5.7.26 unauthenticated", deferred, sending.Authentication},
		{smtp.Body, "550 5.7.20 no DKIM", deferred, sending.Authentication},

		{smtp.Rcpt, "450 4.2.1 busy", deferred, sending.Temporary},
		{smtp.Rcpt, "451 4.7.1 greylisted", deferred, sending.Temporary},
		{smtp.Body, "451 - local error", deferred, sending.Temporary},
		{smtp.Rcpt, "452 4.2.2 full", deferred, sending.MailboxFull},
		{smtp.Rcpt, "452 - full", deferred, sending.MailboxFull},
		{smtp.Rcpt, "452 4.5.3 others", deferred, sending.Temporary},
		{smtp.Rcpt, "421 4.3.2 going down", deferred, sending.Rate},
		{smtp.Body, "421 4.7.28 slow down", deferred, sending.Rate},
		{smtp.Body, "450 4.7.28 slow down", deferred, sending.Rate},
		{smtp.Rcpt, "451 4.7.0 Too many messages", deferred, sending.Rate},
		{smtp.Rcpt, "451 - rate limit exceeded", deferred, sending.Rate},
		{smtp.Rcpt, "451 - you are throttled", deferred, sending.Rate},
	} {
		var r smtp.Result
		code, rest, _ := strings.Cut(c.answer, " ")
		enhanced, text, _ := strings.Cut(rest, " ")
		if _, err := fmt.Sscan(code, &r.Code); err != nil {
			t.Fatal(err)
		}
		r.Stage, r.Enhanced, r.Text = c.stage, strings.Trim(enhanced, "-"), text
		got := sending.Judge(r)
		want := sending.Outcome{Verdict: c.verdict, Class: c.class, Stage: r.Stage, Code: r.Code, Enhanced: r.Enhanced, Text: r.Text}
		if got != want {
			t.Errorf("%s %s: %s %q, want %s %q", c.stage, c.answer, got.Verdict, got.Class, c.verdict, c.class)
		}
	}
}

func TestJudge_ReadsWhatWasNoAnswer(t *testing.T) {
	lost := errors.New("connection reset")
	for _, c := range []struct {
		stage   smtp.Stage
		err     error
		verdict sending.Verdict
		class   sending.Class
		text    string
	}{
		{smtp.Connect, lost, sending.Deferred, sending.RelayFault, "connection reset"},
		{smtp.Auth, lost, sending.Deferred, sending.RelayFault, "connection reset"},
		{smtp.Rcpt, lost, sending.Deferred, sending.RelayFault, "connection reset"},
		{smtp.Body, lost, sending.Doubted, sending.RelayFault, "answer lost: connection reset"},
		{smtp.Body, fmt.Errorf("later: %w", smtp.ErrUnsent), sending.Deferred, sending.Temporary, "suspended before the body; nothing was sent"},
		{smtp.Compose, errors.New("no such variable"), sending.Failed, sending.Content, "no such variable"},
	} {
		got := sending.Judge(smtp.Result{Stage: c.stage, Err: c.err})
		if got != (sending.Outcome{Verdict: c.verdict, Class: c.class, Stage: c.stage, Text: c.text}) {
			t.Errorf("%s, %v: %+v, want %s %q %q", c.stage, c.err, got, c.verdict, c.class, c.text)
		}
	}
}

// TestJudge_NeverGivesUpAPersonForWhatIsAboutUs goes over every code at every stage.
func TestJudge_NeverGivesUpAPersonForWhatIsAboutUs(t *testing.T) {
	for _, stage := range []smtp.Stage{smtp.Connect, smtp.Auth, smtp.MailCmd, smtp.Rcpt, smtp.Data, smtp.Body} {
		for code := 200; code <= 599; code++ {
			for _, detail := range []string{"", "0.0", "1.1", "2.2", "3.4", "4.4", "5.0", "6.0", "7.0", "7.1", "7.26", "7.28", "7.999"} {
				r := smtp.Result{Stage: stage, Code: code}
				if detail != "" {
					r.Enhanced = fmt.Sprint(code/100) + "." + detail
				}
				o := sending.Judge(r)
				sure := o.Class == sending.DeadAddress || o.Class == sending.DeadDomain || o.Class == sending.MailboxFull || o.Class == sending.Content
				switch o.Verdict {
				case sending.Sent:
					if stage != smtp.Body || code/100 != 2 {
						t.Errorf("%s %d %s counts as sent", stage, code, r.Enhanced)
					}
				case sending.Failed:
					if code/100 != 5 || !sure || o.AboutUs() || stage != smtp.Rcpt && stage != smtp.Body {
						t.Errorf("%s %d %s gives the person up as %q", stage, code, r.Enhanced, o.Class)
					}
				case sending.Deferred:
					if code/100 == 5 && !o.AboutUs() {
						t.Errorf("%s %d %s is tried again as %q", stage, code, r.Enhanced, o.Class)
					}
				default:
					t.Errorf("%s %d %s: %s", stage, code, r.Enhanced, o.Verdict)
				}
			}
		}
	}
}
