package worker_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"facteur/campaign"
	"facteur/feedback"
	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/internal/journal"
	"facteur/sending/sandbox"
	"facteur/subscribers"
	"facteur/throttle"
	"facteur/unsubscribe"
)

// returned is a delivery report to a delivery's return path.
func (e *engine) returned(id, person int64, status, said string) string {
	ref := unsubscribe.Reference{CampaignID: id, SubscriberID: person}
	return fmt.Sprintf("From: MAILER-DAEMON@mx.example.org\r\nTo: %s\r\nMessage-ID: <r%d.%d.%s@mx.example.org>\r\nSubject: Undelivered Mail Returned to Sender\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"+
		"--b\r\nContent-Type: text/plain\r\n\r\nNo.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.org\r\n\r\nFinal-Recipient: rfc822; somebody@example.org\r\nAction: failed\r\nStatus: %s\r\nDiagnostic-Code: smtp; %s\r\n\r\n--b--\r\n",
		ref.ReturnAddress(e.keys, "bounces.news.example.com"), id, person, status, status, said)
}

// complaint is an abuse report with the recipient taken out, that knows the mail by its Message-ID alone.
func (e *engine) complaint(id, person int64) string {
	ref := unsubscribe.Reference{CampaignID: id, SubscriberID: person}
	return "From: fbl@provider.example\r\nTo: fbl@news.example.com\r\nSubject: complaint\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=f\r\n\r\n" +
		"--f\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: P/1\r\nVersion: 1\r\nOriginal-Rcpt-To: redacted@provider.example\r\n\r\n" +
		"--f\r\nContent-Type: text/rfc822-headers\r\n\r\nTo: redacted@provider.example\r\nMessage-ID: <" + ref.MessageID(e.keys, "news.example.com") + ">\r\n\r\n--f--\r\n"
}

// brings takes a mail in and returns what followed, such as "bounce suppressed".
func (e *engine) brings(source, mail string, to ...string) string {
	e.t.Helper()
	events, err := e.feedback.Mail(context.Background(), source, to, strings.NewReader(mail))
	if err != nil {
		e.t.Fatal(err)
	}
	var all []string
	for _, v := range events {
		all = append(all, string(v.Kind)+" "+string(v.Effect))
	}
	return strings.Join(all, ", ")
}

// suppressed is why an address is not mailed, "" if it is.
func (e *engine) suppressed(email string) string {
	e.t.Helper()
	found, err := e.people.Suppressions(context.Background(), subscribers.SuppressionFilter{Key: email, ListID: 0}, "", -1, 1)
	if err != nil {
		e.t.Fatal(err)
	}
	if len(found) == 0 {
		return ""
	}
	return found[0].Reason + " by " + found[0].Source
}

func (e *engine) person(email string) int64 {
	e.t.Helper()
	p, err := e.people.SubscriberByKey(context.Background(), email)
	if err != nil {
		e.t.Fatal(email, err)
	}
	return p.ID
}

// rates are today's numbers of a campaign.
func (e *engine) rates(id int64) throttle.Outcomes {
	e.t.Helper()
	day := throttle.Day(e.db.Now())
	found, err := e.pace.Rates(context.Background(), throttle.RateFilter{From: day - 400, To: day + 1, CampaignID: id})
	if err != nil {
		e.t.Fatal(err)
	}
	return found[0].Outcomes
}

func TestFeedback_WhatComesBackFollowsThePolicy(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := box(t, sandbox.Options{})
		e := start(t, db)
		list := e.list("all", "ada@example.org", "bob@example.org", "cy@example.org", "dan@example.org", "eve@example.org", "unknown@example.org", "full@example.org", "policy@example.org")
		sender := e.sender(s, 3)
		id := e.launch(sender, list)
		e.await(id, 30*time.Second, func(_ campaign.Campaign, n campaign.Counts) bool {
			return n.Sent == 5 && n.Failed == 2 && n.Queued+n.Sending == 0
		})

		// Of the dialogue: the dead address at once, the full mailbox once, the refusal about us not at all.
		for email, want := range map[string]string{"unknown@example.org": "hard_bounce by relay:", "full@example.org": "", "policy@example.org": ""} {
			if got := e.suppressed(email); (got == "") != (want == "") || !strings.HasPrefix(got, want) {
				t.Errorf("%s: %q, want %q", email, got, want)
			}
		}
		if got, want := e.rates(id), (throttle.Outcomes{Accepted: 5, Refused: 1, Soft: 1, Deferred: 1}); got != want {
			t.Errorf("rates %+v, want %+v", got, want)
		}

		// By mail.
		ada, bob, cy, dan := e.person("ada@example.org"), e.person("bob@example.org"), e.person("cy@example.org"), e.person("dan@example.org")
		hard := e.returned(id, ada, "5.1.1", "550 5.1.1 user unknown")
		for _, step := range []struct{ what, source, mail, want string }{
			{"dead", "listener", hard, "bounce suppressed"},
			{"the same by the other way", "imap", hard, "bounce duplicate"},
			{"full", "listener", e.returned(id, bob, "5.2.2", "552 5.2.2 mailbox full"), "bounce counted"},
			{"blocked", "listener", e.returned(id, bob, "5.7.1", "554 5.7.1 blocked using zen.spamhaus.org"), "bounce noted"},
			{"complaint without a recipient", "listener", e.complaint(id, cy), "complaint suppressed"},
			{"the same complaint", "imap", e.complaint(id, cy), "complaint duplicate"},
			{"forged complaint", "listener", strings.ReplaceAll(e.complaint(id, dan), "Message-ID: <", "Message-ID: <0"), "complaint unmatched"},
			{"a report about nothing of ours", "imap", strings.ReplaceAll(hard, "To: b-", "To: b-0"), "bounce unmatched"},
			{"the same again", "imap", strings.ReplaceAll(hard, "To: b-", "To: b-0"), "bounce duplicate"},
			{"not spam", "listener", strings.ReplaceAll(e.complaint(id, dan), "Type: abuse", "Type: not-spam"), "none ignored"},
			{"away", "listener", "From: dan@example.org\r\nSubject: Automatic reply: Hello\r\nAuto-Submitted: auto-replied\r\nIn-Reply-To: <" + (unsubscribe.Reference{CampaignID: id, SubscriberID: dan}).MessageID(e.keys, "x") + ">\r\n\r\nAway\r\n", "auto_reply ignored"},
		} {
			if got := e.brings(step.source, step.mail); got != step.want {
				t.Errorf("%s: %s, want %s", step.what, got, step.want)
			}
		}
		for email, want := range map[string]string{"ada@example.org": "hard_bounce by listener", "bob@example.org": "", "cy@example.org": "complaint by listener", "dan@example.org": ""} {
			if got := e.suppressed(email); got != want {
				t.Errorf("%s: %q, want %q", email, got, want)
			}
		}
		if got, want := e.rates(id), (throttle.Outcomes{Accepted: 5, Refused: 1, Returned: 1, Soft: 2, Deferred: 1, Complained: 1}); got != want {
			t.Errorf("rates %+v, want %+v", got, want)
		}

		// A mail to the address of List-Unsubscribe, whatever stands in it, ends the subscription.
		leave := unsubscribe.Reference{CampaignID: id, SubscriberID: dan}.LeaveAddress(e.keys, "bounces.news.example.com")
		if got := e.brings("listener", "From: dan@example.org\r\nSubject: unsubscribe\r\n\r\n", strings.ToUpper(leave)); got != "unsubscribe unsubscribed" {
			t.Error(got)
		}
		if sub, err := e.people.Subscription(context.Background(), list, dan); err != nil || sub.Status != subscribers.Unsubscribed {
			t.Error(sub.Status, err)
		}

		// Everything stands in the person's history, without the address.
		entries, err := journal.Of(context.Background(), db, "subscriber", ada)
		if err != nil {
			t.Fatal(err)
		}
		var verbs []string
		for _, entry := range entries {
			verbs = append(verbs, entry.Verb)
			if strings.Contains(entry.Details, "ada@") {
				t.Error("an address in the journal:", entry.Details)
			}
		}
		if got := strings.Join(verbs, " "); !strings.HasSuffix(got, "suppress bounce") {
			t.Error(got)
		}

		// The next campaign passes all of them by.
		next := e.launch(sender, list)
		_, n := e.await(next, 30*time.Second, func(_ campaign.Campaign, n campaign.Counts) bool { return n.Sent+n.Failed >= 3 })
		for _, email := range []string{"ada@example.org", "cy@example.org", "dan@example.org", "unknown@example.org"} {
			if d, err := e.campaigns.Delivery(context.Background(), next, e.person(email)); err == nil && d.Attempts > 0 {
				t.Errorf("%s was mailed again: %+v", email, n)
			}
		}
	})
}

// A mailbox that is full for weeks is given up; one mail that arrives in
// between, or a short bad time, is not enough.
func TestFeedback_SoftBouncesCountByCampaignAndDecay(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := box(t, sandbox.Options{})
		e := start(t, db)
		list := e.list("all", "long@example.org", "short@example.org", "mended@example.org", "forgotten@example.org")
		sender := e.sender(s, 3)
		ctx := context.Background()
		days := []int{100, 30, 20, 0} // before today
		var campaigns []int64
		for range days {
			id := e.launch(sender, list)
			e.sent(id, 30*time.Second)
			campaigns = append(campaigns, id)
		}
		// when[email] are the campaigns that bounced.
		when := map[string][]int{"long@example.org": {1, 2, 3}, "short@example.org": {2, 3}, "mended@example.org": {0, 1, 3}, "forgotten@example.org": {0, 3}}
		old := func(id int64, days int) {
			ms := int64(days) * 24 * 60 * 60 * 1000
			for _, q := range []string{`UPDATE feedback SET at = at - ? WHERE campaign_id = ?`, `UPDATE deliveries SET settled_at = settled_at - ? WHERE campaign_id = ?`} {
				if _, err := db.Exec(ctx, q, ms, id); err != nil {
					t.Fatal(err)
				}
			}
		}
		for i, id := range campaigns {
			for email, at := range when {
				for _, n := range at {
					if n == i {
						e.brings("listener", e.returned(id, e.person(email), "5.2.2", "552 5.2.2 mailbox full"))
					}
				}
			}
			// Another full report about the same campaign does not count again.
			if i == 2 {
				if got := e.brings("listener", e.returned(id, e.person("short@example.org"), "4.2.2", "452 4.2.2 mailbox full")); got != "bounce duplicate" {
					t.Error(got)
				}
			}
			old(id, days[i])
			if i < len(campaigns)-1 {
				for email := range when {
					if got := e.suppressed(email); got != "" {
						t.Errorf("after campaign %d: %s is suppressed: %s", i, email, got)
					}
				}
			}
		}
		for email, want := range map[string]string{"long@example.org": "soft_bounce by listener", "short@example.org": "", "mended@example.org": "", "forgotten@example.org": ""} {
			if got := e.suppressed(email); got != want {
				t.Errorf("%s: %q, want %q", email, got, want)
			}
		}
	})
}

// Three campaigns in a row within three weeks say little: a mailbox may be full
// for as long as its owner is on holiday.
func TestFeedback_ThreeSoftBouncesSuppressOnlyOverThreeWeeks(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := box(t, sandbox.Options{})
		e := start(t, db)
		sender := e.sender(s, 3)
		for _, c := range []struct {
			first int // days before today
			want  string
		}{{20, ""}, {21, "soft_bounce by listener"}} {
			email := fmt.Sprintf("after%d@example.org", c.first)
			list := e.list(email, email)
			for _, days := range []int{c.first, 10, 0} {
				id := e.launch(sender, list)
				e.sent(id, 30*time.Second)
				e.brings("listener", e.returned(id, e.person(email), "5.2.2", "552 5.2.2 mailbox full"))
				ms := int64(days) * 24 * 60 * 60 * 1000
				for _, q := range []string{`UPDATE feedback SET at = at - ? WHERE campaign_id = ?`, `UPDATE deliveries SET settled_at = settled_at - ? WHERE campaign_id = ?`} {
					if _, err := db.Exec(context.Background(), q, ms, id); err != nil {
						t.Fatal(err)
					}
				}
			}
			if got := e.suppressed(email); got != c.want {
				t.Errorf("full since %d days: %q, want %q", c.first, got, c.want)
			}
		}
	})
}

// A delivery whose answer was lost, and that then comes back, was sent: it is
// not sent again.
func TestFeedback_EndsADoubt(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := box(t, sandbox.Options{})
		e := start(t, db)
		list := e.list("all", "swallow@example.org", "ada@example.org")
		id := e.launch(e.sender(s, 1), list)
		e.await(id, 60*time.Second, func(_ campaign.Campaign, n campaign.Counts) bool { return n.Uncertain == 1 && n.Sent == 1 })
		doubted := e.person("swallow@example.org")
		if got := e.brings("listener", strings.ReplaceAll(e.returned(id, doubted, "4.4.1", "connection timed out"), "Action: failed", "Action: delayed")); got != "delayed settled" {
			t.Error(got)
		}
		if n := e.sent(id, 30*time.Second); n.Sent != 2 || n.Uncertain != 0 {
			t.Errorf("%+v", n)
		}
		if got := e.rates(id); got.Accepted != 2 {
			t.Errorf("%+v", got)
		}
	})
}

// A hundred doors at once tell the same thing: it counts once.
func TestFeedback_CountsOnceHoweverOftenItIsTold(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := box(t, sandbox.Options{})
		e := start(t, db)
		list := e.list("all", "ada@example.org", "bob@example.org")
		id := e.launch(e.sender(s, 1), list)
		e.sent(id, 30*time.Second)
		ada, bob := e.person("ada@example.org"), e.person("bob@example.org")
		done := make(chan string, 100)
		for i := range 100 {
			go func() {
				mail := e.returned(id, ada, "5.1.1", "550 5.1.1 user unknown")
				if i%2 == 0 {
					mail = e.complaint(id, bob)
				}
				events, err := e.feedback.Mail(context.Background(), "listener", nil, strings.NewReader(mail))
				if err != nil {
					done <- err.Error()
					return
				}
				done <- string(events[0].Effect)
			}()
		}
		effects := map[string]int{}
		for range 100 {
			effects[<-done]++
		}
		if effects[string(feedback.Suppressed)] != 2 || effects[string(feedback.Duplicate)] != 98 {
			t.Error(effects)
		}
		if got, want := e.rates(id), (throttle.Outcomes{Accepted: 2, Returned: 1, Complained: 1}); got != want {
			t.Errorf("rates %+v, want %+v", got, want)
		}
	})
}
