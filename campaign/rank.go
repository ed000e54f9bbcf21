package campaign

import (
	"context"
	"time"

	"facteur/internal/database"
	"facteur/sending"
	"facteur/subscribers"
)

// ranking is the order in which a campaign's people are mailed: those of its
// canary first, then as they were planned, as neighbours share the pages that
// each commit writes. Where a warm-up spreads the campaign over days, who has
// confirmed most recently goes first: they are least likely to complain.
func (s *Scheduler) ranking(ctx context.Context, tx *database.Tx, c Campaign, v Version) (func(m subscribers.Member, n int64, now bool) int64, error) {
	d, err := s.store.senders.With(tx).DomainByName(ctx, v.Sender.Domain)
	if err != nil {
		return nil, err
	}
	spread, at := d.Warmup != sending.NoWarmup, s.store.db.Now().UnixMilli()
	return func(m subscribers.Member, n int64, now bool) int64 {
		rank := n
		if spread {
			days := max(0, at-m.ConfirmedAt) / (24 * time.Hour).Milliseconds()
			rank += days << 32
		}
		if now && c.sampled() { // who has to wait for their hour would hold up the canary
			rank -= sampleRank
		}
		return rank
	}, nil
}
