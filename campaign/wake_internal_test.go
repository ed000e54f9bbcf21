package campaign

import (
	"io"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/sending"
	"facteur/sending/smtp"
)

// Law 5: a doubt is sent again only once its relay answers plainly.
func TestWake_ADoubtWaitsForItsRelay(t *testing.T) {
	eachDesk(t, func(d *desk) {
		id := d.launch(Campaign{ListIDs: []int64{d.list("all", "", 1)}}, Canary{})
		d.tick()
		b, rows := d.take(d.queue.ids[0])
		if !d.begin(b, rows[0]) {
			d.Fatal("not begun")
		}
		relays, err := d.senders.Relays(d.ctx)
		d.must(err)
		d.settle(b, rows[0], smtp.Result{Stage: smtp.Body, Err: io.EOF})
		d.must(d.store.Done(d.ctx, b))
		d.write(func(tx *database.Tx) error {
			if _, err := tx.Exec(d.ctx, `UPDATE deliveries SET relay_id = ? WHERE campaign_id = ?`, relays[0].ID, id); err != nil {
				return err
			}
			_, err := d.senders.Rest(d.ctx, tx, relays[0].ID, sending.Trouble{Reason: "it swallows", Refused: true, Doubts: true})
			return err
		})
		is := func(want DeliveryStatus, when string) {
			d.Helper()
			d.tick()
			if row, err := d.store.Delivery(d.ctx, id, rows[0].SubscriberID); err != nil || row.Status != want {
				d.Errorf("%s: %s, want %s; %v", when, row.Status, want, err)
			}
		}
		d.advance(2 * doubtPause)
		is(Uncertain, "while the relay rests")
		d.advance(time.Hour)
		d.write(func(tx *database.Tx) error { return d.senders.Recovered(d.ctx, tx, relays[0].ID) })
		is(Queued, "once it answers")
	})
}
