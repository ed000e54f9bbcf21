package campaign

import (
	"encoding/json"
	"fmt"
	"time"

	"facteur/internal/database"
	"facteur/sending/smtp"
	"facteur/throttle"
)

// check holds the books against the rows, in sum and for each provider.
func (w *world) check() {
	w.Helper()
	n, err := w.store.Counts(w.ctx, w.campaign)
	w.must(err)
	rows, err := w.store.Recount(w.ctx, w.campaign)
	w.must(err)
	if n.Balance() != 0 || n != rows {
		w.Fatalf("books %+v, rows %+v", n, rows)
	}
	books, counted := w.byProvider()
	if books != counted {
		w.Fatalf("books of the providers %s, rows %s", books, counted)
	}
}

// byProvider are the books and the rows of each provider and state.
func (w *world) byProvider() (books, counted string) {
	type line struct {
		Provider, Status string
		N                int64
	}
	var kept []line
	w.must(w.db.Select(w.ctx, &kept, `SELECT provider, status, SUM(n) AS n FROM campaign_counts WHERE campaign_id = ? AND status <> 'doubted'
		GROUP BY provider, status HAVING SUM(n) <> 0 ORDER BY provider, status`, w.campaign))
	var rows []Delivery
	w.must(w.db.Select(w.ctx, &rows, `SELECT `+deliveryColumns+` FROM deliveries WHERE campaign_id = ?`, w.campaign))
	sums := map[string]int64{}
	for _, d := range rows {
		lane, err := w.store.pace.Lane(w.ctx, d.Lane)
		w.must(err)
		sums[lane.Provider+" "+string(d.Status)]++
	}
	of := map[string]int64{}
	for _, l := range kept {
		of[l.Provider+" "+l.Status] = l.N
	}
	return asText(of), asText(sums)
}

func asText(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

// everything is what a scheduler may change of a campaign.
func (w *world) everything() string {
	var rows []Delivery
	w.must(w.db.Select(w.ctx, &rows, `SELECT `+deliveryColumns+` FROM deliveries WHERE campaign_id = ? ORDER BY subscriber_id`, w.campaign))
	var batches []int64
	w.must(w.db.Select(w.ctx, &batches, `SELECT id FROM batches ORDER BY id`))
	c, err := w.store.Campaign(w.ctx, w.campaign)
	w.must(err)
	return asText(rows) + asText(batches) + asText(c)
}

// end lets everything come to rest: nobody is lost.
func (w *world) end() {
	w.free()
	for range 400 {
		c, err := w.store.Campaign(w.ctx, w.campaign)
		w.must(err)
		n, err := w.store.Counts(w.ctx, w.campaign)
		w.must(err)
		if (c.Status == Sent || c.Status == Cancelled) && n.Queued+n.Sending+n.Deferred == 0 {
			w.account(c, n)
			return
		}
		w.round()
		w.now = w.now.Add(time.Hour)
		w.check()
	}
	w.Fatalf("never came to an end: %s", w.everything())
}

// free lifts whatever holds the campaign up.
func (w *world) free() {
	if w.stopped {
		w.do(w.stopOrLift())
	}
	if w.braked {
		w.do(w.brakeOrRelease())
	}
	if w.paused {
		w.do(w.pauseOrResume())
	}
	w.limit = 0
	w.write(func(tx *database.Tx) error {
		_, err := w.store.pace.SetLimit(w.ctx, tx, throttle.CampaignScope(w.campaign), throttle.Limit{})
		return err
	})
}

// round is a scheduler's, with processes that send all they get and end.
func (w *world) round() {
	w.do(w.tick())
	for _, id := range w.queue.ids {
		e, err := w.taken(id)
		w.must(err)
		if e == nil {
			continue
		}
		for _, d := range e.rows {
			w.do(&w.beginningOf(e, d).act)
			if a := e.under[d.SubscriberID]; a != nil {
				w.do(w.settling(a, smtp.Result{Stage: smtp.Body, Code: 250}))
			}
		}
		w.must(w.store.Finish(w.ctx, e.Batch, nil, 0))
	}
	w.queue.ids = nil
	for s := int64(2); s <= w.session; s++ { // sessions of old executions too
		w.write(func(tx *database.Tx) error {
			_, _, err := w.store.Recover(w.ctx, tx, s, true, 0)
			return err
		})
	}
}

// account holds each person's end against what happened to them.
func (w *world) account(c Campaign, n Counts) {
	unplanned := int64(0)
	for _, p := range w.people {
		d, err := w.store.Delivery(w.ctx, w.campaign, p.ID)
		if err != nil { // not planned: who had said no by then, or all of a campaign that was cancelled
			if !p.no && c.Planned || len(p.attempts) > 0 {
				w.Fatalf("%s: %v", p.Key, err)
			}
			unplanned++
			continue
		}
		if wrong := w.wrong(p, d); wrong != "" {
			w.Fatalf("%s %s: %+v, attempts %v", p.Key, wrong, d, p.attempts)
		}
	}
	if n.Recipients+unplanned != peopleInModel || n.Sent+n.Failed+n.Skipped+n.Uncertain != n.Recipients {
		w.Fatalf("ended with %+v, %d were not planned", n, unplanned)
	}
}

// wrong says what cannot be about a person's end; "" when it is right.
func (w *world) wrong(p *person, d Delivery) string {
	last := p.attempts[d.Attempts]
	switch {
	case p.reached != (d.Status == Accepted):
		return fmt.Sprintf("was reached: %v", p.reached)
	case d.Status == Failed && (last == nil || last.answer.Code != 550 && d.Reason != "expired"):
		return "failed, and nobody refused them"
	case d.Status == Skipped && !p.no && !w.cancelled:
		return "was skipped, and had not said no"
	case d.Status == Uncertain && (last == nil || last.answer.Code != 0):
		return "is held, and there was an answer"
	case d.Status == Uncertain && d.Doubts == 0:
		return "is held, and was not in doubt"
	case d.BatchID == 0 && d.Status == Queued:
		return "is still queued"
	}
	return ""
}
