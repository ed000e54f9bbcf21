package throttle

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Limits are the limits of all scopes, as read at one moment.
type Limits struct {
	set       map[string]Limit
	providers *Providers
}

// Limits reads all limits: a handful of rows.
func (s *Store) Limits(ctx context.Context) (Limits, error) {
	var rows []struct {
		Scope string `db:"scope"`
		Limit
	}
	err := s.q.Select(ctx, &rows, `SELECT scope, per_second, per_minute, per_hour, per_day, connections FROM limits`)
	if err != nil {
		return Limits{}, fmt.Errorf("read the limits: %w", err)
	}
	l := Limits{set: make(map[string]Limit, len(rows)), providers: s.providers}
	for _, r := range rows {
		l.set[r.Scope] = r.Limit
	}
	return l, nil
}

// Equal tells whether two readings say the same.
func (l Limits) Equal(other Limits) bool { return maps.Equal(l.set, other.set) }

// Scopes are those that have a limit set, sorted.
func (l Limits) Scopes() []string { return slices.Sorted(maps.Keys(l.set)) }

// Set is the limit that was set for a scope; false if none was.
func (l Limits) Set(scope string) (Limit, bool) {
	limit, ok := l.set[scope]
	return limit, ok
}

// Lane is a lane's own limit: the first that is set of the lane's, its
// provider's and the default, else the data file's. from is the scope that it
// comes from; "" for the data file.
func (l Limits) Lane(lane Lane) (limit Limit, from string) {
	for _, scope := range []string{lane.Scope(), providerScope + ":" + lane.Provider, DefaultScope} {
		if limit, ok := l.set[scope]; ok {
			return limit, scope
		}
	}
	if l.providers == nil {
		return Limit{}, ""
	}
	return l.providers.Limit(lane.Provider), ""
}

// Gate is one scope that a message passes, with its limit.
type Gate struct {
	Scope string
	Limit
}

// Counted tells whether any limit counts hours or days.
func (l Limits) Counted() bool {
	for _, limit := range l.set {
		if limit.Counted() {
			return true
		}
	}
	return false
}

// Of tells whether mail of a campaign (0: a letter; [Invitations]) in a lane by a relay passes the gate.
func (g Gate) Of(lane Lane, campaignID, relayID int64) bool {
	return g.Scope == AllScope || g.Scope == DomainScope(lane.Domain) || g.Scope == lane.Scope() ||
		campaignID != 0 && g.Scope == CampaignScope(campaignID) || relayID != 0 && g.Scope == RelayScope(relayID)
}

// Passage names the scopes that a message passes.
type Passage struct {
	Lane       Lane
	RelayID    int64 // 0: not chosen yet
	CampaignID int64 // 0: a letter; [Invitations]
	Slow       Limit // a tighter limit of the lane for a while; zero: none
	Tenth      bool  // a breaker slows the lane to a tenth
	OwnTenth   bool  // and one the campaign
}

// Gates are the limited scopes of a passage, in one order for all.
func (l Limits) Gates(p Passage) []Gate {
	lane, _ := l.Lane(p.Lane)
	lane = lane.Tighten(p.Slow)
	if p.Tenth {
		lane = lane.Tenth()
	}
	gates := []Gate{
		{AllScope, l.set[AllScope]},
		{DomainScope(p.Lane.Domain), l.set[DomainScope(p.Lane.Domain)]},
		{p.Lane.Scope(), lane},
	}
	if p.CampaignID != 0 {
		scope := CampaignScope(p.CampaignID)
		own := l.set[scope]
		if p.OwnTenth {
			own = own.Tenth()
		}
		gates = append(gates, Gate{scope, own})
	}
	if p.RelayID != 0 {
		scope := RelayScope(p.RelayID)
		gates = append(gates, Gate{scope, l.set[scope]})
	}
	return slices.DeleteFunc(gates, func(g Gate) bool { return g.Limit == Limit{} })
}

// Interval is that of the slowest gate; 0 when none limits a second or a minute.
func Interval(gates []Gate) (every time.Duration) {
	for _, g := range gates {
		every = max(every, g.Interval())
	}
	return every
}
