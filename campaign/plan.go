package campaign

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"facteur/internal/database"
	"facteur/internal/journal"
	"facteur/subscribers"
	"facteur/throttle"
)

// How many people are planned in one transaction, few enough that senders hardly
// wait for it, and how many such pages before batches are cut from them: enough
// that these are not small.
const (
	planPage  = 500
	planPages = 4
)

// planSome plans a few pages of a campaign that is not planned yet.
func (s *Scheduler) planSome(ctx context.Context, c Campaign) error {
	for range planPages {
		if c.Planned || c.Status != Sending {
			return nil
		}
		if err := s.plan(ctx, c); err != nil {
			return err
		}
		var err error
		if c, err = s.store.Campaign(ctx, c.ID); err != nil {
			return err
		}
	}
	return nil
}

// errOvertaken is a page whose campaign was paused or ended while it was written:
// nothing of it is kept, and the next tick sees how things are.
var errOvertaken = errors.New("the campaign has changed")

// plan writes the next page of a campaign's deliveries and moves the cursor in
// the same transaction, so that it may be interrupted anywhere.
func (s *Scheduler) plan(ctx context.Context, c Campaign) error {
	v, err := s.store.Version(ctx, c.ID, c.Version)
	if err != nil {
		return err
	}
	narrow, err := segmentOf(v.Segment)
	if err != nil {
		return fmt.Errorf("campaign %d: %w", c.ID, err)
	}
	page, err := s.store.audience(ctx, v.ListIDs, narrow, c.AudienceAt, c.PlanAfter, planPage)
	if err != nil {
		return fmt.Errorf("read the audience of campaign %d: %w", c.ID, err)
	}
	err = s.write(ctx, func(tx *database.Tx) error {
		now, err := s.store.With(tx).Campaign(ctx, c.ID)
		if err != nil {
			return err
		}
		if now.Status != c.Status || now.PlanAfter != c.PlanAfter || now.Planned {
			return nil // changed since; the next tick sees how
		}
		if len(page) == 0 {
			return s.planned(ctx, tx, c)
		}
		return s.planPeople(ctx, tx, c, v, page)
	})
	if errors.Is(err, errOvertaken) {
		return nil
	}
	if err == nil {
		s.metrics.planned.Add(float64(len(page)))
	}
	return err
}

func (s *Scheduler) planned(ctx context.Context, tx *database.Tx, c Campaign) error {
	if _, err := tx.Exec(ctx, `UPDATE campaigns SET planned = ? WHERE id = ?`, true, c.ID); err != nil {
		return err
	}
	domain, err := s.store.With(tx).domainOf(ctx, c)
	if err != nil {
		return err
	}
	jump, err := s.store.With(tx).jump(ctx, domain, c, c.Recipients)
	if err != nil {
		return err
	}
	if jump != nil {
		a := Alarm{Kind: jump.Code, Scope: throttle.CampaignScope(c.ID), State: string(throttle.Warned), Reason: jump.Message + ". " + jump.Fix, Domain: domain, CampaignID: c.ID}
		if err := s.store.alarm(ctx, tx, a); err != nil {
			return err
		}
	}
	return journal.Write(ctx, tx, "planned", "campaign", c.ID, map[string]any{"recipients": c.Recipients, "excluded": c.Excluded})
}

func (s *Scheduler) planPeople(ctx context.Context, tx *database.Tx, c Campaign, v Version, page []subscribers.Member) error {
	var in []subscribers.Member
	for _, m := range page {
		if m.Excluded != "" {
			c.Excluded[m.Excluded]++
		} else {
			in = append(in, m)
		}
	}
	seats, err := s.seat(ctx, tx, c, v.Sender.Domain, in)
	if err != nil {
		return err
	}
	t := Tally{}
	rank, err := s.ranking(ctx, tx, c, v)
	if err != nil {
		return err
	}
	hours, now, sampled := s.store.Hours(c, v.Calendar), s.store.db.Now(), int64(0)
	err = tx.Insert(ctx, `INSERT INTO deliveries (campaign_id, subscriber_id, status, wait, lane, rank, not_before, batch_id, lists, run, attempts, doubts, relay_id,
		code, enhanced, answer, reason, first_at, begun_at, settled_at, deferred_at)
		VALUES (?, ?, 'queued', ?, ?, ?, ?, 0, ?, 0, 0, 0, 0, 0, '', '', '', 0, 0, 0, 0)`, len(in), func(i int, p *database.Params) {
		m := &seats[i]
		t.move(c.ID, m.provider, "", Queued, 1)
		wait, notBefore := waitBatch, int64(0)
		if next := hours.Next(now, m.Timezone); next.After(now) {
			wait, notBefore = waitTime, next.UnixMilli()+c.turnWithin()
		}
		place := rank(m.Member, c.Recipients+int64(i), wait == waitBatch)
		if place < 0 {
			sampled++
		}
		p.Set(c.ID, m.ID, wait, m.lane, place, notBefore, m.bits())
	})
	if err != nil {
		if errors.Is(err, database.ErrConflict) {
			return fmt.Errorf("campaign %d: a person was planned twice: %w", c.ID, err)
		}
		return err
	}
	excluded, err := json.Marshal(c.Excluded)
	if err != nil {
		return err
	}
	n, err := tx.Exec(ctx, `UPDATE campaigns SET plan_after = ?, recipients = ?, excluded = ?, canary_size = canary_size + ? WHERE id = ? AND status = ? AND plan_after = ?`,
		page[len(page)-1].ID, c.Recipients+int64(len(in)), string(excluded), sampled, c.ID, string(c.Status), c.PlanAfter)
	if err == nil && n == 0 {
		err = errOvertaken
	}
	if err != nil {
		return err
	}
	return s.store.Count(ctx, tx, t)
}

// seat is a person with their lane.
type seat struct {
	subscribers.Member
	provider string
	lane     int64
}

// bits are the lists by which the person comes, as a delivery keeps them.
func (m *seat) bits() (bits int64) {
	for _, l := range m.Lists {
		bits |= 1 << l
	}
	return bits
}

// seat finds everybody's lane, and puts those of one together: a batch is cut
// from one lane, and the rows of neighbours share the pages that each commit
// of the senders writes.
func (s *Scheduler) seat(ctx context.Context, tx *database.Tx, c Campaign, domain string, in []subscribers.Member) ([]seat, error) {
	lanes := map[string]int64{}
	seats := make([]seat, len(in))
	providers, err := s.store.pace.ProvidersOf(ctx, tx, domainsOf(in))
	if err != nil {
		return nil, err
	}
	for i, m := range in {
		provider := providers[m.Domain]
		lane, ok := lanes[provider]
		if !ok {
			if lane, err = s.store.pace.LaneID(ctx, tx, throttle.Lane{Domain: domain, Provider: provider}); err != nil {
				return nil, err
			}
			lanes[provider] = lane
			if _, err := tx.Exec(ctx, `INSERT INTO campaign_lanes (campaign_id, lane) VALUES (?, ?) ON CONFLICT (campaign_id, lane) DO NOTHING`, c.ID, lane); err != nil {
				return nil, err
			}
		}
		seats[i] = seat{m, provider, lane}
	}
	slices.SortStableFunc(seats, func(a, b seat) int { return cmp.Compare(a.lane, b.lane) })
	return seats, nil
}
