package throttle

import (
	"context"
	"fmt"
	"time"

	"facteur/internal/database"
	"facteur/internal/journal"
)

// Limit is how much may pass. 0 is unlimited.
type Limit struct {
	PerSecond   int64 `db:"per_second"`
	PerMinute   int64 `db:"per_minute"`
	PerHour     int64 `db:"per_hour"`
	PerDay      int64 `db:"per_day"`     // in any 24 hours
	Connections int64 `db:"connections"` // messages in dialogue at once
}

// values are the five numbers.
func (l *Limit) values() [5]*int64 {
	return [5]*int64{&l.PerSecond, &l.PerMinute, &l.PerHour, &l.PerDay, &l.Connections}
}

// Tighten is the tighter of two limits, number by number.
func (l Limit) Tighten(other Limit) Limit {
	a, b := l.values(), other.values()
	for i := range a {
		if *a[i] == 0 || *b[i] > 0 && *b[i] < *a[i] {
			*a[i] = *b[i]
		}
	}
	return l
}

// usual is the pace that a tenth is taken of where no limit is set: the
// default of KumoMTA's traffic shaping, mails a second.
const usual = 100

// Tenth is the limit slowed to a tenth.
func (l Limit) Tenth() Limit {
	if l.PerSecond == 0 && l.PerMinute == 0 {
		l.PerSecond = usual
	}
	if l.PerSecond > 0 {
		l = l.Tighten(Limit{PerMinute: l.PerSecond * 60}) // a tenth of a few a second is less than one
		l.PerSecond = 0
	}
	for _, n := range l.values() {
		if *n > 0 {
			*n = max(1, *n/10)
		}
	}
	return l
}

// Counted tells whether begins must be counted over hours or days.
func (l Limit) Counted() bool { return l.PerHour > 0 || l.PerDay > 0 }

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

// SetLimit replaces the limit of a scope; see [ParseScope]. A limit of all
// zeros is set too: it lifts what a wider scope says of a lane.
func (s *Store) SetLimit(ctx context.Context, tx *database.Tx, scope string, l Limit) (string, error) {
	scope, err := ParseScope(scope, s.providers.Known)
	if err != nil {
		return "", err
	}
	for _, n := range l.values() {
		if *n < 0 {
			return "", fmt.Errorf("limit %d is negative: want 0 (unlimited) or more", *n)
		}
	}
	if err := tx.Touch(ctx, database.Terms); err != nil {
		return "", err
	}
	_, err = tx.Exec(ctx, `INSERT INTO limits (scope, per_second, per_minute, per_hour, per_day, connections, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (scope) DO UPDATE SET per_second = excluded.per_second, per_minute = excluded.per_minute, per_hour = excluded.per_hour,
			per_day = excluded.per_day, connections = excluded.connections, updated_at = excluded.updated_at`,
		scope, l.PerSecond, l.PerMinute, l.PerHour, l.PerDay, l.Connections, s.db.Now().UnixMilli())
	if err != nil {
		return "", fmt.Errorf("limit %s: %w", scope, err)
	}
	return scope, journal.Write(ctx, tx, "limit", "throttle", 0, map[string]any{
		"scope": scope, "per_second": l.PerSecond, "per_minute": l.PerMinute,
		"per_hour": l.PerHour, "per_day": l.PerDay, "connections": l.Connections,
	})
}

// DropLimit removes the limit of a scope, so that a wider one holds again;
// [database.ErrNotFound] when none was set.
func (s *Store) DropLimit(ctx context.Context, tx *database.Tx, scope string) error {
	scope, err := ParseScope(scope, s.providers.Known)
	if err != nil {
		return err
	}
	if err := tx.Touch(ctx, database.Terms); err != nil {
		return err
	}
	n, err := tx.Exec(ctx, `DELETE FROM limits WHERE scope = ?`, scope)
	if err == nil && n == 0 {
		err = fmt.Errorf("limit %s: %w", scope, database.ErrNotFound)
	}
	if err != nil {
		return err
	}
	return journal.Write(ctx, tx, "drop-limit", "throttle", 0, map[string]any{"scope": scope})
}

// Scope is a scope in its one spelling, or [ErrScope].
func (s *Store) Scope(text string) (string, error) { return ParseScope(text, s.providers.Known) }

// Limit is the limit of a scope in its one spelling; the zero limit when none was set.
func (s *Store) Limit(ctx context.Context, scope string) (string, Limit, error) {
	scope, err := ParseScope(scope, s.providers.Known)
	if err != nil {
		return "", Limit{}, err
	}
	all, err := s.Limits(ctx)
	return scope, all.set[scope], err
}
