package throttle_test

import (
	"cmp"
	"context"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"facteur/internal/database"
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
	at    time.Duration
	slack time.Duration
	taker int
}

func TestLimiter_SpacesThePermitsOfAllTakersEvenly(t *testing.T) {
	eachRedis(t, func(t *testing.T, r *redis.Client) {
		limit := throttle.Limit{PerSecond: 100}
		begun := database.SinceBoot()
		got := takers(t, r, 4, 150, func(int) []throttle.Gate { return lane(limit) })
		checkWindows(t, got, limit)
		if first := got[0].at; first < begun+throttle.Horizon {
			t.Errorf("the first permit is %v after an empty Redis, want a horizon or more", first-begun)
		}
		checkUsed(t, got, limit)
	})
}

// Lanes with limits of their own below one that all share: each keeps its own,
// and together they use the shared one up.
func TestLimiter_SharesAScopeAmongLanes(t *testing.T) {
	eachRedis(t, func(t *testing.T, r *redis.Client) {
		all, own := throttle.Limit{PerSecond: 100}, throttle.Limit{PerSecond: 40}
		got := takers(t, r, 4, 200, func(i int) []throttle.Gate {
			return []throttle.Gate{{Scope: throttle.AllScope, Limit: all}, {Scope: "lane:" + strconv.Itoa(i), Limit: own}}
		})
		checkWindows(t, got, all)
		checkUsed(t, got, all)
		for i := range 4 {
			mine := slices.DeleteFunc(slices.Clone(got), func(p permit) bool { return p.taker != i })
			checkWindows(t, mine, own)
			if len(mine) < len(got)/8 {
				t.Errorf("lane %d got %d of %d permits", i, len(mine), len(got))
			}
		}
	})
}

// takers take permits side by side, each as a process of its own, until they have enough.
func takers(t *testing.T, r *redis.Client, n, enough int, gates func(taker int) []throttle.Gate) []permit {
	t.Helper()
	var mu sync.Mutex
	var got []permit
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			limiter := throttle.NewLimiter(r, database.SinceBoot)
			for {
				asked := time.Now()
				p, err := limiter.Take(t.Context(), gates(i), 7)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for k := range p.N {
					got = append(got, permit{p.At(k), time.Since(asked), i})
				}
				done := len(got) >= enough
				mu.Unlock()
				if done {
					return
				}
				if p.N == 0 {
					time.Sleep(p.First - database.SinceBoot())
				}
			}
		})
	}
	all.Wait()
	slices.SortFunc(got, func(a, b permit) int { return cmp.Compare(a.at, b.at) })
	return got
}

// checkWindows holds the permits against the limit, in windows of every start.
// Each lies later than the script meant it by no more than its call took.
func checkWindows(t *testing.T, got []permit, limit throttle.Limit) {
	t.Helper()
	slack := slices.MaxFunc(got, func(a, b permit) int { return cmp.Compare(a.slack, b.slack) }).slack
	most := int(limit.PerSecond) + int(slack/limit.Interval())
	if slack > 0 {
		most++
	}
	for i, j := 0, 0; i < len(got); i++ {
		for ; j < len(got) && got[j].at-got[i].at < time.Second; j++ {
		}
		if j-i > most {
			t.Fatalf("%d permits in the second from permit %d on, want at most %d", j-i, i, most)
		}
	}
}

// checkUsed tells whether the takers were given what there was, but for the
// little that each step of them may lose.
func checkUsed(t *testing.T, got []permit, limit throttle.Limit) {
	t.Helper()
	took, least := got[len(got)-1].at-got[0].at, time.Duration(len(got)-1)*limit.Interval()
	t.Logf("%d permits in %v: %.1f%% of the limit", len(got), took, 100*float64(least)/float64(took))
	if took > least+least/5+time.Second/2 {
		t.Errorf("%d permits stretch over %v, want little more than %v: some were lost", len(got), took, least)
	}
}

func TestLimiter_GivesNothingForAHorizonAfterAFlush(t *testing.T) {
	eachRedis(t, func(t *testing.T, r *redis.Client) {
		limiter, limit := throttle.NewLimiter(r, database.SinceBoot), throttle.Limit{PerSecond: 1000}
		if _, err := limiter.Take(t.Context(), lane(limit), 10); err != nil {
			t.Fatal(err)
		}
		if err := r.FlushDB(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		flushed := database.SinceBoot()
		for range 5 {
			p, err := limiter.Take(t.Context(), lane(limit), 10)
			if err != nil {
				t.Fatal(err)
			}
			if p.N > 0 && p.First < flushed+throttle.Horizon {
				t.Fatalf("a permit for %v after the flush, want at least %v", p.First-flushed, throttle.Horizon)
			}
		}
	})
}

func TestLimiter_FailsWhenRedisIsGone(t *testing.T) {
	server := miniredis.RunT(t)
	r := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1})
	defer r.Close()
	server.Close()
	limiter := throttle.NewLimiter(r, database.SinceBoot)
	if p, err := limiter.Take(t.Context(), lane(throttle.Limit{PerMinute: 60}), 10); err == nil || p.N != 0 {
		t.Errorf("got %d permits and error %v, want none and one", p.N, err)
	}
	if p, err := limiter.Take(t.Context(), lane(throttle.Limit{PerHour: 60}), 10); err != nil || p.N != 10 {
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
	c := &clock{Limiter: throttle.NewLimiter(r, database.SinceBoot), t: t, server: server, now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	server.SetTime(c.now)
	return c
}

func (c *clock) pass(d time.Duration) {
	c.now = c.now.Add(d)
	c.server.SetTime(c.now)
	c.server.FastForward(d)
}

// take wants n permits and gets granted, the first in about after.
func (c *clock) take(limit throttle.Limit, n, granted int, after time.Duration) {
	c.t.Helper()
	before := database.SinceBoot()
	p, err := c.Take(c.t.Context(), lane(limit), n)
	if err != nil {
		c.t.Fatal(err)
	}
	if p.N != granted {
		c.t.Fatalf("%d permits, want %d", p.N, granted)
	}
	if p.First-before < after || p.First-database.SinceBoot() > after {
		c.t.Fatalf("the first permit is in %v to %v, want %v", p.First-database.SinceBoot(), p.First-before, after)
	}
	if p.N > 1 && p.At(1)-p.At(0) != limit.Interval() {
		c.t.Fatalf("%v apart, want %v", p.At(1)-p.At(0), limit.Interval())
	}
}

const ask = 1750 * time.Millisecond // a horizon, less what may be given ahead

func TestLimiter_GivesPermitsOnlyALittleAhead(t *testing.T) {
	c, limit := newClock(t), throttle.Limit{PerSecond: 20}
	c.take(limit, 10, 0, ask) // Redis knows nothing
	c.pass(ask)
	c.take(limit, 10, 6, 250*time.Millisecond)
	c.take(limit, 10, 0, 300*time.Millisecond)
	c.pass(300 * time.Millisecond)
	c.take(limit, 3, 3, 250*time.Millisecond)
	c.pass(10 * time.Second)
	c.take(limit, 10, 6, 0) // what passed unused is lost
}

func TestLimiter_GivesRarePermitsOneByOne(t *testing.T) {
	c, limit := newClock(t), throttle.Limit{PerMinute: 6}
	c.take(limit, 10, 0, ask)
	c.pass(2 * time.Second)
	c.take(limit, 10, 1, 0)
	c.take(limit, 10, 0, 9750*time.Millisecond)
	c.pass(10 * time.Second)
	c.take(limit, 10, 1, 0)
	c.pass(10 * time.Minute) // Redis has forgotten
	c.take(limit, 10, 0, ask)
}

func TestLimiter_FollowsALimitThatChanges(t *testing.T) {
	c := newClock(t)
	c.take(throttle.Limit{PerMinute: 1}, 1, 0, ask)
	c.pass(2 * time.Second)
	c.take(throttle.Limit{PerMinute: 1}, 1, 1, 0)
	c.pass(time.Second)
	c.take(throttle.Limit{PerSecond: 2}, 5, 1, 0) // counted from the last permit on
	c.pass(time.Second)
	c.take(throttle.Limit{PerMinute: 1}, 1, 0, 58750*time.Millisecond)
}

func TestLimiter_SurvivesAClockThatGoesBack(t *testing.T) {
	c, limit := newClock(t), throttle.Limit{PerSecond: 10}
	c.take(limit, 1, 0, ask)
	c.now = c.now.Add(-time.Hour)
	c.server.SetTime(c.now)
	c.take(limit, 1, 0, ask)
}

func TestLimiter_KeepsScopesApart(t *testing.T) {
	c := newClock(t)
	for range 2 {
		for _, scope := range []string{"lane:a", "lane:b", "all"} {
			p, err := c.Take(t.Context(), []throttle.Gate{{Scope: scope, Limit: throttle.Limit{PerSecond: 1}}}, 5)
			if err != nil {
				t.Fatal(err)
			}
			if first := !c.now.After(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)); (p.N == 0) != first {
				t.Errorf("%s: %d permits", scope, p.N)
			}
		}
		c.pass(throttle.Horizon)
	}
}

// lane is the one gate of a lane.
func lane(l throttle.Limit) []throttle.Gate {
	return []throttle.Gate{{Scope: "lane:a.example/other", Limit: l}}
}
