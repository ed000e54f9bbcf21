package worker_test

import (
	"bytes"
	"cmp"
	"context"
	"mime"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"facteur/campaign"
	"facteur/internal/database"
	"facteur/sending/sandbox"
	"facteur/throttle"
)

// finding is a cell at its end: what the books say, and what arrived.
type finding struct {
	*testing.T
	*play
	*cell
	rows    map[int64]campaign.Delivery // by person
	arrived map[string]sandbox.Delivery // by address
}

// verify holds a cell against what is right for it.
func (p *play) verify(t *testing.T, c *cell) {
	f := &finding{T: t, play: p, cell: c, rows: map[int64]campaign.Delivery{}, arrived: map[string]sandbox.Delivery{}}
	v, n := p.state(c)
	if !c.midway {
		t.Errorf("was not disturbed in the middle: not even %d had been sent", midway)
	}
	if ends := cmp.Or(p.what.ends, campaign.Sent); v.Status != ends {
		t.Errorf("ended as %s (%s), want %s; %+v", v.Status, v.StatusReason, ends, n)
	}
	rows, err := p.campaigns.Recount(context.Background(), c.id)
	if err != nil || rows != n || n.Balance() != 0 || n.Recipients != int64(c.size) {
		t.Errorf("books %+v, rows %+v, %v", n, rows, err)
	}
	for d := range c.box.Deliveries {
		if _, twice := f.arrived[d.Recipient]; twice {
			t.Errorf("%s got two different mails", d.Recipient)
		}
		f.arrived[d.Recipient] = d
	}
	if count := c.box.Count(); count.Distinct != n.Sent || count.Duplicates > int64(p.what.extras) || count.Mistakes > 0 {
		t.Errorf("%+v; the sandbox counts %+v, of which at most %d may be twice", n, count, p.what.extras)
	}
	for _, r := range c.people {
		f.person(r)
	}
	if p.what.truth != nil {
		p.what.truth(f)
	}
	if c.truth != nil {
		c.truth(f)
	}
}

// person holds one person's delivery against what arrived and what is right.
func (f *finding) person(r *recipient) {
	d, err := f.campaigns.Delivery(context.Background(), f.id, r.id)
	if err != nil {
		f.Errorf("%s: %v", r.email, err)
		return
	}
	f.rows[r.id] = d
	got, arrived := f.arrived[r.email]
	if arrived != (d.Status == campaign.Accepted) {
		f.Errorf("%s: %s %q, arrived %v", r.email, d.Status, d.Reason, arrived)
	}
	if got.Count > 1 && d.Doubts == 0 {
		f.Errorf("%s: %d times, and never in doubt", r.email, got.Count)
	}
	person := sentAtAll
	if f.what.person != nil {
		person = f.what.person
	}
	if wrong := person(f.cell, r, d); wrong != "" {
		f.Errorf("%s: %s", r.email, wrong)
	}
	if f.hours == nil || !arrived {
		return
	}
	zone, err := time.LoadLocation(cmp.Or(r.zone, "Asia/Kolkata"))
	if err != nil {
		f.Fatal(err)
	}
	for _, at := range []int64{got.First, got.Last} {
		if local := database.Time(at).In(zone); !f.hours(local) && !f.hours(local.Add(-5*time.Second)) {
			f.Errorf("%s: mailed at %s", r.email, local.Format("Mon 15:04:05 MST"))
		}
	}
}

// begins are when messages began, in order, of those that did after a moment.
func (f *finding) begins(after int64) []int64 {
	var at []int64
	for _, d := range f.rows {
		if d.Status == campaign.Accepted && d.BegunAt > after {
			at = append(at, d.BegunAt)
		}
	}
	slices.Sort(at)
	return at
}

// hourlyTruth: no hour of any start has more than the limit.
func hourlyTruth(f *finding) {
	at := f.begins(f.at)
	for i := hourly; i < len(at); i++ {
		if apart := at[i] - at[i-hourly]; apart < time.Hour.Milliseconds() {
			f.Errorf("%d began within %s of an hour", hourly+1, time.Duration(apart)*time.Millisecond)
		}
	}
}

// dailyTruth: no date has more than its cap of those that began once there was one.
func dailyTruth(f *finding) {
	caps := map[int64]int64{}
	lanes, err := f.pace.LanesOf(context.Background(), f.domain)
	if err != nil {
		f.Fatal(err)
	}
	for id := range lanes {
		days, err := f.pace.History(context.Background(), id, 0)
		if err != nil {
			f.Fatal(err)
		}
		for _, d := range days {
			caps[d.Date] = d.Cap
			if d.Used > d.Cap {
				f.Errorf("%s: %d begun, cap %d", throttle.DayTime(d.Date).Format(time.DateOnly), d.Used, d.Cap)
			}
		}
	}
	begun := map[int64]int64{}
	for _, at := range f.begins(f.at) {
		begun[throttle.Day(database.Time(at))]++
	}
	for date, n := range begun {
		if n > caps[date] {
			f.Errorf("%s: %d began, cap %d", throttle.DayTime(date).Format(time.DateOnly), n, caps[date])
		}
	}
}

// canaryTruth: the others come after the canary, see the table.
func canaryTruth(f *finding) {
	var sample []int64
	if err := f.play.db.Select(context.Background(), &sample, `SELECT subscriber_id FROM deliveries WHERE campaign_id = ? AND rank < 0`, f.id); err != nil {
		f.Fatal(err)
	}
	var of, others []int64
	for _, d := range f.rows {
		if d.BegunAt == 0 || d.Status != campaign.Accepted {
			continue
		}
		if slices.Contains(sample, d.SubscriberID) {
			of = append(of, d.SettledAt)
		} else {
			others = append(others, d.BegunAt)
		}
	}
	slices.Sort(of)
	v, _ := f.state(f.cell)
	state, _ := v.Canary()
	switch {
	case len(others) == 0:
		if state == "passed" {
			f.Errorf("the canary passed, and nobody was mailed after it")
		}
	case state != "passed":
		f.Errorf("the canary is %s, and %d others were mailed", state, len(others))
	case len(of) < 10 || slices.Min(others) < of[9]+f.canary.Wait.Milliseconds():
		f.Errorf("%d of the canary were sent, the tenth at %v; the first of the others began at %v", len(of), of, slices.Min(others))
	}
}

// languageTruth: everybody gets it in their language.
func languageTruth(f *finding) {
	want := map[string]string{}
	for _, r := range f.people {
		want[r.email] = map[string]string{"fr": "Bonjour", "de": "Guten Tag"}[strings.Split(r.locale, "-")[0]]
	}
	for _, m := range f.box.Messages() {
		read, err := mail.ReadMessage(bytes.NewReader(m.Raw))
		if err != nil {
			f.Fatal(err)
		}
		got, err := new(mime.WordDecoder).DecodeHeader(read.Header.Get("Subject"))
		if err != nil || got != cmp.Or(want[m.To[0]], "Hello") {
			f.Errorf("%s got %q, %v", m.To[0], got, err)
		}
	}
}

// secondTruth: the second run is for those who did not get the first.
func secondTruth(f *finding) {
	for _, r := range f.people {
		d := f.rows[r.id]
		if first := strings.Contains(r.email, "@third."); first != (d.Run == 0) || first && d.BegunAt > evening.UnixMilli() {
			f.Errorf("%s: run %d, begun at %s", r.email, d.Run, database.Time(d.BegunAt))
		}
	}
}
