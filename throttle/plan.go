package throttle

import (
	"cmp"
	"math"
	"slices"
)

// Demand is mail that waits: of one campaign, in one lane.
type Demand struct {
	Campaign int64 // demands of one campaign share what it gets
	Priority int   // the higher goes first
	N        int64 // how many wait
	Gates    []int // those that it passes: indexes of the rooms given to [Plan]
}

// Plan is the pacing core: it says how many of each demand may go now. rooms
// are how many each gate still lets through ([Unlimited]: any number). Demands
// of a higher priority go first. Campaigns of one priority share each gate
// evenly: what one cannot use, because it has nothing left or is held by
// another gate, goes to the others. What cannot be divided goes out one by
// one, beginning with demand number turn (modulo their number), so that a
// caller who counts turn up lets nobody wait for ever.
//
// It knows no clock and no database: the scheduler, the forecast and the
// simulation call it with their own counts.
func Plan(rooms []int64, demands []Demand, turn int) []int64 {
	left := slices.Clone(rooms)
	granted := make([]int64, len(demands))
	order := make([]int, len(demands))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(demands[b].Priority, demands[a].Priority) })
	for len(order) > 0 {
		n := 1
		for n < len(order) && demands[order[n]].Priority == demands[order[0]].Priority {
			n++
		}
		fill(left, demands, order[:n], granted, turn)
		order = order[n:]
	}
	return granted
}

// fill shares the rooms among demands of one priority: the water of all rises
// evenly until a gate is full or a demand has all it wants, then that of the others.
func fill(left []int64, demands []Demand, members []int, granted []int64, turn int) {
	level := make([]float64, len(members)) // what each has got
	active := make([]bool, len(members))
	open := 0
	for k, i := range members {
		if active[k] = demands[i].N > 0 && roomFor(left, demands[i]) > 0; active[k] {
			open++
		}
	}
	space := make([]float64, len(left))
	for g, n := range left {
		space[g] = float64(n)
		if n == Unlimited {
			space[g] = math.Inf(1)
		}
	}
	weight, load := make([]float64, len(members)), make([]float64, len(left))
	for open > 0 {
		weigh(demands, members, active, weight, load)
		rise := math.Inf(1)
		for g, w := range load {
			if w > 0 {
				rise = min(rise, space[g]/w)
			}
		}
		for k, i := range members {
			if active[k] {
				rise = min(rise, (float64(demands[i].N)-level[k])/weight[k])
			}
		}
		for k, i := range members {
			if !active[k] {
				continue
			}
			level[k] += rise * weight[k]
			for _, g := range demands[i].Gates {
				space[g] -= rise * weight[k]
			}
		}
		for k, i := range members {
			if active[k] && (float64(demands[i].N)-level[k] < tiny || slices.ContainsFunc(demands[i].Gates, func(g int) bool { return space[g] < tiny })) {
				active[k] = false
				open--
			}
		}
	}
	for k, i := range members {
		grant(left, demands[i], &granted[i], int64(level[k]+tiny))
	}
	for given := true; given; { // what could not be divided
		given = false
		for k := range members {
			i := members[(k+turn%len(members)+len(members))%len(members)]
			if granted[i] < demands[i].N && float64(granted[i]) < ceiling(level, members, i) && roomFor(left, demands[i]) > 0 {
				grant(left, demands[i], &granted[i], 1)
				given = true
			}
		}
	}
}

// tiny is less than any mail.
const tiny = 1e-6

// ceiling is the share of demand i rounded up.
func ceiling(level []float64, members []int, i int) float64 {
	return math.Ceil(level[slices.Index(members, i)] - tiny)
}

// weigh lets each campaign count once, however many lanes it has open.
func weigh(demands []Demand, members []int, active []bool, weight, load []float64) {
	lanes := map[int64]int{}
	for k, i := range members {
		if active[k] {
			lanes[demands[i].Campaign]++
		}
	}
	clear(load)
	for k, i := range members {
		if active[k] {
			weight[k] = 1 / float64(lanes[demands[i].Campaign])
			for _, g := range demands[i].Gates {
				load[g] += weight[k]
			}
		}
	}
}

// roomFor is how many of a demand its gates let through.
func roomFor(left []int64, d Demand) int64 {
	room := int64(Unlimited)
	for _, g := range d.Gates {
		room = min(room, left[g])
	}
	return room
}

// grant gives n, and takes them from the gates.
func grant(left []int64, d Demand, granted *int64, n int64) {
	if n = min(n, d.N-*granted, roomFor(left, d)); n <= 0 {
		return
	}
	*granted += n
	for _, g := range d.Gates {
		if left[g] != Unlimited {
			left[g] -= n
		}
	}
}
