package campaign

import (
	"context"

	"facteur/internal/database"
	"facteur/sending"
)

// wake readies deliveries whose time has come; a doubt only once its relay answers plainly.
func (s *Scheduler) wake(ctx context.Context, c Campaign) error {
	now := s.store.db.Now().UnixMilli()
	var due []Delivery
	err := s.store.db.Select(ctx, &due, `SELECT `+deliveryColumns+` FROM deliveries WHERE campaign_id = ? AND wait = 2 AND not_before <= ? ORDER BY not_before LIMIT ?`, c.ID, now, wakePage)
	if err != nil || len(due) == 0 {
		return err
	}
	relays, err := s.store.senders.Relays(ctx)
	if err != nil {
		return err
	}
	doubtful := map[int64]bool{}
	for _, r := range relays {
		doubtful[r.ID] = r.Doubting || r.State != sending.Healthy
	}
	idle, err := s.store.idle(ctx, c.ID)
	if err != nil {
		return err
	}
	probes := map[int64]bool{}
	for _, r := range relays {
		if idle && doubtful[r.ID] && r.Usable(now) {
			probes[probeWith(due, r.ID)] = true
		}
	}
	var ready, wait []Delivery
	for _, d := range due {
		if d.Status == Uncertain && doubtful[d.RelayID] && !probes[d.SubscriberID] {
			wait = append(wait, d)
		} else {
			ready = append(ready, d)
		}
	}
	return s.write(ctx, func(tx *database.Tx) error {
		err := tx.Each(ctx, `UPDATE deliveries SET not_before = ? WHERE campaign_id = ? AND subscriber_id = ? AND status = 'uncertain' AND wait = 2`, len(wait),
			func(i int, p *database.Params) { p.Set(now+doubtPause.Milliseconds(), c.ID, wait[i].SubscriberID) }, nil)
		if err != nil {
			return err
		}
		providers, err := s.store.providersOf(ctx, tx, ready)
		if err != nil {
			return err
		}
		t := Tally{}
		err = tx.Each(ctx, `UPDATE deliveries SET status = 'queued', wait = 1 WHERE campaign_id = ? AND subscriber_id = ? AND status = ? AND wait = 2`, len(ready),
			func(i int, p *database.Params) { p.Set(c.ID, ready[i].SubscriberID, string(ready[i].Status)) },
			func(i int, n int64) {
				if n == 1 && ready[i].Status != Queued {
					t.move(c.ID, providers[i], ready[i].Status, Queued, 1)
				}
			})
		if err != nil {
			return err
		}
		return s.store.Count(ctx, tx, t)
	})
}

// probeWith is the person whose doubt is let through to a relay that is
// coming back, when the campaign has no other mail that could show whether it
// answers again; 0 when there is none.
func probeWith(due []Delivery, relay int64) int64 {
	for _, d := range due {
		if d.Status == Uncertain && d.RelayID == relay {
			return d.SubscriberID
		}
	}
	return 0
}
