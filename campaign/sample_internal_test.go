package campaign

import (
	"testing"
	"time"

	"facteur/sending/smtp"
	"facteur/subscribers"
)

// A canary is judged on what was sent: of a campaign at a local time it is those
// whose hour comes first, in quiet hours those who may be mailed and then the
// next, and it waits for answers that were put off.
func TestCanary_IsJudgedOnWhatWasSent(t *testing.T) {
	gone, later := smtp.Result{Stage: smtp.Body, Code: 550, Enhanced: "5.1.1"}, smtp.Result{Stage: smtp.Body, Code: 451, Enhanced: "4.2.2"}
	for _, c := range []struct {
		name     string
		calendar Calendar
		early    string // the zone of a few, before Paris
		answer   smtp.Result
		status   Status
		most     int // people mailed until it is paused
	}{
		{"timed", Calendar{LocalTime: "09:00"}, "Pacific/Auckland", gone, Paused, 30},
		{"on another day", Calendar{Days: []string{"thu"}}, "Asia/Tokyo", gone, Paused, 30},
		{"quiet", Calendar{QuietFrom: "09:00", QuietTo: "20:00", Timezone: "UTC"}, "Asia/Tokyo", gone, Paused, 33},
		{"put off", Calendar{}, "Asia/Tokyo", later, Paused, 80}, // by chance, of those who are ready
		{"good", Calendar{LocalTime: "09:00"}, "Pacific/Auckland", smtp.Result{Stage: smtp.Body, Code: 250}, Sent, 303},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := oneDesk(t)
			mailed := map[int64]bool{}
			var id int64
			waited, timed := time.Time{}, c.calendar.LocalTime != "" || len(c.calendar.Days) > 0
			d.mailed = func(r Delivery, _ subscribers.Subscriber, at time.Time) {
				if mailed[r.SubscriberID] = true; len(mailed) == 30 {
					waited = at
				} else if timed && len(mailed) > 30 && at.Before(waited.Add(15*time.Minute)) {
					t.Errorf("the %d. was mailed at %s, and the canary was full at %s", len(mailed), at, waited)
				}
			}
			d.answer = func(Delivery, subscribers.Subscriber) smtp.Result { return c.answer }
			early, paris := d.list("early", c.early, 3), d.list("paris", "Europe/Paris", 300)
			id = d.launch(Campaign{ListIDs: []int64{early, paris}, Calendar: c.calendar}, Canary{Percent: 9.9, Wait: 15 * time.Minute})
			for range 8 * 24 * 6 {
				d.rounds()
				if now := d.campaign(id); now.Status != Sending {
					break
				}
				d.advance(10 * time.Minute)
			}
			n := d.books(id)
			if got := d.campaign(id); got.Status != c.status || len(mailed) > c.most || len(mailed) < 10 {
				state, _ := got.Canary()
				t.Errorf("%s (%s), canary %s, after %d mailed: %+v", got.Status, got.StatusReason, state, len(mailed), n)
			}
		})
	}
}
