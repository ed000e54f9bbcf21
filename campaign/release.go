package campaign

import (
	"context"
	"encoding/json"
	"fmt"
	"math"

	"facteur/internal/database"
)

// How much is released ahead of the workers. What is released is only a
// reservation: whether it may begin is asked again when it does.
const (
	batchSize   = 500  // people in a batch at most
	shareSize   = 100  // in one of a sender with several relays, which share by the batch
	aheadTotal  = 6000 // people in all live batches
	aheadPaced  = 6    // batches of a scope that is paced, each of about half a second
	probeSize   = 5    // people sent to a relay that is coming back
	releaseOnce = 8    // batches cut in one transaction
)

// Queue carries work to the workers. It may lose everything, and may deliver
// twice: the database decides.
type Queue interface {
	// Release offers batches to the workers.
	Release(ctx context.Context, batchIDs []int64) error
	// Letters offers one-off mails, ahead of all batches.
	Letters(ctx context.Context, ids []int64) error
}

// laneWork is a place that a tick may cut from.
type laneWork struct {
	place
	room int64 // how many more may be released
}

// release cuts batches in turn from the lanes of all running campaigns, so
// that they share fairly, and offers them to the workers.
func (s *Scheduler) release(ctx context.Context, campaigns []Campaign) (released int, err error) {
	now, err := s.survey(ctx, campaigns)
	if err != nil {
		return 0, err
	}
	work := now.work(s.turn)
	s.turn++
	for len(work) > 0 {
		n := min(len(work), releaseOnce)
		turn := work[:n]
		work = work[n:]
		ids, again, err := s.cutAll(ctx, turn)
		if err != nil {
			return released, fmt.Errorf("release: %w", err)
		}
		released += len(ids)
		s.metrics.released.Add(float64(len(ids)))
		work = append(work, again...)
		if len(ids) > 0 {
			if err := s.queue.Release(ctx, ids); err != nil {
				return released, fmt.Errorf("offer batches: %w", err) // offered again later
			}
		}
	}
	return released, nil
}

// cutAll cuts a batch of each place, and says from which more may be cut. When
// one of them fails they are cut one by one: it is the trouble of its campaign.
func (s *Scheduler) cutAll(ctx context.Context, turn []laneWork) (ids []int64, again []laneWork, err error) {
	err = s.write(ctx, func(tx *database.Tx) error {
		ids, again = nil, nil
		for _, w := range turn {
			id, size, err := s.cut(ctx, tx, w)
			if err != nil {
				return err
			}
			if size == 0 {
				continue
			}
			for _, scope := range w.rare {
				s.released[scope] = s.store.db.Now()
			}
			if id != 0 {
				ids = append(ids, id)
			}
			if w.room -= size; size == min(w.size, w.room+size) && w.room > 0 {
				again = append(again, w)
			}
		}
		return nil
	})
	if err == nil || len(turn) == 1 {
		if err != nil {
			ids, again = nil, nil
		}
		return ids, again, s.trouble(ctx, turn[0].campaign, err)
	}
	ids, again = nil, nil
	for i := range turn {
		more, of, err := s.cutAll(ctx, turn[i:i+1])
		if err != nil {
			return nil, nil, err
		}
		ids, again = append(ids, more...), append(again, of...)
	}
	return ids, again, nil
}

// cut makes one batch of so many rows; id 0 when none of them is left in its lane.
func (s *Scheduler) cut(ctx context.Context, tx *database.Tx, w laneWork) (id, size int64, err error) {
	id = s.store.db.NewID()
	var members []int64
	before := int64(math.MaxInt64)
	if w.sample {
		before = 0
	}
	err = tx.Select(ctx, &members, `UPDATE deliveries SET wait = 0, batch_id = ? WHERE campaign_id = ? AND subscriber_id IN
		(SELECT subscriber_id FROM deliveries WHERE campaign_id = ? AND lane = ? AND wait = 1 AND rank < ? ORDER BY rank LIMIT ?) RETURNING subscriber_id`,
		id, w.campaign, w.campaign, w.lane, before, min(w.size, w.room))
	if err != nil || len(members) == 0 {
		return 0, 0, err
	}
	cut := len(members)
	if members, err = s.ofLane(ctx, tx, w, members); err != nil {
		return 0, 0, err
	}
	if len(members) == 0 {
		return 0, int64(cut), nil // all have moved to other lanes
	}
	text, err := json.Marshal(members)
	if err != nil {
		return 0, 0, err
	}
	now := s.store.db.Now().UnixMilli()
	_, err = tx.Exec(ctx, `INSERT INTO batches (id, campaign_id, lane, size, members, state, session, execution, released_at, enqueued_at, date, from_at, until_at) VALUES (?, ?, ?, ?, ?, 'released', 0, 0, ?, ?, ?, ?, ?)`,
		id, w.campaign, w.lane, len(members), string(text), now, now, w.day.Date, w.day.From, w.day.Until)
	return id, int64(cut), err
}

// offerAgain offers batches that nobody took for a while: the queue may have
// lost them. One that it still has is refused there by its id.
func (s *Scheduler) offerAgain(ctx context.Context) error {
	now := s.store.db.Now().UnixMilli()
	var ids []int64
	err := s.store.db.Select(ctx, &ids, `SELECT id FROM batches WHERE state = 'released' AND enqueued_at < ? ORDER BY id LIMIT 500`, now-offerAfter.Milliseconds())
	if err != nil || len(ids) == 0 {
		return err
	}
	if err := s.queue.Release(ctx, ids); err != nil {
		return fmt.Errorf("offer batches again: %w", err)
	}
	return s.write(ctx, func(tx *database.Tx) error {
		return tx.Each(ctx, `UPDATE batches SET enqueued_at = ? WHERE id = ? AND state = 'released'`, len(ids), func(i int, p *database.Params) { p.Set(now, ids[i]) }, nil)
	})
}
