package worker

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"facteur/internal/database"
	"facteur/throttle"
)

// claims are what a commit may begin of caps that are counted in the
// database, and what it has begun. The caps are locked: two processes never
// share the last place.
type claims struct {
	gates map[string]int64 // scope with a limit an hour or a day → how many more
	days  map[claim]int64  // day of a warm-up → how many more
	rooms func(throttle.Passage) []throttle.Gate

	n    map[throttle.Begun]int64
	used map[claim]int64
	mail map[claim]int64 // letters among the used
}

// claim is a lane's day of warm-up; date 0: it does not warm up.
type claim struct{ lane, date int64 }

// capped is a mail that counts against caps: a delivery or a letter.
type capped interface {
	passage() throttle.Passage
	claim() claim
}

// claim locks the caps that the mails of a commit count against, in one order
// for all, and reads what they let through.
func (r *Recorder) claim(ctx context.Context, tx *database.Tx, letters, deliveries []*turn) (*claims, error) {
	limits := r.limits()
	c := &claims{
		gates: map[string]int64{}, days: map[claim]int64{}, rooms: limits.Gates,
		n: map[throttle.Begun]int64{}, used: map[claim]int64{}, mail: map[claim]int64{},
	}
	counted, seen := map[string]throttle.Gate{}, map[throttle.Lane]bool{}
	for _, turns := range [][]*turn{letters, deliveries} {
		for _, t := range turns {
			m := t.next.(capped)
			if p := m.passage(); !seen[p.Lane] || limits.Counted() {
				seen[p.Lane] = true
				for _, g := range limits.Gates(p) {
					if g.Counted() {
						counted[g.Scope] = g
					}
				}
			}
			if k := m.claim(); k.date != 0 {
				c.days[k] = 0
			}
		}
	}
	if len(counted) > 0 {
		var err error
		if c.gates, err = r.pace.Rooms(ctx, tx, counted); err != nil {
			return nil, err
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(c.days), byLane) {
		room, err := r.pace.Claim(ctx, tx, k.lane, k.date)
		if err != nil {
			return nil, err
		}
		c.days[k] = room
	}
	return c, nil
}

func byLane(a, b claim) int { return cmp.Or(cmp.Compare(a.lane, b.lane), cmp.Compare(a.date, b.date)) }

// pass takes a place in every cap of the mail that a turn would begin, or in none.
func (c *claims) pass(t *turn, m capped) bool {
	k := m.claim()
	if k.date != 0 && c.days[k] == 0 {
		t.why.scope = k.scope()
		return false
	}
	var gates []throttle.Gate
	if len(c.gates) > 0 {
		gates = c.rooms(m.passage())
	}
	for _, g := range gates {
		if room, ok := c.gates[g.Scope]; ok && room == 0 {
			t.why.scope = g.Scope
			return false
		}
	}
	for _, g := range gates {
		if _, ok := c.gates[g.Scope]; ok {
			c.gates[g.Scope]--
		}
	}
	if k.date != 0 {
		c.days[k]--
	}
	return true
}

// begun counts a mail that has begun.
func (c *claims) begun(m capped) {
	p, k := m.passage(), m.claim()
	c.n[throttle.Begun{Lane: k.lane, CampaignID: p.CampaignID, RelayID: p.RelayID}]++
	if k.date != 0 {
		c.used[k]++
		if p.CampaignID == 0 {
			c.mail[k]++
		}
	}
}

// count writes what has begun.
func (c *claims) count(ctx context.Context, tx *database.Tx, pace *throttle.Store) error {
	if len(c.n) == 0 {
		return nil
	}
	for _, k := range slices.SortedFunc(maps.Keys(c.used), byLane) {
		if err := pace.Use(ctx, tx, k.lane, k.date, c.used[k], c.mail[k]); err != nil {
			return err
		}
	}
	return pace.CountBegins(ctx, tx, c.n)
}
