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
	gates map[string]throttle.Places // scope with a limit an hour or a day → how many more
	days  map[claim]throttle.Quota   // day of a warm-up → what of it is taken
	terms *terms

	n    map[throttle.Begun]int64
	used map[claim]throttle.Quota // day of a warm-up → what has begun
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
func (r *Recorder) claim(ctx context.Context, tx *database.Tx, letters, deliveries []*turn, t *terms) (c *claims, err error) {
	limits := t.limits
	c = &claims{
		gates: map[string]throttle.Places{}, days: map[claim]throttle.Quota{}, terms: t,
		n: map[throttle.Begun]int64{}, used: map[claim]throttle.Quota{},
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
				c.days[k] = throttle.Quota{}
			} else if _, err := r.warm(ctx, tx, c.terms, m.passage().Lane.Domain); err != nil {
				return nil, err
			}
		}
	}
	if len(counted) > 0 {
		if c.gates, err = r.pace.Rooms(ctx, tx, counted); err != nil {
			return nil, err
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(c.days), byLane) {
		quota, err := r.pace.Claim(ctx, tx, k.lane, k.date)
		if err != nil {
			return nil, err
		}
		c.days[k] = quota
	}
	return c, nil
}

func byLane(a, b claim) int { return cmp.Or(cmp.Compare(a.lane, b.lane), cmp.Compare(a.date, b.date)) }

// pass takes a place in every cap of the mail that a turn would begin, or in none.
func (c *claims) pass(t *turn, m capped) bool {
	k, p := m.claim(), m.passage()
	invitation := p.CampaignID == throttle.Invitations
	day, capped := c.days[k]
	switch {
	case capped && day.Room() == 0, k.date == 0 && c.terms.warms[p.Lane.Domain]:
		t.why.scope = k.scope()
		return false
	case capped && invitation && day.ForInvitations() == 0:
		t.why.scope = shareOf(k.scope())
		return false
	}
	var gates []throttle.Gate
	if len(c.gates) > 0 {
		gates = c.terms.limits.Gates(p)
	}
	for _, g := range gates {
		room, ok := c.gates[g.Scope]
		switch {
		case ok && room.All == 0:
			t.why.scope = g.Scope
			return false
		case ok && invitation && room.Invitations == 0:
			t.why.scope = shareOf(g.Scope)
			return false
		}
	}
	for _, g := range gates {
		if room, ok := c.gates[g.Scope]; ok {
			if room.All--; invitation {
				room.Invitations--
			}
			c.gates[g.Scope] = room
		}
	}
	if capped {
		c.days[k] = taken(day, p)
	}
	return true
}

// shareOf names the invitations' share of a scope.
func shareOf(scope string) string { return "invitations of " + scope }

// taken is a quota after one more mail.
func taken(q throttle.Quota, p throttle.Passage) throttle.Quota {
	q.Used++
	switch p.CampaignID {
	case 0:
		q.Letters++
	case throttle.Invitations:
		q.Invitations++
	}
	return q
}

// begun counts a mail that has begun.
func (c *claims) begun(m capped) {
	p, k := m.passage(), m.claim()
	c.n[throttle.Begun{Lane: k.lane, CampaignID: p.CampaignID, RelayID: p.RelayID}]++
	if k.date != 0 {
		c.used[k] = taken(c.used[k], p)
	}
}

// count writes what has begun.
func (c *claims) count(ctx context.Context, tx *database.Tx, pace *throttle.Store) error {
	if len(c.n) == 0 {
		return nil
	}
	for _, k := range slices.SortedFunc(maps.Keys(c.used), byLane) {
		q := c.used[k]
		if err := pace.Use(ctx, tx, k.lane, k.date, q.Used, q.Letters, q.Invitations); err != nil {
			return err
		}
	}
	return pace.CountBegins(ctx, tx, c.n)
}
