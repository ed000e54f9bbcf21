package throttle_test

import (
	"cmp"
	"context"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"facteur/throttle"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// eachRedis runs the test on the in-process Redis and, where
// FACTEUR_TEST_REDIS_URL names one, on a real one.
func eachRedis(t *testing.T, test func(t *testing.T, r *redis.Client)) {
	t.Run("in-process", func(t *testing.T) {
		r := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
		t.Cleanup(func() { _ = r.Close() })
		test(t, r)
	})
	t.Run("Redis", func(t *testing.T) {
		url := os.Getenv("FACTEUR_TEST_REDIS_URL")
		if url == "" {
			if os.Getenv("CI") == "true" {
				t.Fatal("FACTEUR_TEST_REDIS_URL is not set: run the tests with make test")
			}
			t.Skip("Redis not tried: FACTEUR_TEST_REDIS_URL is not set (make test sets it)")
		}
		options, err := redis.ParseURL(url)
		if err != nil {
			t.Fatal(err)
		}
		options.DB = 3 // nobody else's
		r := redis.NewClient(options)
		t.Cleanup(func() { _ = r.FlushDB(context.Background()).Err(); _ = r.Close() })
		if err := r.FlushDB(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		test(t, r)
	})
}

// permit is one permit's time; the script meant it late by at most slack earlier.
type permit struct {
	at    time.Time
	slack time.Duration
}

func TestLimiter_SpacesThePermitsOfAllTakersEvenly(t *testing.T) {
	eachRedis(t, func(t *testing.T, r *redis.Client) {
		limit := throttle.Limit{PerSecond: 100}
		const wanted = 150
		begun := time.Now()
		var mu sync.Mutex
		var got []permit
		var takers sync.WaitGroup
		for range 4 {
			takers.Go(func() {
				limiter := throttle.NewLimiter(r)
				for {
					asked := time.Now()
					p, err := limiter.Take(t.Context(), 1, limit, 7)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					for i := range p.N {
						got = append(got, permit{p.At(i), time.Since(asked)})
					}
					enough := len(got) >= wanted
					mu.Unlock()
					if enough {
						return
					}
					if p.N == 0 {
						time.Sleep(time.Until(p.First))
					}
				}
			})
		}
		takers.Wait()
		checkSpacing(t, got, limit)
		if first := got[0].at; first.Before(begun.Add(throttle.Horizon)) {
			t.Errorf("the first permit is %v after an empty Redis, want a horizon or more", first.Sub(begun))
		}
		if took, most := got[len(got)-1].at.Sub(got[0].at), time.Duration(len(got)+1)*limit.Interval()+time.Second/2; took > most {
			t.Errorf("%d permits stretch over %v, want at most %v: some were lost", len(got), took, most)
		}
	})
}

// checkSpacing sorts the permits and holds them against the limit. Each lies
// later than the script meant it by no more than its call took.
func checkSpacing(t *testing.T, got []permit, limit throttle.Limit) {
	t.Helper()
	slices.SortFunc(got, func(a, b permit) int { return a.at.Compare(b.at) })
	slack := slices.MaxFunc(got, func(a, b permit) int { return cmp.Compare(a.slack, b.slack) }).slack
	for i := 1; i < len(got); i++ {
		if d := got[i].at.Sub(got[i-1].at); d < limit.Interval()-slack {
			t.Errorf("permits %d and %d are %v apart, want %v less at most %v", i-1, i, d, limit.Interval(), slack)
		}
	}
	most := int(limit.PerSecond) + int(slack/limit.Interval()) + 1
	for i, j := 0, 0; i < len(got); i++ {
		for ; j < len(got) && got[j].at.Sub(got[i].at) < time.Second; j++ {
		}
		if j-i > most {
			t.Fatalf("%d permits in the second from permit %d on, want at most %d", j-i, i, most)
		}
	}
}

func TestLimiter_GivesNothingForAHorizonAfterAFlush(t *testing.T) {
	eachRedis(t, func(t *testing.T, r *redis.Client) {
		limiter, limit := throttle.NewLimiter(r), throttle.Limit{PerSecond: 1000}
		if _, err := limiter.Take(t.Context(), 1, limit, 10); err != nil {
			t.Fatal(err)
		}
		if err := r.FlushDB(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		flushed := time.Now()
		for range 5 {
			p, err := limiter.Take(t.Context(), 1, limit, 10)
			if err != nil {
				t.Fatal(err)
			}
			if p.N > 0 && p.First.Before(flushed.Add(throttle.Horizon)) {
				t.Fatalf("a permit for %v after the flush, want at least %v", p.First.Sub(flushed), throttle.Horizon)
			}
		}
	})
}

func TestLimiter_FailsWhenRedisIsGone(t *testing.T) {
	server := miniredis.RunT(t)
	r := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1})
	defer r.Close()
	server.Close()
	limiter := throttle.NewLimiter(r)
	if p, err := limiter.Take(t.Context(), 1, throttle.Limit{PerMinute: 60}, 10); err == nil || p.N != 0 {
		t.Errorf("got %d permits and error %v, want none and one", p.N, err)
	}
	if p, err := limiter.Take(t.Context(), 1, throttle.Limit{PerHour: 60}, 10); err != nil || p.N != 10 {
		t.Errorf("without a limit to keep: got %d permits and error %v, want 10 and none", p.N, err)
	}
}

// clock is a limiter whose Redis has a clock of the test's.
type clock struct {
	*throttle.Limiter
	t      *testing.T
	server *miniredis.Miniredis
	now    time.Time
}

func newClock(t *testing.T) *clock {
	server := miniredis.RunT(t)
	r := redis.NewClient(&redis.Options{Addr: server.Addr()})
	t.Cleanup(func() { _ = r.Close() })
	c := &clock{Limiter: throttle.NewLimiter(r), t: t, server: server, now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	server.SetTime(c.now)
	return c
}

func (c *clock) pass(d time.Duration) {
	c.now = c.now.Add(d)
	c.server.SetTime(c.now)
	c.server.FastForward(d)
}

// take wants n permits of lane 1, and gets granted, the first in after.
func (c *clock) take(limit throttle.Limit, n, granted int, after time.Duration) {
	c.t.Helper()
	before := time.Now()
	p, err := c.Take(c.t.Context(), 1, limit, n)
	if err != nil {
		c.t.Fatal(err)
	}
	if p.N != granted {
		c.t.Fatalf("%d permits, want %d", p.N, granted)
	}
	if p.First.Sub(before) < after || time.Until(p.First) > after {
		c.t.Fatalf("the first permit is in %v to %v, want %v", time.Until(p.First), p.First.Sub(before), after)
	}
	if p.N > 1 && p.At(1).Sub(p.At(0)) != limit.Interval() {
		c.t.Fatalf("%v apart, want %v", p.At(1).Sub(p.At(0)), limit.Interval())
	}
}

func TestLimiter_GivesPermitsNoFurtherAheadThanTheHorizon(t *testing.T) {
	c, limit := newClock(t), throttle.Limit{PerSecond: 4}
	c.take(limit, 10, 1, 2*time.Second) // Redis knows nothing: its first is a horizon away
	c.take(limit, 10, 0, time.Second/4) // ask again when the next lies within the horizon
	c.pass(time.Second / 4)
	c.take(limit, 10, 1, 2*time.Second)
	c.pass(2 * time.Second)
	c.take(limit, 3, 3, time.Second/4)
	c.take(limit, 10, 5, time.Second)
	c.take(limit, 10, 0, time.Second/4)
	c.pass(10 * time.Second)
	c.take(limit, 10, 9, 0) // what passed unused is lost
}

func TestLimiter_GivesRarePermitsOneByOne(t *testing.T) {
	c, limit := newClock(t), throttle.Limit{PerMinute: 6}
	c.take(limit, 10, 1, 2*time.Second)
	c.take(limit, 10, 0, 10*time.Second)
	c.pass(9 * time.Second)
	c.take(limit, 10, 0, time.Second)
	c.pass(time.Second)
	c.take(limit, 10, 1, 2*time.Second)
	c.pass(10 * time.Minute) // Redis has forgotten
	c.take(limit, 10, 1, 2*time.Second)
}

func TestLimiter_FollowsALimitThatChanges(t *testing.T) {
	c := newClock(t)
	c.take(throttle.Limit{PerMinute: 1}, 1, 1, 2*time.Second)
	// A minute's wait of before would be long now: the horizon is enough.
	c.take(throttle.Limit{PerSecond: 2}, 5, 1, 2*time.Second)
	c.pass(3 * time.Second)
	c.take(throttle.Limit{PerMinute: 1}, 1, 1, 0)
	c.take(throttle.Limit{PerMinute: 1}, 1, 0, 58*time.Second)
}

func TestLimiter_SurvivesAClockThatGoesBack(t *testing.T) {
	c, limit := newClock(t), throttle.Limit{PerSecond: 10}
	c.take(limit, 1, 1, 2*time.Second)
	c.now = c.now.Add(-time.Hour)
	c.server.SetTime(c.now)
	c.take(limit, 1, 1, 2*time.Second)
}

func TestLimiter_KeepsLanesApart(t *testing.T) {
	eachRedis(t, func(t *testing.T, r *redis.Client) {
		limiter := throttle.NewLimiter(r)
		for lane := range int64(3) {
			if p, err := limiter.Take(t.Context(), lane, throttle.Limit{PerSecond: 1}, 1); err != nil || p.N != 1 {
				t.Errorf("lane %d: %d permits, %v", lane, p.N, err)
			}
		}
	})
}
