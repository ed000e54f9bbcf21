package campaign

import (
	"context"
	"fmt"
	"slices"
	"time"

	"facteur/internal/database"
	"facteur/subscribers/segment"
)

// sumPage is how many deliveries one transaction sums up.
const sumPage = 2000

// settleDown is how long after its end a campaign is summed up: answers to what
// had begun are in by then.
const settleDown = 10 * time.Minute

// SumUp adds what ended campaigns sent to the people's sums, page by page. It
// goes on where it was after a crash, and takes in later what a campaign sent
// after its first end.
func (s *Store) SumUp(ctx context.Context, write Fenced) error {
	var due []summing
	err := s.db.Select(ctx, &due, `SELECT id, summed_to, summing_to, summed_up FROM campaigns
		WHERE status IN ('sent', 'cancelled') AND (summed_up >= 0 OR finished_at > summed_to AND finished_at < ?) ORDER BY id LIMIT 10`, s.db.Now().Add(-settleDown).UnixMilli())
	if err != nil {
		return err
	}
	for _, c := range due {
		if c.SummedUp < 0 {
			c.SummedUp, c.SummingTo = 0, s.db.Now().UnixMilli()
		}
		for c.SummedUp >= 0 {
			if err := s.sumPage(ctx, write, &c); err != nil {
				return fmt.Errorf("sum up campaign %d: %w", c.ID, err)
			}
		}
	}
	return nil
}

// summing is how far the sum of a campaign has come.
type summing struct {
	ID        int64 `db:"id"`
	SummedTo  int64 `db:"summed_to"`
	SummingTo int64 `db:"summing_to"`
	SummedUp  int64 `db:"summed_up"`
}

// sumPage sums up the next people of a campaign; the cursor moves with them.
func (s *Store) sumPage(ctx context.Context, write Fenced, c *summing) error {
	next := *c
	err := write(ctx, func(tx *database.Tx) error {
		next = *c
		var page []int64
		err := tx.Select(ctx, &page, `SELECT subscriber_id FROM deliveries WHERE campaign_id = ? AND subscriber_id > ? ORDER BY subscriber_id LIMIT ?`, c.ID, c.SummedUp, sumPage)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			next.SummedTo, next.SummedUp = c.SummingTo, -1
		} else {
			next.SummedUp = page[len(page)-1]
			_, err = tx.Exec(ctx, `INSERT INTO mailed (subscriber_id, sent, first_at, last_at)
				SELECT subscriber_id, 1, settled_at, settled_at FROM deliveries WHERE campaign_id = ? AND subscriber_id > ? AND subscriber_id <= ?
					AND status = 'sent' AND settled_at > ? AND settled_at <= ?
				ON CONFLICT (subscriber_id) DO UPDATE SET sent = mailed.sent + 1,
					first_at = CASE WHEN excluded.first_at < mailed.first_at THEN excluded.first_at ELSE mailed.first_at END,
					last_at = CASE WHEN excluded.last_at > mailed.last_at THEN excluded.last_at ELSE mailed.last_at END`,
				c.ID, c.SummedUp, next.SummedUp, c.SummedTo, c.SummingTo)
			if err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, `UPDATE campaigns SET summed_to = ?, summing_to = ?, summed_up = ? WHERE id = ?`, next.SummedTo, next.SummingTo, next.SummedUp, c.ID)
		return err
	})
	*c = next
	return err
}

// SentTo is what campaigns sent to people: the sums, and what is not in them yet.
func (s *Store) SentTo(ctx context.Context, ids []int64, needs segment.Needs) (map[int64]segment.Sent, error) {
	sent := make(map[int64]segment.Sent, len(ids))
	if needs.Sent {
		if err := s.sums(ctx, ids, sent); err != nil {
			return nil, err
		}
	}
	named := slices.Clone(needs.Campaigns)
	slices.Sort(named)
	ordered := slices.Sorted(slices.Values(ids))
	for _, campaign := range slices.Compact(named) {
		query, args, err := database.In(`SELECT subscriber_id FROM deliveries WHERE campaign_id = ? AND subscriber_id IN (?) AND status = 'sent'`, campaign, ids)
		if err != nil {
			return nil, err
		}
		var id int64
		err = s.q.Scan(ctx, query, args, []any{&id}, func() {
			m := sent[id]
			m.Campaigns = append(m.Campaigns, campaign)
			sent[id] = m
		})
		if err == nil {
			err = s.archivedSent(ctx, campaign, ordered, func(id int64) {
				m := sent[id]
				m.Campaigns = append(m.Campaigns, campaign)
				sent[id] = m
			})
		}
		if err != nil {
			return nil, err
		}
	}
	return sent, nil
}

func (s *Store) sums(ctx context.Context, ids []int64, sent map[int64]segment.Sent) error {
	query, args, err := database.In(`SELECT subscriber_id, sent, first_at, last_at FROM mailed WHERE subscriber_id IN (?)`, ids)
	if err != nil {
		return err
	}
	var id int64
	var m segment.Sent
	if err := s.q.Scan(ctx, query, args, []any{&id, &m.Count, &m.FirstAt, &m.LastAt}, func() { sent[id] = m }); err != nil {
		return err
	}
	var open []summing
	err = s.db.Select(ctx, &open, `SELECT id, summed_to, summing_to, summed_up FROM campaigns WHERE launched_at > 0 AND (summed_up >= 0 OR finished_at = 0 OR finished_at > summed_to)`)
	if err != nil {
		return err
	}
	for _, c := range open {
		query, args, err := database.In(`SELECT subscriber_id, settled_at FROM deliveries WHERE campaign_id = ? AND subscriber_id IN (?) AND status = 'sent' AND settled_at > ?`, c.ID, ids, c.SummedTo)
		if err != nil {
			return err
		}
		var at int64
		err = s.q.Scan(ctx, query, args, []any{&id, &at}, func() {
			if c.SummedUp >= id && at <= c.SummingTo {
				return // the pass under way has them
			}
			m := sent[id]
			if m.Count++; m.FirstAt == 0 || at < m.FirstAt {
				m.FirstAt = at
			}
			m.LastAt = max(m.LastAt, at)
			sent[id] = m
		})
		if err != nil {
			return err
		}
	}
	return nil
}
