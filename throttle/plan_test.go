package throttle_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"facteur/throttle"
)

const free = throttle.Unlimited

func TestPlan_SharesEvenly(t *testing.T) {
	for name, c := range map[string]struct {
		rooms   []int64
		demands []throttle.Demand
		want    []int64
	}{
		"nothing waits":                   {[]int64{10}, []throttle.Demand{{1, 0, 0, []int{0}}}, []int64{0}},
		"no gate":                         {nil, []throttle.Demand{{1, 0, 7, nil}}, []int64{7}},
		"the tightest gate wins":          {[]int64{10, 4}, []throttle.Demand{{1, 0, 7, []int{0, 1}}}, []int64{4}},
		"two campaigns share":             {[]int64{10}, []throttle.Demand{{1, 0, 100, []int{0}}, {2, 0, 100, []int{0}}}, []int64{5, 5}},
		"what one cannot use":             {[]int64{10}, []throttle.Demand{{1, 0, 2, []int{0}}, {2, 0, 100, []int{0}}}, []int64{2, 8}},
		"many lanes are one campaign":     {[]int64{12}, []throttle.Demand{{1, 0, 100, []int{0}}, {1, 0, 100, []int{0}}, {2, 0, 100, []int{0}}}, []int64{3, 3, 6}},
		"a slow lane holds up nobody":     {[]int64{100, 1, free}, []throttle.Demand{{1, 0, 100, []int{0, 1}}, {1, 0, 500, []int{0, 2}}}, []int64{1, 99}},
		"high priority goes first":        {[]int64{10}, []throttle.Demand{{1, 0, 100, []int{0}}, {2, 1, 7, []int{0}}}, []int64{3, 7}},
		"the indivisible by turns":        {[]int64{1}, []throttle.Demand{{1, 0, 9, []int{0}}, {2, 0, 9, []int{0}}}, []int64{0, 1}},
		"a full gate":                     {[]int64{0}, []throttle.Demand{{1, 0, 9, []int{0}}}, []int64{0}},
		"everything is free":              {[]int64{free}, []throttle.Demand{{1, 0, 9, []int{0}}, {2, 0, 1_000_000, []int{0}}}, []int64{9, 1_000_000}},
		"two gates, three campaigns":      {[]int64{9, 2}, []throttle.Demand{{1, 0, 99, []int{0, 1}}, {2, 0, 99, []int{0}}, {3, 0, 99, []int{0}}}, []int64{2, 4, 3}},
		"low priority takes what is left": {[]int64{10, 3}, []throttle.Demand{{1, 1, 99, []int{0, 1}}, {2, -1, 99, []int{0}}}, []int64{3, 7}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := throttle.Plan(c.rooms, c.demands, 1); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// No gate is ever overrun, and nobody waits beside an open one.
func TestPlan_FillsAndNeverOverruns(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		rooms := make([]int64, 1+r.IntN(6))
		for g := range rooms {
			rooms[g] = []int64{0, 1, r.Int64N(50), r.Int64N(100_000), free}[r.IntN(5)]
		}
		demands := make([]throttle.Demand, 1+r.IntN(12))
		for i := range demands {
			d := throttle.Demand{Campaign: r.Int64N(4), Priority: r.IntN(3) - 1, N: r.Int64N(1000)}
			for g := range rooms {
				if r.IntN(2) == 0 {
					d.Gates = append(d.Gates, g)
				}
			}
			demands[i] = d
		}
		got := throttle.Plan(rooms, demands, int(seed))
		left := slices.Clone(rooms)
		for i, d := range demands {
			if got[i] < 0 || got[i] > d.N {
				t.Fatalf("seed %d: demand %d got %d of %d", seed, i, got[i], d.N)
			}
			for _, g := range d.Gates {
				if left[g] != free {
					left[g] -= got[i]
				}
			}
		}
		for g, n := range left {
			if n < 0 {
				t.Fatalf("seed %d: gate %d with room %d is overrun by %d", seed, g, rooms[g], -n)
			}
		}
		for i, d := range demands {
			if got[i] < d.N && !slices.ContainsFunc(d.Gates, func(g int) bool { return left[g] <= 1 }) {
				t.Fatalf("seed %d: demand %d waits beside open gates: got %d of %d, left %v", seed, i, got[i], d.N, left)
			}
		}
	}
}
