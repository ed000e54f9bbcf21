package throttle

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
)

// Horizon is how far ahead permits are given: a longer wait hands the batch back.
const Horizon = 2 * time.Second

// takeCmd hands out evenly spaced permits.
//
//	KEYS[1] next free time of the lane, µs since 1970 (STRING)
//	ARGV[1] interval µs   ARGV[2] wanted   ARGV[3] horizon µs
//	Output  {granted, µs from now to the first permit, or to trying again}
//
// A missing key means that Redis forgot what it gave out: nothing is granted
// for a horizon, which is how long old permits may still be used.
const takeCmd = `
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local interval, wanted, horizon = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local next = tonumber(redis.call('GET', KEYS[1]) or '')
if not next then
  next = now + horizon
end
if next < now then next = now end
if next > now + horizon * 2 + interval then next = now + horizon end
local granted = 0
if next <= now + horizon then
  granted = math.floor((now + horizon - next) / interval) + 1
  if granted > wanted then granted = wanted end
end
local after = next + granted * interval
redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', math.ceil((after - now + horizon) / 1000) + 60000)
return {granted, next - now}
`

// Limiter hands out permits to send, over all workers together.
type Limiter struct {
	redis  redis.UniversalClient
	script *redis.Script

	granted, waits, failures prometheus.Counter
}

// NewLimiter keeps its state in Redis.
func NewLimiter(r redis.UniversalClient) *Limiter {
	return &Limiter{
		redis: r, script: redis.NewScript(takeCmd),
		granted:  prometheus.NewCounter(prometheus.CounterOpts{Name: "facteur_permits_granted_total", Help: "Permits to send that lanes with a limit a second or a minute were given."}),
		waits:    prometheus.NewCounter(prometheus.CounterOpts{Name: "facteur_permits_waits_total", Help: "Times that a lane asked for permits and had to wait."}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "facteur_permits_failures_total", Help: "Times that Redis gave no answer to the question for permits."}),
	}
}

// Metrics are what the limiter counts.
func (l *Limiter) Metrics() []prometheus.Collector {
	return []prometheus.Collector{l.granted, l.waits, l.failures}
}

// Permits are times at which one message each may begin: the ith at First
// plus i times Every, and void [Horizon] later. N 0: nothing until First.
type Permits struct {
	N     int
	First time.Time
	Every time.Duration
}

// At is the ith permit's time.
func (p Permits) At(i int) time.Time { return p.First.Add(time.Duration(i) * p.Every) }

// Take asks for up to n permits in a lane. With no limit a second or a minute
// all are given for now. When Redis does not answer, nothing may begin.
func (l *Limiter) Take(ctx context.Context, lane int64, limit Limit, n int) (Permits, error) {
	interval := limit.Interval()
	now := time.Now()
	if interval == 0 {
		return Permits{N: n, First: now}, nil
	}
	if interval > Horizon { // only the very next permit can lie within the horizon
		n = 1
	}
	return l.run(ctx, lane, interval, n)
}

func (l *Limiter) run(ctx context.Context, lane int64, interval time.Duration, n int) (Permits, error) {
	asked := time.Now()
	res, err := l.script.Run(ctx, l.redis, []string{fmt.Sprintf("facteur:{limit}:lane:%d", lane)},
		interval.Microseconds(), n, Horizon.Microseconds()).Int64Slice()
	if err != nil {
		l.failures.Inc()
		return Permits{}, fmt.Errorf("take permits: %w", err)
	}
	l.granted.Add(float64(res[0]))
	// Counted from when the script may have run at the latest, which is now.
	first := time.Now().Add(time.Duration(res[1]) * time.Microsecond)
	if res[0] == 0 {
		l.waits.Inc()
		first = asked.Add(time.Duration(res[1])*time.Microsecond - Horizon)
	}
	return Permits{N: int(res[0]), First: first, Every: interval}, nil
}
