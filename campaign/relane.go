package campaign

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"facteur/internal/database"
	"facteur/subscribers"
	"facteur/throttle"
)

// How many waiting people are looked at in one transaction, how many such pages
// of a campaign in one go, and how soon after a search the next may begin.
const (
	relanePage  = 500
	relanePages = 4
	relaneAgain = time.Minute
)

// search is how far a campaign's waiting people have been looked through for
// those whose provider is known by now.
type search struct {
	rank, id int64 // of the last that was looked at
	begun    int64 // Unix milliseconds: what is learned later needs another search
	next     int64 // Unix milliseconds: the next may begin
	moved    int
	ended    bool
}

// Relane goes on moving people who wait in the lane of those whom nothing
// tells to the lanes of providers that were learned since they were planned: if
// it were left to the cutting of batches, they would wait for a cap that is not
// theirs. It is a duty of the leader, a few pages at a time.
func (s *Scheduler) Relane(ctx context.Context, write Fenced) error {
	campaigns, err := s.store.running(ctx)
	if err != nil {
		return err
	}
	var failed error
	searches := make(map[int64]search, len(campaigns))
	for _, c := range campaigns {
		at, ok := s.searches[c.ID]
		if !ok {
			at = search{begun: c.LaunchedAt, ended: true}
		}
		at, err := s.relaneSome(ctx, write, c.ID, at)
		if err != nil { // its own trouble; unless it is everybody's, the others go on
			failed = errors.Join(failed, fmt.Errorf("relane campaign %d: %w", c.ID, err))
		}
		if errors.Is(err, database.ErrStale) || errors.Is(err, database.ErrUnavailable) || ctx.Err() != nil {
			return failed
		}
		searches[c.ID] = at
	}
	s.searches = searches // those of others are over
	return failed
}

// running are the campaigns that are being sent.
func (s *Store) running(ctx context.Context) (running []Campaign, err error) {
	var rows []struct {
		ID         int64 `db:"id"`
		LaunchedAt int64 `db:"launched_at"`
	}
	err = s.q.Select(ctx, &rows, `SELECT id, launched_at FROM campaigns WHERE status = 'sending' ORDER BY id`)
	for _, r := range rows {
		running = append(running, Campaign{ID: r.ID, LaunchedAt: r.LaunchedAt})
	}
	return running, err
}

// relaneSome looks through a few pages of a campaign; a search that has ended
// begins anew when something was learned since it began.
func (s *Scheduler) relaneSome(ctx context.Context, write Fenced, campaign int64, at search) (search, error) {
	now := s.store.db.Now()
	if at.ended {
		if now.UnixMilli() < at.next {
			return at, nil
		}
		learned, err := s.store.pace.LearnedSince(ctx, at.begun)
		if err != nil || !learned {
			return at, err
		}
		at = search{rank: math.MinInt64, begun: now.UnixMilli(), next: now.Add(relaneAgain).UnixMilli()}
	}
	lane, name, err := s.unknownLane(ctx, campaign)
	if errors.Is(err, database.ErrNotFound) {
		at.ended = true
		return at, nil
	}
	if err != nil {
		return at, err
	}
	for range relanePages {
		var page []struct {
			ID   int64 `db:"subscriber_id"`
			Rank int64 `db:"rank"`
		}
		err := s.store.db.Select(ctx, &page, `SELECT subscriber_id, rank FROM deliveries WHERE campaign_id = ? AND lane = ? AND wait = 1 AND (rank, subscriber_id) > (?, ?)
			ORDER BY rank, subscriber_id LIMIT ?`, campaign, lane, at.rank, at.id, relanePage)
		if err != nil {
			return at, err
		}
		if len(page) > 0 {
			ids := make([]int64, len(page))
			for i, d := range page {
				ids[i] = d.ID
			}
			of, err := belong(ctx, s.store.people, s.store.pace, ids)
			if err != nil {
				return at, err
			}
			if len(of) > 0 {
				var gone map[int64]bool
				if err := write(ctx, func(tx *database.Tx) (err error) {
					gone, err = s.relane(ctx, tx, campaign, lane, name.Domain, waitBatch, of)
					return err
				}); err != nil {
					return at, err
				}
				at.moved += len(gone)
			}
			at.rank, at.id = page[len(page)-1].Rank, page[len(page)-1].ID
		}
		if at.ended = len(page) < relanePage; at.ended {
			break
		}
	}
	if at.ended && at.moved > 0 {
		s.log.Info("moved to the lanes of their providers", "campaign", campaign, "people", at.moved)
	}
	return at, nil
}

// unknownLane is the campaign's lane of those whom nothing tells;
// [database.ErrNotFound] when it has none.
func (s *Scheduler) unknownLane(ctx context.Context, campaign int64) (id int64, l throttle.Lane, err error) {
	var lanes []int64
	if err := s.store.db.Select(ctx, &lanes, `SELECT lane FROM campaign_lanes WHERE campaign_id = ?`, campaign); err != nil {
		return 0, l, err
	}
	for _, id := range lanes {
		if l, err = s.store.pace.Lane(ctx, id); err != nil || l.Provider == throttle.Other {
			return id, l, err
		}
	}
	return 0, l, database.ErrNotFound
}

// ofLane moves those whom a batch was cut of, and who belong to other lanes, to
// these; it returns those who stay. Nothing of the batch has begun.
func (s *Scheduler) ofLane(ctx context.Context, tx *database.Tx, w laneWork, members []int64) ([]int64, error) {
	lane, err := s.store.pace.With(tx).Lane(ctx, w.lane)
	if err != nil || lane.Provider != throttle.Other || !w.learned {
		return members, err
	}
	of, err := belong(ctx, s.store.people.With(tx), s.store.pace.With(tx), members)
	if err != nil || len(of) == 0 {
		return members, err
	}
	gone, err := s.relane(ctx, tx, w.campaign, w.lane, lane.Domain, waitNothing, of)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(members, func(id int64) bool { return gone[id] }), nil
}

// belong tells to whose lanes people of the lane of the unknown belong, as is known by now.
func belong(ctx context.Context, store *subscribers.Store, pace *throttle.Store, ids []int64) (map[string][]int64, error) {
	people, err := store.People(ctx, ids)
	if err != nil {
		return nil, err
	}
	domains := make([]string, len(people))
	for i, p := range people {
		domains[i] = p.Key[strings.LastIndexByte(p.Key, '@')+1:]
	}
	known, err := pace.Known(ctx, domains)
	if err != nil {
		return nil, err
	}
	of := map[string][]int64{}
	for i, p := range people {
		if provider := known[domains[i]]; provider != throttle.Other {
			of[provider] = append(of[provider], p.ID)
		}
	}
	return of, nil
}

// relane moves people from the lane of the unknown to those of their providers:
// they wait there for a batch, and the books go with them. Only queued rows that
// wait so are moved; it returns whose they were. That they are of no batch any
// more keeps a late answer of an earlier one from the wrong provider's books.
func (s *Scheduler) relane(ctx context.Context, tx *database.Tx, campaign, from int64, domain string, wait int, of map[string][]int64) (map[int64]bool, error) {
	moved, t := map[int64]bool{}, Tally{}
	for _, provider := range slices.Sorted(maps.Keys(of)) {
		to, err := s.store.pace.LaneID(ctx, tx, throttle.Lane{Domain: domain, Provider: provider})
		if err != nil {
			return nil, err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO campaign_lanes (campaign_id, lane) VALUES (?, ?) ON CONFLICT (campaign_id, lane) DO NOTHING`, campaign, to); err != nil {
			return nil, err
		}
		query, args, err := database.In(`UPDATE deliveries SET lane = ?, wait = 1, batch_id = 0 WHERE campaign_id = ? AND lane = ? AND status = 'queued' AND wait = ? AND subscriber_id IN (?)
			RETURNING subscriber_id, doubts`, to, campaign, from, wait, of[provider])
		if err != nil {
			return nil, err
		}
		var rows []struct {
			ID     int64 `db:"subscriber_id"`
			Doubts int64 `db:"doubts"`
		}
		if err := tx.Select(ctx, &rows, query, args...); err != nil {
			return nil, fmt.Errorf("relane: %w", err)
		}
		for _, r := range rows {
			moved[r.ID] = true
			t.move(campaign, throttle.Other, "", Queued, -1)
			t.move(campaign, provider, "", Queued, 1)
			if r.Doubts > 0 {
				t.doubt(campaign, throttle.Other, -1)
				t.doubt(campaign, provider, 1)
			}
		}
	}
	return moved, s.store.Count(ctx, tx, t)
}
