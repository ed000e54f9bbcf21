package call

import (
	"net/netip"
	"sync"
	"time"
)

// Rate is how often something may happen for one address.
type Rate struct {
	PerSecond float64 // 0: as often as it likes
	Burst     int     // at once, after a quiet time
}

// maxAddresses bounds the memory of a [Limiter]; addresses beyond it share one bucket.
const maxAddresses = 100_000

// Limiter holds each address to a rate. Safe for concurrent use.
type Limiter struct {
	rate Rate
	now  func() time.Time
	mu   sync.Mutex
	left map[netip.Addr]bucket
}

// bucket is what an address had left at a moment.
type bucket struct {
	n  float64
	at time.Time
}

// NewLimiter starts with every address at rest.
func NewLimiter(r Rate, now func() time.Time) *Limiter {
	return &Limiter{rate: r, now: now, left: map[netip.Addr]bucket{}}
}

// Take uses up one of the address's turns. With none left it reports how long
// to wait for the next.
func (l *Limiter) Take(addr netip.Addr) (wait time.Duration, ok bool) { return l.ask(addr, 1) }

// Look is [Limiter.Take] without using anything up.
func (l *Limiter) Look(addr netip.Addr) (wait time.Duration, ok bool) { return l.ask(addr, 0) }

func (l *Limiter) ask(addr netip.Addr, cost float64) (time.Duration, bool) {
	if l.rate.PerSecond == 0 {
		return 0, true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	b, known := l.left[addr]
	if !known {
		if len(l.left) >= maxAddresses {
			l.forget(now)
		}
		if len(l.left) >= maxAddresses {
			addr = netip.Addr{}
			b, known = l.left[addr]
		}
	}
	n := l.filled(b, known, now)
	if n < 1 {
		return time.Duration((1 - n) / l.rate.PerSecond * float64(time.Second)), false
	}
	if cost > 0 {
		l.left[addr] = bucket{n - cost, now}
	}
	return 0, true
}

// filled is what a bucket has by now.
func (l *Limiter) filled(b bucket, known bool, now time.Time) float64 {
	if !known {
		return float64(l.rate.Burst)
	}
	return min(float64(l.rate.Burst), b.n+max(0, now.Sub(b.at).Seconds())*l.rate.PerSecond)
}

// forget drops the addresses that are at rest again.
func (l *Limiter) forget(now time.Time) {
	for addr, b := range l.left {
		if l.filled(b, true, now) >= float64(l.rate.Burst) {
			delete(l.left, addr)
		}
	}
}
