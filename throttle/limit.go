package throttle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"facteur/internal/database"
	"facteur/internal/journal"
)

// ErrScope is a scope that limits cannot be set for.
var ErrScope = errors.New("unknown scope")

// DefaultScope holds the limits of every lane that has none of its own.
const DefaultScope = "default"

// Limit is how much may pass. 0 is unlimited.
type Limit struct {
	PerSecond   int64 `db:"per_second"`
	PerMinute   int64 `db:"per_minute"`
	PerHour     int64 `db:"per_hour"`
	PerDay      int64 `db:"per_day"`
	Connections int64 `db:"connections"` // messages of a lane in dialogue at once, in each worker process
}

// SetLimit replaces the limit of a scope. Only [DefaultScope] is known so far.
func (s *Store) SetLimit(ctx context.Context, tx *database.Tx, scope string, l Limit) error {
	if scope != DefaultScope {
		return fmt.Errorf("scope %q: %w: want %s", scope, ErrScope, DefaultScope)
	}
	for _, n := range []int64{l.PerSecond, l.PerMinute, l.PerHour, l.PerDay, l.Connections} {
		if n < 0 {
			return fmt.Errorf("limit %d is negative: want 0 (unlimited) or more", n)
		}
	}
	_, err := tx.Exec(ctx, `INSERT INTO limits (scope, per_second, per_minute, per_hour, per_day, connections, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (scope) DO UPDATE SET per_second = excluded.per_second, per_minute = excluded.per_minute, per_hour = excluded.per_hour,
			per_day = excluded.per_day, connections = excluded.connections, updated_at = excluded.updated_at`,
		scope, l.PerSecond, l.PerMinute, l.PerHour, l.PerDay, l.Connections, s.db.Now().UnixMilli())
	if err != nil {
		return fmt.Errorf("limit %s: %w", scope, err)
	}
	return journal.Write(ctx, tx, "limit", "throttle", 0, map[string]any{
		"scope": scope, "per_second": l.PerSecond, "per_minute": l.PerMinute,
		"per_hour": l.PerHour, "per_day": l.PerDay, "connections": l.Connections,
	})
}

// Limit is the limit of a scope; the zero limit when none was set.
func (s *Store) Limit(ctx context.Context, scope string) (Limit, error) {
	var l Limit
	err := s.q.Get(ctx, &l, `SELECT per_second, per_minute, per_hour, per_day, connections FROM limits WHERE scope = ?`, scope)
	if errors.Is(err, database.ErrNotFound) {
		return Limit{}, nil
	}
	return l, err
}

// Interval is the smallest time between two messages under the limits a
// second and a minute; 0 when there are none. Evenly spaced messages keep
// every window of a second or a minute, whenever it starts.
func (l Limit) Interval() time.Duration {
	var d time.Duration
	if l.PerSecond > 0 {
		d = ceil(time.Second, l.PerSecond)
	}
	if l.PerMinute > 0 {
		d = max(d, ceil(time.Minute, l.PerMinute))
	}
	return d
}

// ceil is d/n rounded up to a microsecond, the resolution of the script.
func ceil(d time.Duration, n int64) time.Duration {
	us := d.Microseconds()
	return time.Duration((us+n-1)/n) * time.Microsecond
}
