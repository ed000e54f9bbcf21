package throttle

import (
	"context"
	"fmt"

	"facteur/internal/database"
)

// Forgive lets what a clock that was ahead has written hold no longer than it
// would have: slowdowns of the future are over, providers are learned again.
// What was counted in the future is counted as of now, and a person's word as
// spoken now; that only with a clock that is trusted, as one that is behind
// would move counts of now to where nobody asks for them.
func (s *Store) Forgive(ctx context.Context, tx *database.Tx, trusted bool) error {
	now := s.db.Now()
	ahead := now.Add(database.Skew)
	exec := func(query string, args ...any) error {
		_, err := tx.Exec(ctx, query, args...)
		return err
	}
	if err := exec(`UPDATE slowdowns SET since = 0, times = 0, hits = 0, window_at = ? WHERE since > ? OR window_at > ?`, now.UnixMilli(), ahead.UnixMilli(), ahead.UnixMilli()); err != nil {
		return fmt.Errorf("forgive slowdowns: %w", err)
	}
	if err := exec(`UPDATE recipient_domains SET next_at = ? WHERE next_at > ?`, now.UnixMilli(), ahead.Add(learnKeep).UnixMilli()); err != nil {
		return fmt.Errorf("forgive recipient domains: %w", err)
	}
	if !trusted {
		return nil
	}
	minute, hour := now.Unix()/60, Hour(now)
	lateMinute, lateHour := ahead.Unix()/60, Hour(ahead)
	for _, q := range []struct {
		text string
		args []any
	}{
		{`INSERT INTO begun_minutes (minute, lane, campaign_id, relay_id, shard, n) SELECT CAST(? AS BIGINT), lane, campaign_id, relay_id, shard, SUM(n) FROM begun_minutes WHERE minute > ?
			GROUP BY lane, campaign_id, relay_id, shard ON CONFLICT (minute, lane, campaign_id, relay_id, shard) DO UPDATE SET n = begun_minutes.n + excluded.n`, []any{minute, lateMinute}},
		{`DELETE FROM begun_minutes WHERE minute > ?`, []any{lateMinute}},
		{`INSERT INTO rates (campaign_id, lane, hour, shard, accepted, refused, returned, soft, complained, deferred)
			SELECT campaign_id, lane, CAST(? AS BIGINT), shard, SUM(accepted), SUM(refused), SUM(returned), SUM(soft), SUM(complained), SUM(deferred) FROM rates WHERE hour > ? GROUP BY campaign_id, lane, shard
			ON CONFLICT (campaign_id, lane, hour, shard) DO UPDATE SET accepted = rates.accepted + excluded.accepted, refused = rates.refused + excluded.refused, returned = rates.returned + excluded.returned,
				soft = rates.soft + excluded.soft, complained = rates.complained + excluded.complained, deferred = rates.deferred + excluded.deferred`, []any{hour, lateHour}},
		{`DELETE FROM rates WHERE hour > ?`, []any{lateHour}},
		{`UPDATE breakers SET resumed_at = ? WHERE resumed_at > ?`, []any{now.UnixMilli(), ahead.UnixMilli()}},
	} {
		if err := exec(q.text, q.args...); err != nil {
			return fmt.Errorf("forgive counts of the future: %w", err)
		}
	}
	return nil
}
