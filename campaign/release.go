package campaign

import (
	"context"
	"encoding/json"
	"fmt"

	"facteur/internal/database"
	"facteur/sending"
	"facteur/throttle"
)

// How much is released ahead of the workers. What is released is only a
// reservation: whether it may begin is asked again when it does.
const (
	batchSize   = 500  // people in a batch at most
	shareSize   = 100  // in one of a sender with several relays, which share by the batch
	aheadTotal  = 6000 // people in all live batches
	aheadLane   = 2    // batches of a lane that is paced
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

// live is what is released and not finished, by campaign and lane.
type live struct {
	CampaignID int64 `db:"campaign_id"`
	Lane       int64 `db:"lane"`
	N          int64 `db:"n"`
}

// laneWork is one campaign's rows in one lane that a tick may cut from.
type laneWork struct {
	campaign int64
	lane     int64
	size     int64 // of the next batch
	room     int64 // how many more may be live
}

// release cuts batches in turn from the lanes of all running campaigns, so
// that they share fairly, and offers them to the workers.
func (s *Scheduler) release(ctx context.Context, campaigns []Campaign) (released int, err error) {
	work, err := s.work(ctx, campaigns)
	if err != nil || len(work) == 0 {
		return 0, err
	}
	for len(work) > 0 {
		n := min(len(work), releaseOnce)
		turn := work[:n]
		work = work[n:]
		var ids []int64
		var again []laneWork
		err := s.write(ctx, func(tx *database.Tx) error {
			ids, again = nil, nil
			for _, w := range turn {
				id, size, err := s.cut(ctx, tx, w)
				if err != nil {
					return err
				}
				if id == 0 {
					continue
				}
				ids = append(ids, id)
				if w.room -= size; size == w.size && w.room > 0 {
					w.size = min(w.size, w.room)
					again = append(again, w)
				}
			}
			return nil
		})
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
		if released*batchSize >= aheadTotal {
			break
		}
	}
	return released, nil
}

// work lists where there is something to cut and room for it.
func (s *Scheduler) work(ctx context.Context, campaigns []Campaign) ([]laneWork, error) {
	var lives []live
	if err := s.store.db.Select(ctx, &lives, `SELECT campaign_id, lane, SUM(size) AS n FROM batches GROUP BY campaign_id, lane`); err != nil {
		return nil, err
	}
	total, perLane, perCampaignLane, perCampaign := int64(0), map[int64]int64{}, map[[2]int64]int64{}, map[int64]int64{}
	for _, l := range lives {
		total += l.N
		perLane[l.Lane] += l.N
		perCampaign[l.CampaignID] += l.N
		perCampaignLane[[2]int64{l.CampaignID, l.Lane}] = l.N
	}
	limit, err := s.store.pace.Limit(ctx, throttle.DefaultScope)
	if err != nil {
		return nil, err
	}
	share := (aheadTotal - total) / int64(max(1, len(campaigns)))
	var work []laneWork
	for _, c := range campaigns {
		probing, usable, err := s.relays(ctx, c)
		if err != nil {
			return nil, err
		}
		if usable == 0 {
			continue
		}
		size := int64(batchSize)
		if usable > 1 {
			size = shareSize
		}
		lanes, err := s.lanesOf(ctx, c)
		if err != nil {
			return nil, err
		}
		for _, lane := range lanes {
			w := laneWork{campaign: c.ID, lane: lane, size: size, room: min(share, int64(aheadTotal)/int64(max(1, len(campaigns)))-perCampaign[c.ID])}
			if probing {
				w.size, w.room = probeSize, probeSize-perCampaign[c.ID]
			}
			if every := limit.Interval(); every > 0 {
				w.size = min(w.size, max(1, int64(throttle.Horizon/every)))
				w.room = min(w.room, aheadLane*w.size-perCampaignLane[[2]int64{c.ID, lane}])
			}
			if limit.Counted() {
				room, err := s.store.pace.Room(ctx, lane, limit, perLane[lane])
				if err != nil {
					return nil, err
				}
				w.room = min(w.room, room)
			}
			if w.size = min(w.size, w.room); w.size > 0 {
				work = append(work, w)
			}
			if limit.Counted() { // one cut a tick, so that campaigns in one lane do not both take the same room
				perLane[lane] += max(0, w.room)
			}
		}
	}
	return work, nil
}

// lanesOf lists the campaign's lanes in which rows wait for a batch.
func (s *Scheduler) lanesOf(ctx context.Context, c Campaign) ([]int64, error) {
	var lanes []int64
	err := s.store.db.Select(ctx, &lanes, `SELECT l.lane FROM campaign_lanes l WHERE l.campaign_id = ?
		AND EXISTS (SELECT 1 FROM deliveries d WHERE d.campaign_id = l.campaign_id AND d.lane = l.lane AND d.wait = 1) ORDER BY l.lane`, c.ID)
	return lanes, err
}

// relays tells how many relays of the campaign's sender take mail now, and
// whether those that do are only coming back.
func (s *Scheduler) relays(ctx context.Context, c Campaign) (probing bool, usable int, err error) {
	v, err := s.store.Version(ctx, c.ID, c.Version)
	if err != nil {
		return false, 0, err
	}
	now := s.store.db.Now().UnixMilli()
	probing = true
	for _, id := range v.Sender.RelayIDs {
		r, err := s.store.senders.Relay(ctx, id)
		if err != nil {
			return false, 0, err
		}
		if r.Usable(now) {
			usable++
			probing = probing && r.State != sending.Healthy
		}
	}
	return probing && usable > 0, usable, nil
}

// cut makes one batch; id 0 when no row was ready.
func (s *Scheduler) cut(ctx context.Context, tx *database.Tx, w laneWork) (id, size int64, err error) {
	id = s.store.db.NewID()
	var members []int64
	err = tx.Select(ctx, &members, `UPDATE deliveries SET wait = 0, batch_id = ? WHERE campaign_id = ? AND subscriber_id IN
		(SELECT subscriber_id FROM deliveries WHERE campaign_id = ? AND lane = ? AND wait = 1 ORDER BY rank LIMIT ?) RETURNING subscriber_id`,
		id, w.campaign, w.campaign, w.lane, w.size)
	if err != nil || len(members) == 0 {
		return 0, 0, err
	}
	text, err := json.Marshal(members)
	if err != nil {
		return 0, 0, err
	}
	now := s.store.db.Now().UnixMilli()
	_, err = tx.Exec(ctx, `INSERT INTO batches (id, campaign_id, lane, size, members, state, session, execution, released_at, enqueued_at) VALUES (?, ?, ?, ?, ?, 'released', 0, 0, ?, ?)`,
		id, w.campaign, w.lane, len(members), string(text), now, now)
	return id, int64(len(members)), err
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
