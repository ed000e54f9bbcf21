package campaign

import (
	"io"
	"strings"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/sending/smtp"
	"facteur/subscribers"
)

// Law 4: an answer that comes late is taken whatever its doubt does by then,
// and whom the mail reached is not mailed again.
func TestSettle_TakesALateAnswerWhereverTheDoubtIs(t *testing.T) {
	taken, refused, later := smtp.Result{Stage: smtp.Body, Code: 250}, smtp.Result{Stage: smtp.Body, Code: 550, Enhanced: "5.1.1"}, smtp.Result{Stage: smtp.Body, Code: 451, Enhanced: "4.2.2"}
	type played struct {
		*desk
		id    int64
		batch Batch
		row   Delivery
	}
	again := func(p *played) (Batch, Delivery) { // the doubt is queued and in another batch
		p.advance(time.Hour)
		p.tick()
		b, rows := p.take(p.queue.ids[len(p.queue.ids)-1])
		return b, rows[0]
	}
	order := func(do func(tx *database.Tx, id int64) error) func(*played) {
		return func(p *played) { p.write(func(tx *database.Tx) error { return do(tx, p.id) }) }
	}
	var cases []func(*desk)
	for _, c := range []struct {
		name   string
		since  func(p *played)
		answer smtp.Result
		want   DeliveryStatus
	}{
		{"held", func(p *played) {
			order(func(tx *database.Tx, id int64) error { return p.store.HoldDoubts(p.ctx, tx, 1) })(p)
		}, taken, Accepted},
		{"queued again", func(p *played) {
			order(func(tx *database.Tx, id int64) error { _, err := p.store.Pause(p.ctx, tx, id, ""); return err })(p)
			p.advance(time.Hour)
			p.tick()
		}, taken, Accepted},
		{"in another batch", func(p *played) { again(p) }, taken, Accepted},
		{"in another batch, refused", func(p *played) { again(p) }, refused, Failed},
		{"in another batch, put off", func(p *played) { again(p) }, later, Deferred},
		{"under way again", func(p *played) { b, r := again(p); p.begin(b, r) }, taken, Accepted},
		{"under way again, refused", func(p *played) { b, r := again(p); p.begin(b, r) }, refused, Begun},
		{"put off by then", func(p *played) { b, r := again(p); p.begin(b, r); p.settle(b, r, later) }, taken, Accepted},
		{"refused by then", func(p *played) { b, r := again(p); p.begin(b, r); p.settle(b, r, refused) }, taken, Accepted},
		{"in doubt again", func(p *played) {
			b, r := again(p)
			p.begin(b, r)
			p.settle(b, r, smtp.Result{Stage: smtp.Body, Err: io.EOF})
		}, taken, Accepted},
		{"in doubt again, refused", func(p *played) {
			b, r := again(p)
			p.begin(b, r)
			p.settle(b, r, smtp.Result{Stage: smtp.Body, Err: io.EOF})
		}, refused, Uncertain},
		{"cancelled", func(p *played) {
			order(func(tx *database.Tx, id int64) error { _, err := p.store.Cancel(p.ctx, tx, id, ""); return err })(p)
			p.tick()
		}, taken, Accepted},
		{"queued again and cancelled", func(p *played) {
			p.advance(time.Hour)
			order(func(tx *database.Tx, id int64) error { _, err := p.store.Pause(p.ctx, tx, id, ""); return err })(p)
			p.tick()
			order(func(tx *database.Tx, id int64) error { _, err := p.store.Cancel(p.ctx, tx, id, ""); return err })(p)
			p.tick()
			p.tick()
		}, taken, Accepted},
		{"sent again by a person", func(p *played) {
			order(func(tx *database.Tx, id int64) error { return p.store.HoldDoubts(p.ctx, tx, 1) })(p)
			_, err := p.store.ResendFailed(p.ctx, p.id)
			p.must(err)
			p.tick()
		}, taken, Accepted},
	} {
		cases = append(cases, func(d *desk) {
			p := &played{desk: d, id: d.launch(Campaign{ListIDs: []int64{d.list(strings.NewReplacer(" ", "-", ",", "").Replace(c.name), "", 3)}}, Canary{})}
			d.queue.ids = nil
			d.tick()
			b, rows := d.take(d.queue.ids[0])
			p.batch, p.row = b, rows[0]
			for i, r := range rows {
				if !d.begin(b, r) {
					d.Fatal("did not begin")
				}
				if i > 0 {
					d.settle(b, r, taken)
				}
			}
			d.settle(b, p.row, smtp.Result{Stage: smtp.Body, Err: io.EOF})
			d.must(d.store.Done(d.ctx, b))
			c.since(p)
			d.settle(p.batch, p.row, c.answer)
			got, err := d.store.Delivery(d.ctx, p.id, p.row.SubscriberID)
			d.must(err)
			if got.Status != c.want {
				d.Errorf("%s: %s, want %s", c.name, got.Status, c.want)
			}
			d.books(p.id)
			begun := 0
			d.mailed = func(r Delivery, _ subscribers.Subscriber, _ time.Time) { begun++ }
			for range 3 { // nothing begins for them any more, in whatever batch they are
				d.rounds()
				d.advance(24 * time.Hour)
			}
			if n := d.books(p.id); c.want == Accepted && (begun > 0 || n.Sent != 3) {
				d.Errorf("%s: mailed %d times more after it was known to be taken: %+v", c.name, begun, n)
			}
		})
	}
	eachDesk(t, func(d *desk) {
		for _, play := range cases {
			play(d)
		}
	})
}
