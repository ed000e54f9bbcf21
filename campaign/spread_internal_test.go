package campaign

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"facteur/sending/smtp"
	"facteur/subscribers"
)

// A campaign that a warm-up spreads over days, some of whose mails are put off
// and some sent again by a person, mails nobody at an hour that is not theirs:
// neither those who were planned for their hour nor those who woke since.
func TestCalendar_HoldsOnEveryDayOfASpreadCampaign(t *testing.T) {
	d := oneDesk(t)
	d.warmUp("[5, 7]")
	zones := []string{"Europe/Paris", "America/New_York", "Asia/Kolkata"}
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 3))
		c := Calendar{LocalTime: "09:00", Timezone: "UTC"}
		if seed%2 == 1 {
			c.QuietFrom, c.QuietTo = "18:00", "08:30"
		}
		if seed%3 > 0 {
			c.Days = []string{"mon", "tue", "thu"}[:seed%3]
		}
		var lists []int64
		for i, zone := range zones {
			lists = append(lists, d.list(fmt.Sprintf("s%d-%d-", seed, i), zone, 6))
		}
		d.advance(time.Duration(r.IntN(7*24*60)) * time.Minute)
		start := d.now()
		d.mailed = func(_ Delivery, p subscribers.Subscriber, at time.Time) {
			if want := told(c, at, start, zone(t, p.Timezone)); !want.Equal(at) {
				t.Errorf("%+v, started %s: mailed at %s, allowed from %s on", c, start, at.In(zone(t, p.Timezone)), want.In(zone(t, p.Timezone)))
			}
		}
		d.answer = func(row Delivery, _ subscribers.Subscriber) smtp.Result {
			switch r.IntN(5) {
			case 0:
				return smtp.Result{Stage: smtp.Body, Code: 451, Enhanced: "4.2.2"}
			case 1:
				if row.Run == 0 {
					return smtp.Result{Stage: smtp.Body, Code: 554, Enhanced: "5.6.0"}
				}
			}
			return smtp.Result{Stage: smtp.Body, Code: 250}
		}
		id := d.launch(Campaign{ListIDs: lists, Calendar: c}, Canary{})
		resent := false
		for range 60 * 24 {
			d.rounds()
			n := d.books(id)
			if n.Queued+n.Deferred > 0 {
				d.advance(time.Hour)
				continue
			}
			if n.Failed == 0 || resent {
				break
			}
			resent = true
			_, err := d.store.ResendFailed(d.ctx, id)
			d.must(err)
		}
		if n := d.books(id); n.Sent+n.Failed != 18 {
			t.Fatalf("%+v: %+v", c, n)
		}
	}
}
