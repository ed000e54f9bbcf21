package throttle

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
)

// Horizon is the longest wait that is waited for in place: for a longer one a
// batch is handed back. It is also how long an emptied Redis grants nothing.
const Horizon = 2 * time.Second

// How far ahead permits are given. Where one scope alone limits, what is ahead
// is taken from nobody else. Where several do, a permit for later in one would
// keep others out of the next, so there it is much less.
const (
	reach       = 250 * time.Millisecond
	sharedReach = 10 * time.Millisecond
)

// takeCmd hands out permits that each of the scopes allows.
//
//	KEYS    one for each scope: "next interval mixed" (STRING), µs since 1970,
//	        µs, µs since 1970: the next free time, the interval by which it
//	        was counted, until when permits may be later than counted;
//	        then one more: "server until" (STRING): the Redis that wrote the
//	        others, µs since 1970: nothing is granted before
//	ARGV[1] wanted          ARGV[2] how far ahead the first may be, µs
//	ARGV[3] how long the block of permits may last, µs
//	ARGV[4] horizon, µs     ARGV[5] 1: whatever else waits, the next is ours
//	then for each key: interval µs, window µs
//	Output  {granted, µs from now to the first permit or to the next free time, µs between permits}
//
// The scope with the longest interval spaces the permits. The others count
// each for their own interval from their own next free time, so that other
// lanes find room between: a permit there is later than counted, by as much
// as a block may be ahead and last. Their intervals are stretched by that
// share of the window, so no window of any start holds more than the limit.
//
// A missing key means that Redis forgot what it gave out: nothing is granted
// for a horizon, by when all old permits are void. The same holds when another
// Redis answers than the one that gave out the last: a replica that took over,
// or one that was restarted from its disk, may lack the last moments.
const takeCmd = serverID + `
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local wanted, ahead, span, horizon = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local urgent = ARGV[5] == '1'
local nexts, intervals, mixed = {}, {}, {}
local first, every, forgot, scopes = now, 0, false, #KEYS - 1
local seen, quiet = string.match(redis.call('GET', KEYS[scopes + 1]) or '', '^(%S+) (%d+)$')
if seen ~= server or tonumber(quiet) > now + horizon then
  quiet, forgot = now + horizon, true
  redis.call('SET', KEYS[scopes + 1], string.format('%s %.0f', server, quiet))
end
first = math.max(first, tonumber(quiet))
for k = 1, scopes do
  local interval, window = tonumber(ARGV[4 + 2 * k]), tonumber(ARGV[5 + 2 * k])
  local value = redis.call('GET', KEYS[k])
  local next, by, late
  if value then
    next, by, late = string.match(value, '^(%d+) (%d+) (%d+)$')
    next, by, late = tonumber(next), tonumber(by), tonumber(late)
  end
  if not next or next > now + horizon * 2 + by then
    redis.call('SET', KEYS[k], string.format('%.0f %d 0', now + horizon, interval), 'PX', math.ceil((horizon * 2 + interval) / 1000) + 60000)
    next, by, late, forgot = now + horizon, interval, 0, true
  end
  if by ~= interval then next = next - by + interval end
  if next < now then next = now end
  if late < now then late = 0 end
  if scopes > 1 then late = now + window + 20000 end
  local stretched = interval
  if late > 0 then stretched = math.ceil(interval * (1 + 20000 / window)) end
  nexts[k], intervals[k], mixed[k] = next, stretched, late
  if next > first then first = next end
  if stretched > every then every = stretched end
end
if forgot or first > now + ahead then return {0, first - now, every} end
local granted = math.floor(span / every) + 1
if granted > wanted then granted = wanted end
for k = 1, scopes do
  local next = nexts[k] + granted * intervals[k]
  if urgent or intervals[k] == every then next = first + granted * every end
  redis.call('SET', KEYS[k], string.format('%.0f %d %.0f', next - intervals[k] + tonumber(ARGV[4 + 2 * k]), tonumber(ARGV[4 + 2 * k]), mixed[k]), 'PX', math.ceil((next - now + horizon) / 1000) + 60000)
end
return {granted, first - now, every}
`

// serverID begins a script: the run id of the Redis that runs it, which no
// other has and which changes when it is restarted; "-" where it is not told.
const serverID = `
local info = redis.pcall('INFO', 'server')
local server = type(info) == 'string' and string.match(info, 'run_id:(%w+)') or '-'
`

// Limiter hands out permits to send, over all workers together.
type Limiter struct {
	redis  redis.UniversalClient
	script *redis.Script
	since  func() time.Duration

	granted, waits, failures prometheus.Counter
}

// NewLimiter keeps its state in Redis. since is the clock of permits, see
// [database.DB.Since]: one that was given before the machine slept is void.
func NewLimiter(r redis.UniversalClient, since func() time.Duration) *Limiter {
	return &Limiter{
		redis: r, script: redis.NewScript(takeCmd), since: since,
		granted:  prometheus.NewCounter(prometheus.CounterOpts{Name: "facteur_permits_granted_total", Help: "Permits to send that were given where a scope has a limit a second or a minute."}),
		waits:    prometheus.NewCounter(prometheus.CounterOpts{Name: "facteur_permits_waits_total", Help: "Times that permits were asked for and there were none yet."}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "facteur_permits_failures_total", Help: "Times that Redis gave no answer to the question for permits."}),
	}
}

// Metrics are what the limiter counts.
func (l *Limiter) Metrics() []prometheus.Collector {
	return []prometheus.Collector{l.granted, l.waits, l.failures}
}

// Permits are times at which one message each may begin: the ith at First
// plus i times Every. N 0: none now; ask again at First.
type Permits struct {
	N     int
	First time.Duration // of the limiter's clock
	Every time.Duration // 0: there is no limit
}

// At is the ith permit's time.
func (p Permits) At(i int) time.Duration { return p.First + time.Duration(i)*p.Every }

// Late is how much later than its time a permit may be used by a process with
// so many open connections: each may hold one message of before. Used later,
// it would stand beside those of somebody else.
func (p Permits) Late(connections int) time.Duration {
	return max(50*time.Millisecond, min(p.Every*time.Duration(max(1, connections)), Horizon))
}

// Void tells whether the time of the ith permit has gone by.
func (p Permits) Void(i, connections int, now time.Duration) bool {
	return p.Every > 0 && now-p.At(i) > p.Late(connections)
}

// Take asks for up to n permits through the gates. Where none limits a second
// or a minute all are given for now. When Redis does not answer, nothing may begin.
func (l *Limiter) Take(ctx context.Context, gates []Gate, n int) (Permits, error) {
	return l.take(ctx, gates, n, false)
}

// TakeNext asks for one permit ahead of whoever waits: for a letter. It may be
// as far ahead as a [Horizon].
func (l *Limiter) TakeNext(ctx context.Context, gates []Gate) (Permits, error) {
	return l.take(ctx, gates, 1, true)
}

func (l *Limiter) take(ctx context.Context, gates []Gate, n int, urgent bool) (Permits, error) {
	keys, args := make([]string, 0, len(gates)), make([]any, 5, 5+2*len(gates))
	for _, g := range gates {
		every := g.Interval()
		if every == 0 {
			continue
		}
		window := time.Minute
		if g.PerSecond > 0 {
			window = time.Second
		}
		keys = append(keys, "facteur:{limit}:"+g.Scope)
		args = append(args, every.Microseconds(), window.Microseconds())
	}
	ahead := reach
	if len(keys) > 1 {
		ahead = sharedReach
	}
	if len(keys) == 0 {
		return Permits{N: n, First: l.since()}, nil
	}
	keys = append(keys, "facteur:{limit}server")
	span := ahead
	args[4] = 0
	if urgent {
		ahead, args[4] = Horizon, 1
	}
	args[0], args[1], args[2], args[3] = n, ahead.Microseconds(), span.Microseconds(), Horizon.Microseconds()
	asked := l.since()
	res, err := l.script.Run(ctx, l.redis, keys, args...).Int64Slice()
	if err != nil {
		l.failures.Inc()
		return Permits{}, fmt.Errorf("take permits: %w", err)
	}
	l.granted.Add(float64(res[0]))
	p := Permits{N: int(res[0]), Every: time.Duration(res[2]) * time.Microsecond}
	wait := time.Duration(res[1]) * time.Microsecond
	if p.N == 0 {
		l.waits.Inc()
		p.First = asked + max(wait-ahead, time.Millisecond)
	} else {
		// Counted from when the script may have run at the latest, which is now.
		p.First = l.since() + wait
	}
	return p, nil
}
