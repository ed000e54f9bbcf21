package throttle_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/throttle"

	"github.com/redis/go-redis/v9"
)

func connections(n int64) []throttle.Gate {
	return []throttle.Gate{{Scope: "lane:a.example/other", Limit: throttle.Limit{Connections: n}}}
}

// holder is the leases of one process, kept alive until the test ends.
func holder(t *testing.T, r *redis.Client, name string) *throttle.Leases {
	t.Helper()
	l := throttle.NewLeases(r, name, database.SinceBoot)
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { l.Run(ctx) })
	t.Cleanup(func() { cancel(); done.Wait() })
	return l
}

func TestLeases_HoldOverAllProcesses(t *testing.T) {
	eachRedis(t, func(t *testing.T, r *redis.Client) {
		const limit = 5
		var open, most, used atomic.Int64
		var all sync.WaitGroup
		shares := make([]atomic.Int64, 3)
		for i := range shares {
			l := holder(t, r, fmt.Sprint("process ", i))
			for range 8 {
				all.Go(func() {
					for used.Load() < 300 {
						release, err := l.Acquire(t.Context(), connections(limit))
						if errors.Is(err, throttle.ErrFull) {
							continue
						}
						if err != nil {
							t.Error(err)
							return
						}
						n := open.Add(1)
						for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
						}
						used.Add(1)
						shares[i].Add(1)
						time.Sleep(5 * time.Millisecond) // a dialogue
						open.Add(-1)
						release()
					}
				})
			}
		}
		all.Wait()
		if most.Load() > limit {
			t.Errorf("%d at once, want at most %d", most.Load(), limit)
		}
		for i := range shares {
			t.Logf("process %d: %d of %d", i, shares[i].Load(), used.Load())
		}
	})
}

func TestLeases_AfterAFlushNobodyGetsMoreUntilAllHaveSpoken(t *testing.T) {
	eachRedis(t, func(t *testing.T, r *redis.Client) {
		a, b := holder(t, r, "a"), holder(t, r, "b")
		var release func()
		for err := throttle.ErrFull; err != nil; { // an empty Redis grants nothing at first
			release, err = a.Acquire(t.Context(), connections(1))
			if err != nil && !errors.Is(err, throttle.ErrFull) {
				t.Fatal(err)
			}
		}
		if err := r.FlushDB(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := b.Acquire(t.Context(), connections(1)); !errors.Is(err, throttle.ErrFull) {
				t.Fatalf("the place of a is given to b: %v", err)
			}
		}
		release()
		for err := throttle.ErrFull; err != nil; {
			release, err = b.Acquire(t.Context(), connections(1))
			if err != nil && !errors.Is(err, throttle.ErrFull) {
				t.Fatal(err)
			}
		}
		release()
	})
}

func TestLeases_FailWhenRedisIsGone(t *testing.T) {
	r := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	defer r.Close()
	if _, err := throttle.NewLeases(r, "a", database.SinceBoot).Acquire(t.Context(), connections(1)); err == nil {
		t.Error("a place without Redis")
	}
	if release, err := throttle.NewLeases(r, "a", database.SinceBoot).Acquire(t.Context(), connections(0)); err != nil || release != nil {
		t.Errorf("without a limit: %v", err)
	}
}
