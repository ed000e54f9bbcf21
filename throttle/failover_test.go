package throttle_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/internal/services"
	"facteur/throttle"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// pair is a primary and a replica that may have missed the last writes.
type pair struct {
	*testing.T
	first, second *services.Redis
	one, two      *redis.Client
}

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{T: t}
	start := func() (*services.Redis, *redis.Client) {
		s, err := services.StartRedis(t.Context(), services.RedisOptions{Dir: t.TempDir()})
		if errors.Is(err, services.ErrMissing) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Stop() })
		o, err := redis.ParseURL(s.URL())
		if err != nil {
			t.Fatal(err)
		}
		c := redis.NewClient(o)
		t.Cleanup(func() { _ = c.Close() })
		return s, c
	}
	p.first, p.one = start()
	p.second, p.two = start()
	return p
}

// follow lets the second copy the first, until it has all of it.
func (p *pair) follow() {
	p.Helper()
	host, port, err := net.SplitHostPort(p.one.Options().Addr)
	if err != nil {
		p.Fatal(err)
	}
	if err := p.two.ReplicaOf(p.Context(), host, port).Err(); err != nil {
		p.Fatal(err)
	}
	if err := p.one.Set(p.Context(), "mark", "here", 0).Err(); err != nil {
		p.Fatal(err)
	}
	for range 400 {
		if v, err := p.two.Get(p.Context(), "mark").Result(); err == nil && v == "here" {
			return
		}
		time.Sleep(25 * time.Millisecond) // Redis tells nobody when a replica has caught up
	}
	p.Fatal("the replica never caught up")
}

// part makes the second a primary of its own, with what it has by now.
func (p *pair) part() {
	p.Helper()
	if err := p.two.ReplicaOf(p.Context(), "NO", "ONE").Err(); err != nil {
		p.Fatal(err)
	}
}

func TestLimiter_GivesNothingForAHorizonAfterAFailover(t *testing.T) {
	p, limit := newPair(t), throttle.Limit{PerSecond: 100}
	before := throttle.NewLimiter(p.one, database.SinceBoot)
	first := until(t, before, limit)
	p.follow()
	p.part()
	// The first hands out more, of which the second learns nothing before it takes over.
	last := until(t, before, limit)
	if last.First <= first.First {
		t.Fatal("the permits do not go forward")
	}
	took := database.SinceBoot()
	after := throttle.NewLimiter(p.two, database.SinceBoot)
	for range 3 { // a process that knows nothing of what others were given
		got, err := after.Take(t.Context(), lane(limit), 10)
		if err != nil {
			t.Fatal(err)
		}
		if got.N > 0 && got.First < took+throttle.Horizon {
			t.Fatalf("%d permits for %v after the failover, want none within %v", got.N, got.First-took, throttle.Horizon)
		}
	}
	if got := until(t, after, limit); got.First < took+throttle.Horizon {
		t.Fatalf("a permit for %v after the failover", got.First-took)
	}
}

// until asks until there are permits.
func until(t *testing.T, l *throttle.Limiter, limit throttle.Limit) throttle.Permits {
	t.Helper()
	for range 100 {
		got, err := l.Take(t.Context(), lane(limit), 10)
		if err != nil {
			t.Fatal(err)
		}
		if got.N > 0 {
			return got
		}
		time.Sleep(max(0, got.First-database.SinceBoot()))
	}
	t.Fatal("no permits")
	return throttle.Permits{}
}

// A place that was given a moment before the failover is not given again.
func TestLeases_GiveNothingNewForAHorizonAfterAFailover(t *testing.T) {
	p := newPair(t)
	p.follow() // the hash is made on the first, by one who then leaves
	enter := func(l *throttle.Leases) (func(), error) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		for {
			release, err := l.Acquire(ctx, connections(1))
			if !errors.Is(err, throttle.ErrFull) {
				return release, err
			}
		}
	}
	holds := throttle.NewLeases(p.one, "holds", database.SinceBoot)
	other := throttle.NewLeases(p.one, "other", database.SinceBoot)
	release, err := enter(other)
	if err != nil {
		t.Fatal(err)
	}
	release()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); other.Run(ctx) }()
	p.follow()
	p.part() // the second has the hash, with nobody in it or one who is leaving
	if _, err := enter(holds); err != nil {
		t.Fatal(err)
	}
	cancel()
	<-done
	took := database.SinceBoot()
	again := throttle.NewLeases(p.two, "other", database.SinceBoot)
	if _, err := again.Acquire(t.Context(), connections(1)); err == nil && database.SinceBoot()-took < throttle.Horizon {
		t.Fatalf("the place was given again %v after the failover", database.SinceBoot()-took)
	}
}

// What Redis told of itself within a script is what it tells outside.
func TestLimiter_KnowsRedisByItsRunID(t *testing.T) {
	p := newPair(t)
	until(t, throttle.NewLimiter(p.one, database.SinceBoot), throttle.Limit{PerSecond: 100})
	kept, err := p.one.Get(t.Context(), "facteur:{limit}server").Result()
	if err != nil {
		t.Fatal(err)
	}
	info, err := p.one.Info(t.Context(), "server").Result()
	if id, _, _ := strings.Cut(kept, " "); err != nil || !strings.Contains(info, fmt.Sprintf("run_id:%s\r", id)) {
		t.Errorf("%q is not the run id of %s, %v", id, info, err)
	}
}

// The machine sleeps between the permit and its use, while Go's monotonic
// clock stands still: others were given that time's permits.
func TestPermits_AreVoidAfterTheMachineHasSlept(t *testing.T) {
	even := time.Hour
	server := miniredis.RunT(t)
	r := redis.NewClient(&redis.Options{Addr: server.Addr()})
	t.Cleanup(func() { _ = r.Close() })
	limiter := throttle.NewLimiter(r, func() time.Duration { return even })
	got, err := limiter.Take(t.Context(), lane(throttle.Limit{PerSecond: 20}), 1)
	for now := time.Now(); err == nil && got.N == 0; {
		now = now.Add(throttle.Horizon)
		server.SetTime(now)
		got, err = limiter.Take(t.Context(), lane(throttle.Limit{PerSecond: 20}), 1)
	}
	if err != nil || got.Void(0, 1, even) {
		t.Fatalf("void at once, %v", err)
	}
	even += time.Minute
	if !got.Void(0, 1, even) {
		t.Fatal("good after a minute's sleep")
	}
}
