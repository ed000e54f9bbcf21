package campaign

import (
	"context"
	"strings"

	"facteur/internal/database"
	"facteur/throttle"
)

// relane moves those of a batch's people to other lanes whose provider was
// learned after they were planned: they wait there for a batch of that lane.
// Nothing of the batch has begun. It returns those who stay.
func (s *Scheduler) relane(ctx context.Context, tx *database.Tx, w laneWork, batch int64, members []int64) ([]int64, error) {
	lane, err := s.store.pace.With(tx).Lane(ctx, w.lane)
	if err != nil || lane.Provider != throttle.Other || !w.learned {
		return members, err
	}
	people, err := s.store.people.With(tx).People(ctx, members)
	if err != nil {
		return nil, err
	}
	domains := make([]string, len(people))
	for i, p := range people {
		domains[i] = p.Key[strings.LastIndexByte(p.Key, '@')+1:]
	}
	known, err := s.store.pace.With(tx).Known(ctx, domains)
	if err != nil {
		return nil, err
	}
	stay, t := make([]int64, 0, len(members)), Tally{}
	moved := map[int64]bool{}
	for i, p := range people {
		provider := known[domains[i]]
		if provider == throttle.Other {
			continue
		}
		to, err := s.store.pace.LaneID(ctx, tx, throttle.Lane{Domain: lane.Domain, Provider: provider})
		if err != nil {
			return nil, err
		}
		n, err := tx.Exec(ctx, `UPDATE deliveries SET lane = ?, wait = 1, batch_id = 0 WHERE campaign_id = ? AND subscriber_id = ? AND batch_id = ? AND status = 'queued' AND wait = 0`, to, w.campaign, p.ID, batch)
		if err != nil {
			return nil, err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO campaign_lanes (campaign_id, lane) VALUES (?, ?) ON CONFLICT (campaign_id, lane) DO NOTHING`, w.campaign, to); err != nil {
			return nil, err
		}
		moved[p.ID] = true
		t.move(w.campaign, throttle.Other, "", Queued, -n)
		t.move(w.campaign, provider, "", Queued, n)
	}
	for _, id := range members {
		if !moved[id] {
			stay = append(stay, id)
		}
	}
	return stay, s.store.Count(ctx, tx, t)
}
