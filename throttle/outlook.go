package throttle

import (
	"context"
	"errors"
	"time"

	"facteur/internal/database"
)

// Outlook is a lane as a forecast finds it: its day, its last sending day, and
// the rates of the last 30 days, which are assumed to go on.
func (s *Store) Outlook(ctx context.Context, l Lane, r Ramp, zone *time.Location, limits Limits, usage Usage, brakes Brakes) (OutlookLane, error) {
	limit, _ := limits.Lane(l)
	o := OutlookLane{Lane: l, Limit: limit, Ramp: r, Zone: zone, Silent: !s.providers.Reports(l.Provider)}
	o.Held = brakes.Held(l) != ""
	if slow, _ := brakes.Slow(0, l); slow {
		o.Limit = o.Limit.Tenth()
	}
	id, err := s.laneOf(ctx, l)
	if errors.Is(err, database.ErrNotFound) {
		return o, nil // it has never sent
	}
	if err != nil {
		return o, err
	}
	now := s.db.Now()
	o.Used = usage.sum(func(b Begun) bool { return b.Lane == id })
	date, _, _ := Date(now, zone)
	if o.Last, err = s.lastSendingDay(ctx, id, date); err != nil {
		return o, err
	}
	today, err := s.Today(ctx, id, date)
	if err == nil {
		o.Today = &today
	} else if !errors.Is(err, database.ErrNotFound) {
		return o, err
	}
	slowed, err := s.slowdown(ctx, id)
	if err != nil {
		return o, err
	}
	if _, suspended, active := slowed.At(now); active {
		o.From = suspended
	}
	rates, err := s.Rates(ctx, RateFilter{From: Day(now) - 30, To: Day(now), Domain: l.Domain, Provider: l.Provider})
	if err != nil {
		return o, err
	}
	n := rates[0]
	o.Bounces, o.Complaints, o.Deferrals = share(n.Hard(), n.Attempted()), share(n.Complained, n.Reporting), share(n.Deferred, n.Attempted()+n.Deferred)
	return o, nil
}

// laneOf is the id of a lane that has been used.
func (s *Store) laneOf(ctx context.Context, l Lane) (int64, error) {
	var id int64
	err := s.q.Get(ctx, &id, `SELECT id FROM lanes WHERE domain = ? AND provider = ?`, l.Domain, l.Provider)
	return id, err
}

// share is n of all, 0 of none.
func share(n, all int64) float64 {
	if all == 0 {
		return 0
	}
	return float64(n) / float64(all)
}
