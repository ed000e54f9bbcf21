package campaign

import (
	"context"
	"fmt"
	"sort"

	"facteur/internal/database"
)

// DeliveryStatus is where one person's delivery stands.
type DeliveryStatus string

// The states of a delivery.
const (
	Queued    DeliveryStatus = "queued"
	Begun     DeliveryStatus = "sending"
	Accepted  DeliveryStatus = "sent"
	Deferred  DeliveryStatus = "deferred"
	Failed    DeliveryStatus = "failed"
	Skipped   DeliveryStatus = "skipped"
	Uncertain DeliveryStatus = "uncertain"
)

// doubted counts, outside the sum, deliveries that ever were in doubt.
const doubted DeliveryStatus = "doubted"

// Counts are a campaign's books. Recipients is the sum of the seven that follow, always.
type Counts struct {
	Recipients int64 `json:"recipients"`
	Queued     int64 `json:"queued"`
	Sending    int64 `json:"sending"`
	Sent       int64 `json:"sent"`
	Deferred   int64 `json:"deferred"`
	Failed     int64 `json:"failed"`
	Skipped    int64 `json:"skipped"`
	Uncertain  int64 `json:"uncertain"`
	Doubted    int64 `json:"doubted"` // ever in doubt; outside the sum
}

// Balance is what the books are off by; 0 unless something is wrong.
func (c Counts) Balance() int64 {
	return c.Recipients - (c.Queued + c.Sending + c.Sent + c.Deferred + c.Failed + c.Skipped + c.Uncertain)
}

func (c *Counts) add(status DeliveryStatus, n int64) {
	switch status {
	case Queued:
		c.Queued += n
	case Begun:
		c.Sending += n
	case Accepted:
		c.Sent += n
	case Deferred:
		c.Deferred += n
	case Failed:
		c.Failed += n
	case Skipped:
		c.Skipped += n
	case Uncertain:
		c.Uncertain += n
	case doubted:
		c.Doubted += n
	}
}

// Counts reads a campaign's running totals.
func (s *Store) Counts(ctx context.Context, campaignID int64) (Counts, error) {
	var rows []struct {
		Status     DeliveryStatus `db:"status"`
		N          int64          `db:"n"`
		Recipients int64          `db:"recipients"`
	}
	// One statement, so that the books are of one moment.
	err := s.q.Select(ctx, &rows, `SELECT c.recipients, COALESCE(n.status, '') AS status, COALESCE(SUM(n.n), 0) AS n
		FROM campaigns c LEFT JOIN campaign_counts n ON n.campaign_id = c.id WHERE c.id = ? GROUP BY c.recipients, n.status`, campaignID)
	if err != nil {
		return Counts{}, fmt.Errorf("count campaign %d: %w", campaignID, err)
	}
	var c Counts
	for _, r := range rows {
		c.Recipients = r.Recipients
		c.add(r.Status, r.N)
	}
	return c, nil
}

// Recount counts the deliveries themselves, the archived ones too; it reads every row. It must equal [Store.Counts].
func (s *Store) Recount(ctx context.Context, campaignID int64) (Counts, error) {
	var rows []struct {
		Status  DeliveryStatus `db:"status"`
		N       int64          `db:"n"`
		Doubted int64          `db:"doubted"`
	}
	err := s.q.Select(ctx, &rows, `SELECT status, COUNT(*) AS n, SUM(CASE WHEN doubts > 0 THEN 1 ELSE 0 END) AS doubted
		FROM deliveries WHERE campaign_id = ? GROUP BY status`, campaignID)
	if err != nil {
		return Counts{}, fmt.Errorf("recount campaign %d: %w", campaignID, err)
	}
	var c Counts
	for _, r := range rows {
		c.add(r.Status, r.N)
		c.Recipients += r.N
		c.Doubted += r.Doubted
	}
	return c, s.recountArchived(ctx, campaignID, &c)
}

// Tally gathers the changes of a transaction to the running totals.
type Tally map[tallyKey]int64

type tallyKey struct {
	campaign int64
	provider string
	status   DeliveryStatus
}

func (t Tally) move(campaign int64, provider string, from, to DeliveryStatus, n int64) {
	if from != "" {
		t[tallyKey{campaign, provider, from}] -= n
	}
	t[tallyKey{campaign, provider, to}] += n
}

func (t Tally) doubt(campaign int64, provider string, n int64) {
	t[tallyKey{campaign, provider, doubted}] += n
}

// Count writes the tally; the last act of a transaction that changed deliveries.
func (s *Store) Count(ctx context.Context, tx *database.Tx, t Tally) error {
	keys := make([]tallyKey, 0, len(t))
	for k, n := range t {
		if n != 0 {
			keys = append(keys, k)
		}
	}
	sort.Slice(keys, func(i, j int) bool { // one order for all, so that no two wait for each other
		a, b := keys[i], keys[j]
		if a.campaign != b.campaign {
			return a.campaign < b.campaign
		}
		if a.provider != b.provider {
			return a.provider < b.provider
		}
		return a.status < b.status
	})
	shard := s.db.Node()
	return tx.Each(ctx, `INSERT INTO campaign_counts (campaign_id, provider, status, shard, n) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (campaign_id, provider, status, shard) DO UPDATE SET n = campaign_counts.n + excluded.n`, len(keys),
		func(i int, p *database.Params) {
			k := keys[i]
			p.Set(k.campaign, k.provider, string(k.status), shard, t[k])
		}, nil)
}
