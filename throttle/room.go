package throttle

import (
	"context"
	"fmt"
	"math"

	"facteur/internal/database"
)

// Unlimited is the room of a lane without hourly and daily limits.
const Unlimited = math.MaxInt64

// Counted tells whether begins in lanes of this limit must be counted.
func (l Limit) Counted() bool { return l.PerHour > 0 || l.PerDay > 0 }

// CountBegins adds n begun messages to the lane's current minute, in the
// transaction that begins them.
func (s *Store) CountBegins(ctx context.Context, tx *database.Tx, lane, n int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO lane_minutes (lane, minute, n) VALUES (?, ?, ?) ON CONFLICT (lane, minute) DO UPDATE SET n = lane_minutes.n + excluded.n`,
		lane, s.db.Now().Unix()/60, n)
	if err != nil {
		return fmt.Errorf("count begins of lane %d: %w", lane, err)
	}
	return nil
}

// Room is how many more messages may be reserved in a lane now, so that no
// hour and no day of any start holds more than the limit. reserved are those
// in live batches that have not begun. Whole minutes are counted, so the
// window is up to a minute longer than asked, never shorter.
func (s *Store) Room(ctx context.Context, lane int64, l Limit, reserved int64) (int64, error) {
	room := int64(Unlimited)
	minute := s.db.Now().Unix() / 60
	for _, w := range []struct{ minutes, limit int64 }{{60, l.PerHour}, {24 * 60, l.PerDay}} {
		if w.limit == 0 {
			continue
		}
		var used int64
		err := s.q.Get(ctx, &used, `SELECT COALESCE(SUM(n), 0) FROM lane_minutes WHERE lane = ? AND minute >= ?`, lane, minute-w.minutes)
		if err != nil {
			return 0, fmt.Errorf("room in lane %d: %w", lane, err)
		}
		room = min(room, w.limit-used-reserved)
	}
	return max(0, room), nil
}

// PruneMinutes forgets counts that no window reaches any more.
func (s *Store) PruneMinutes(ctx context.Context) error {
	_, err := s.db.Exec(ctx, `DELETE FROM lane_minutes WHERE minute < ?`, s.db.Now().Unix()/60-25*60)
	return err
}
