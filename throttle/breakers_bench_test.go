package throttle_test

import (
	"context"
	"fmt"
	"testing"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/throttle"
)

// BenchmarkWatch judges a busy week: 20 lanes, and in each hour of the week 29
// campaigns that send. It is what the begin of messages waits for when the
// breakers have something to change.
func BenchmarkWatch(b *testing.B) {
	db := databasetest.New(b)
	s, ctx := throttle.NewStore(db), context.Background()
	tally := throttle.RateTally{}
	err := db.Write(ctx, func(tx *database.Tx) error {
		for i := range int64(20) {
			lane, err := s.LaneID(ctx, tx, throttle.Lane{Domain: "a.example", Provider: fmt.Sprintf("provider%d", i)})
			if err != nil {
				return err
			}
			for hour := range int64(7 * 24) {
				for c := range int64(29) {
					tally.Add(throttle.Rated{CampaignID: c + 1, Lane: lane, Hour: throttle.Hour(db.Now()) - hour}, throttle.Outcomes{Accepted: 1000})
				}
			}
		}
		return s.CountRates(ctx, tx, tally)
	})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.Watch(ctx, nil, []int64{1, 2}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(tally)), "rows")
}
