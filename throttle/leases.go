package throttle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrFull means that a scope's limit of connections left no place within the time.
var ErrFull = errors.New("all connections of the limit are in use")

// How long a process's places are kept for it without a word of its own, how
// often it speaks, and when it stops relying on them: before others do.
const (
	leaseTTL   = 6 * time.Second
	leaseEvery = time.Second
	leaseTrust = 4 * time.Second
)

// holdCmd tells how many places a process may fill in a scope.
//
//	KEYS[1] HASH: member → "places wanted expires"; "born" → "server time": by which Redis the hash was made, and when, µs
//	ARGV    member, in use, wanted (in use included), limit, TTL µs, horizon µs
//	Output  places
//
// No member is given more than the others leave. When others want more than
// they have, each keeps to an even share. What is in use is always counted,
// even above a limit that was lowered. In a hash that was just made nobody
// gets more than is in use: the others have yet to say what they hold. So it is
// when another Redis answers than the one that made it: it may lack the last moments.
const holdCmd = serverID + `
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local member, used, wanted, limit, ttl, horizon = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local by, born = string.match(redis.call('HGET', KEYS[1], 'born') or '', '^(%S+) (%d+)$')
born = tonumber(born)
if by ~= server or born > now then
  born = now
  redis.call('HSET', KEYS[1], 'born', string.format('%s %.0f', server, now))
end
local others, members, starving = 0, 1, false
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if all[i] ~= 'born' and all[i] ~= member then
    local places, want, expires = string.match(all[i + 1], '^(%d+) (%d+) (%d+)$')
    if not expires or tonumber(expires) < now then
      redis.call('HDEL', KEYS[1], all[i])
    else
      others = others + tonumber(places)
      members = members + 1
      if tonumber(want) > tonumber(places) then starving = true end
    end
  end
end
local places = math.min(wanted, math.max(0, limit - others))
if starving then places = math.min(places, math.ceil(limit / members)) end
if now - born < horizon then places = math.min(places, used) end
if wanted == 0 then
  redis.call('HDEL', KEYS[1], member)
else
  redis.call('HSET', KEYS[1], member, string.format('%d %d %.0f', math.max(places, used), wanted, now + ttl))
end
redis.call('PEXPIRE', KEYS[1], math.ceil(ttl / 1000) + 60000)
return places
`

// Leases keep the limits of connections over all processes: a process fills
// no place that it does not hold, and holds none for long without saying so.
type Leases struct {
	redis  redis.UniversalClient
	script *redis.Script
	member string
	since  func() time.Duration

	mu      sync.Mutex
	byScope map[string]*lease
}

// lease is what this process holds in a scope.
type lease struct {
	limit   int64
	places  int64 // may be filled
	used    int64 // are filled
	waiting int64
	saidAt  time.Duration // when Redis last answered
	changed chan struct{} // closed when a place may have become free
}

// NewLeases speaks for one process, whose name nobody else has. since is the
// clock by which its places lapse, see [database.DB.Since].
func NewLeases(r redis.UniversalClient, member string, since func() time.Duration) *Leases {
	return &Leases{redis: r, script: redis.NewScript(holdCmd), member: member, since: since, byScope: map[string]*lease{}}
}

// Run keeps what is held until ctx ends.
func (l *Leases) Run(ctx context.Context) {
	tick := time.NewTicker(leaseEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, scope := range l.scopes() {
			_ = l.say(ctx, scope) // an error leaves what is held to run out
		}
	}
}

func (l *Leases) scopes() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.byScope))
}

// say tells Redis what is in use and wanted, and takes what it grants.
func (l *Leases) say(ctx context.Context, scope string) error {
	l.mu.Lock()
	at, ok := l.byScope[scope]
	if !ok {
		l.mu.Unlock()
		return nil
	}
	used, wanted, limit := at.used, at.used+at.waiting, at.limit
	l.mu.Unlock()
	asked := l.since()
	places, err := l.script.Run(ctx, l.redis, []string{"facteur:{connections}:" + scope}, l.member, used, wanted, limit, leaseTTL.Microseconds(), Horizon.Microseconds()).Int64()
	if err != nil {
		return fmt.Errorf("hold connections of %s: %w", scope, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	at.places, at.saidAt = places, asked
	if places > at.used {
		at.wake()
	}
	if wanted == 0 && at.used+at.waiting == 0 {
		delete(l.byScope, scope)
	}
	return nil
}

// wake lets those who wait look again; under l.mu.
func (at *lease) wake() {
	close(at.changed)
	at.changed = make(chan struct{})
}

// Acquire takes a place in each gate that limits connections, waiting for at
// most a [Horizon]; after that [ErrFull]. The places go back by release, which
// is nil where no gate limits connections.
func (l *Leases) Acquire(ctx context.Context, gates []Gate) (release func(), err error) {
	if !slices.ContainsFunc(gates, func(g Gate) bool { return g.Connections > 0 }) {
		return nil, nil
	}
	var taken []string
	back := func() {
		for _, scope := range taken {
			l.leave(scope)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, Horizon)
	defer cancel()
	limited := slices.DeleteFunc(slices.Clone(gates), func(g Gate) bool { return g.Connections == 0 })
	slices.SortFunc(limited, func(a, b Gate) int { return strings.Compare(a.Scope, b.Scope) }) // one order for all
	for _, g := range limited {
		if err := l.enter(ctx, g); err != nil {
			back()
			return nil, err
		}
		taken = append(taken, g.Scope)
	}
	return back, nil
}

// enter fills a place of one scope.
func (l *Leases) enter(ctx context.Context, g Gate) error {
	l.mu.Lock()
	at := l.byScope[g.Scope]
	if at == nil {
		at = &lease{changed: make(chan struct{})}
		l.byScope[g.Scope] = at
	}
	at.limit = g.Connections
	at.waiting++
	defer func() {
		at.waiting--
		l.mu.Unlock()
	}()
	for wait := time.Duration(0); ; wait = 50 * time.Millisecond { // it asks at once, and then now and again
		if l.since()-at.saidAt < leaseTrust && at.used < min(at.places, at.limit) {
			at.used++
			return nil
		}
		changed := at.changed
		l.mu.Unlock()
		timer := time.NewTimer(wait)
		var ended error
		select {
		case <-changed:
		case <-timer.C:
			ended = l.say(ctx, g.Scope)
		case <-ctx.Done():
		}
		timer.Stop()
		l.mu.Lock()
		switch {
		case ctx.Err() != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded):
			return fmt.Errorf("%s: %w", g.Scope, ErrFull)
		case ctx.Err() != nil:
			return ctx.Err()
		case ended != nil:
			return ended
		}
	}
}

// leave frees a place.
func (l *Leases) leave(scope string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at, ok := l.byScope[scope]; ok {
		at.used--
		at.wake()
	}
}
