package campaign

import (
	"context"
	"fmt"

	"facteur/internal/database"
)

// schedulerLease is what the leading scheduler holds.
const schedulerLease = "scheduler"

// Presence lists the processes and says which one's scheduler leads.
func (s *Store) Presence(ctx context.Context) ([]database.Present, error) {
	return s.db.Presence(ctx, schedulerLease)
}

// UnderWay is how much there is to do, over all campaigns that are not over.
type UnderWay struct {
	Campaigns  map[Status]int64 // scheduled, blocked, sending, paused
	Deliveries Counts           // of those that are being sent or paused
	Released   int64            // batches that wait for a worker
	Taken      int64            // batches in work
}

// UnderWay reads the running totals, not the deliveries; it is cheap at any size.
func (s *Store) UnderWay(ctx context.Context) (UnderWay, error) {
	u := UnderWay{Campaigns: map[Status]int64{Scheduled: 0, Blocked: 0, Sending: 0, Paused: 0}}
	var rows []struct {
		Kind string `db:"kind"`
		Name string `db:"name"`
		N    int64  `db:"n"`
	}
	err := s.q.Select(ctx, &rows, `SELECT 'campaign' AS kind, status AS name, COUNT(*) AS n FROM campaigns WHERE status IN ('scheduled', 'blocked', 'sending', 'paused') GROUP BY status
		UNION ALL SELECT 'delivery', n.status, SUM(n.n) FROM campaign_counts n JOIN campaigns c ON c.id = n.campaign_id WHERE c.status IN ('sending', 'paused') GROUP BY n.status
		UNION ALL SELECT 'batch', state, COUNT(*) FROM batches GROUP BY state`)
	if err != nil {
		return UnderWay{}, fmt.Errorf("what is under way: %w", err)
	}
	for _, r := range rows {
		switch {
		case r.Kind == "campaign":
			u.Campaigns[Status(r.Name)] = r.N
		case r.Kind == "delivery":
			u.Deliveries.add(DeliveryStatus(r.Name), r.N)
		case r.Name == "taken":
			u.Taken = r.N
		default:
			u.Released = r.N
		}
	}
	d := &u.Deliveries
	d.Recipients = d.Queued + d.Sending + d.Sent + d.Deferred + d.Failed + d.Skipped + d.Uncertain
	return u, nil
}

// Running lists the campaigns that are being sent or paused, then those that are scheduled or blocked.
func (s *Store) Running(ctx context.Context) ([]Campaign, error) {
	planned, err := s.inState(ctx, Scheduled, Blocked)
	if err != nil {
		return nil, err
	}
	begun, err := s.inState(ctx, Sending, Paused)
	return append(begun, planned...), err
}
