package campaign

import (
	"context"
	"errors"
	"time"

	"facteur/internal/database"
	"facteur/sending"
	"facteur/throttle"
)

// live is what is released and not finished, by campaign, lane and day of a
// warm-up's cap.
type live struct {
	CampaignID int64 `db:"campaign_id"`
	Lane       int64 `db:"lane"`
	Date       int64 `db:"date"`
	N          int64 `db:"n"`
	Fresh      int64 `db:"fresh"` // of them, released lately
}

// stale is after how long a paced batch, which is half a second's work, no
// longer counts as ahead of the workers: who has it is held up.
const stale = 5 * time.Second

// survey is what a tick's release goes by: where rows wait, and the rooms of
// all gates that they pass.
type survey struct {
	lives  []live
	limits throttle.Limits
	brakes throttle.Brakes
	slowed map[int64]throttle.Slowdown
	usage  throttle.Usage // only when a limit counts hours or days
	days   map[int64]throttle.WarmupDay
	relays map[int64]int64
	lanes  map[int64]throttle.Lane

	released map[string]time.Time // when a scope whose permits are rare let the last through
	now      time.Time

	laneAhead int64 // of one unpaced lane
	places    []place
	rooms     []int64
	gates     map[string]int // scope to its place in rooms
	demands   []throttle.Demand
}

// place is one campaign's rows in one lane.
type place struct {
	campaign int64
	lane     int64
	size     int64 // of a batch
	sample   bool  // only those of the campaign's canary
	learned  bool  // providers were learned since it was launched
	day      throttle.WarmupDay
	rare     []string // the scopes on its way that let one through at a time
}

// survey reads what is live first: a message that begins meanwhile is then
// counted twice, and never not at all.
func (s *Scheduler) survey(ctx context.Context, campaigns []Campaign) (*survey, error) {
	v := &survey{gates: map[string]int{}, relays: map[int64]int64{}, lanes: map[int64]throttle.Lane{}, released: s.released, now: s.store.db.Now()}
	now := v.now.UnixMilli()
	err := s.store.db.Select(ctx, &v.lives, `SELECT campaign_id, lane, date, SUM(size) AS n, SUM(CASE WHEN released_at > ? THEN size ELSE 0 END) AS fresh FROM batches GROUP BY campaign_id, lane, date`,
		now-stale.Milliseconds())
	if err != nil {
		return nil, err
	}
	if v.limits, err = s.store.pace.Limits(ctx); err != nil {
		return nil, err
	}
	if v.brakes, err = s.store.pace.Brakes(ctx); err != nil {
		return nil, err
	}
	if v.slowed, err = s.store.pace.Slowdowns(ctx); err != nil {
		return nil, err
	}
	if v.limits.Counted() {
		if v.usage, err = s.store.pace.Usage(ctx); err != nil {
			return nil, err
		}
	}
	for _, l := range v.lives {
		if err := s.trouble(ctx, l.CampaignID, v.know(ctx, s.store.pace, l.Lane)); err != nil {
			return nil, err
		}
	}
	if v.days, err = s.store.pace.Todays(ctx, now); err != nil {
		return nil, err
	}
	var ready []readiness
	lanes := map[int64]bool{}
	for _, c := range campaigns {
		r, err := s.readiness(ctx, c)
		if err != nil {
			if err := s.trouble(ctx, c.ID, err); err != nil {
				return nil, err
			}
			continue
		}
		if len(r.waiting) > 0 {
			ready = append(ready, r)
		}
		if len(r.sender.RelayIDs) == 1 {
			v.relays[c.ID] = r.sender.RelayIDs[0]
		}
		for _, lane := range r.waiting {
			lanes[lane] = true
		}
	}
	v.laneAhead = max(shareSize, aheadTotal/int64(max(1, len(lanes))))
	v.gate(max(aheadTotal, shareSize*int64(len(lanes))) - v.live(func(live) bool { return true }))
	for _, r := range ready {
		if err := s.trouble(ctx, r.campaign.ID, s.look(ctx, v, r, len(campaigns))); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// know remembers a lane's names.
func (v *survey) know(ctx context.Context, pace *throttle.Store, id int64) error {
	if _, ok := v.lanes[id]; ok {
		return nil
	}
	l, err := pace.Lane(ctx, id)
	v.lanes[id] = l
	return err
}

// readiness is what a campaign could send now.
type readiness struct {
	campaign Campaign
	sender   sending.Sender
	sample   bool            // of its canary, and nobody else
	learned  bool            // providers were learned since it was launched
	relays   []sending.Relay // those that take mail
	waiting  []int64         // the lanes with rows
}

func (s *Scheduler) readiness(ctx context.Context, c Campaign) (r readiness, err error) {
	phase := canaryPhase(c)
	if phase == holdAll {
		return r, nil
	}
	r.sample = phase == sampleOnly
	version, err := s.store.Version(ctx, c.ID, c.Version)
	if err != nil {
		return r, err
	}
	r.campaign, r.sender = c, version.Sender
	if r.relays, err = s.usable(ctx, r.sender.RelayIDs); err != nil || len(r.relays) == 0 {
		return r, err
	}
	if r.learned, err = s.store.pace.LearnedSince(ctx, c.LaunchedAt); err != nil {
		return r, err
	}
	r.waiting, err = s.lanesOf(ctx, c)
	return r, err
}

// look adds the lanes in which a campaign's rows wait.
func (s *Scheduler) look(ctx context.Context, v *survey, r readiness, campaigns int) error {
	c := r.campaign
	domain, err := s.store.senders.DomainByName(ctx, r.sender.Domain)
	if err != nil {
		return err
	}
	ramp, err := RampOf(domain)
	if err != nil {
		return err
	}
	size, probing := int64(batchSize), !anyHealthy(r.relays)
	if len(r.relays) > 1 {
		size = shareSize
	}
	mine := v.live(func(l live) bool { return l.CampaignID == c.ID })
	share := int64(aheadTotal)/int64(campaigns) - mine
	if probing {
		size, share = probeSize, probeSize-mine
	}
	ahead := v.gate(share)
	for _, lane := range r.waiting {
		if err := v.know(ctx, s.store.pace, lane); err != nil {
			return err
		}
		slower, suspended, _ := v.slowed[lane].At(s.store.db.Now())
		if v.brakes.Held(v.lanes[lane]) != "" || !suspended.IsZero() {
			continue
		}
		tenth, own := v.brakes.Slow(c.ID, v.lanes[lane])
		p := place{campaign: c.ID, lane: lane, size: size, sample: r.sample, learned: r.learned}
		d := throttle.Demand{Campaign: c.ID, Priority: c.Priority, N: aheadTotal, Gates: []int{0, ahead}}
		slowest := time.Duration(0)
		for _, g := range v.limits.Gates(throttle.Passage{Lane: v.lanes[lane], CampaignID: c.ID, RelayID: v.relays[c.ID], Slow: slower, Tenth: tenth, OwnTenth: own}) {
			d.Gates = append(d.Gates, v.limited(g))
			if slowest = max(slowest, g.Interval()); g.Interval() > throttle.Horizon {
				p.rare = append(p.rare, g.Scope)
			}
		}
		if slowest > 0 {
			p.size = min(p.size, paced(slowest))
		} else {
			d.Gates = append(d.Gates, v.ahead(lane))
		}
		if !ramp.None() {
			if p.day, err = s.today(ctx, lane, domain.Name, v.days); err != nil {
				return err
			}
			reserved := v.live(func(l live) bool { return l.Lane == lane && l.Date == p.day.Date })
			d.Gates = append(d.Gates, v.once("warm-up "+v.lanes[lane].Scope(), p.day.Quota(reserved).Left()))
		}
		v.places, v.demands = append(v.places, p), append(v.demands, d)
	}
	return nil
}

// ahead is how much of an unpaced lane may be ahead of the workers: its share,
// so that a slow one leaves the others theirs. It is refilled by halves, or
// batches would become ever smaller.
func (v *survey) ahead(lane int64) int {
	room := v.laneAhead - v.live(func(l live) bool { return l.Lane == lane })
	if room < v.laneAhead/2 {
		room = 0
	}
	return v.once("ahead "+v.lanes[lane].Scope(), room)
}

// RampOf is how a sending domain warms up.
func RampOf(d sending.Domain) (throttle.Ramp, error) {
	switch d.Warmup {
	case sending.NoWarmup:
		return throttle.Ramp{}, nil
	case sending.OwnWarmup:
		steps, err := d.Steps()
		return throttle.Ramp{Steps: steps}, err
	}
	return throttle.Conservative(), nil
}

// today is the lane's open day, opened if this is its first mail of the day.
// The ramp is read anew: it may have been changed this moment.
func (s *Scheduler) today(ctx context.Context, lane int64, domain string, days map[int64]throttle.WarmupDay) (throttle.WarmupDay, error) {
	if d, ok := days[lane]; ok && s.opened[lane] == d.Date {
		return d, nil
	}
	known, err := s.store.senders.DomainByName(ctx, domain)
	if err != nil {
		return throttle.WarmupDay{}, err
	}
	ramp, err := RampOf(known)
	if err != nil {
		return throttle.WarmupDay{}, err
	}
	d, err := s.store.pace.Day(ctx, lane, ramp, known.Zone())
	if err != nil || d.Used >= d.Cap {
		return d, err // nothing is left that it would be opened for
	}
	err = s.write(ctx, func(tx *database.Tx) (err error) {
		now, err := s.store.senders.HoldDomain(ctx, tx, domain)
		if err != nil {
			return err
		}
		ramp, err := RampOf(now)
		if err != nil || ramp.None() {
			return err // the next round goes without
		}
		d, err = s.store.pace.OpenDay(ctx, tx, lane, ramp, now.Zone())
		return err
	})
	if err == nil && d.Date != 0 {
		s.opened[lane] = d.Date
		s.log.Info("a day of warm-up", "lane", lane, "date", throttle.DayTime(d.Date).Format(time.DateOnly), "step", d.Number+1, "cap", d.Cap, "why", d.Reason)
		days[lane] = d
	}
	return d, err
}

// paced is how many messages are about half a second's work.
func paced(every time.Duration) int64 { return max(1, int64(throttle.Horizon/4/every)) }

// live sums up what is released, of those that the test lets pass.
func (v *survey) live(in func(live) bool) (n int64) {
	for _, l := range v.lives {
		if in(l) {
			n += l.N
		}
	}
	return n
}

// gate adds a gate of its own.
func (v *survey) gate(room int64) int {
	v.rooms = append(v.rooms, max(0, room))
	return len(v.rooms) - 1
}

// once adds a gate that several demands may pass.
func (v *survey) once(name string, room int64) int {
	if i, ok := v.gates[name]; ok {
		return i
	}
	v.gates[name] = v.gate(room)
	return v.gates[name]
}

// limited is the gate of a limited scope: what is left of its hours and days,
// and of what may be ahead of the workers where it is paced.
func (v *survey) limited(g throttle.Gate) int {
	if i, ok := v.gates[g.Scope]; ok {
		return i
	}
	room := int64(throttle.Unlimited)
	var live, fresh int64
	for _, l := range v.lives {
		if g.Of(v.lanes[l.Lane], l.CampaignID, v.relays[l.CampaignID]) {
			live += l.N
			fresh += l.Fresh
		}
	}
	switch every := g.Interval(); {
	case every > throttle.Horizon:
		// One at a time, when its permit is near: more would only go to a worker and back.
		if room = 1; v.now.Sub(v.released[g.Scope]).Abs() < every-throttle.Horizon {
			room = 0
		}
	case every > 0:
		room = aheadPaced*paced(every) - fresh
	}
	if g.Counted() {
		room = min(room, v.usage.Through(g).Room(g.Limit, live))
	}
	return v.once(g.Scope, room)
}

// work shares the rooms among the campaigns.
func (v *survey) work(turn int) []laneWork {
	var work []laneWork
	for i, n := range throttle.Plan(v.rooms, v.demands, turn) {
		if n > 0 {
			work = append(work, laneWork{v.places[i], n})
		}
	}
	return work
}

// lanesOf lists the campaign's lanes in which rows wait for a batch.
func (s *Scheduler) lanesOf(ctx context.Context, c Campaign) ([]int64, error) {
	var lanes []int64
	err := s.store.db.Select(ctx, &lanes, `SELECT l.lane FROM campaign_lanes l WHERE l.campaign_id = ?
		AND EXISTS (SELECT 1 FROM deliveries d WHERE d.campaign_id = l.campaign_id AND d.lane = l.lane AND d.wait = 1) ORDER BY l.lane`, c.ID)
	return lanes, err
}

// usable are the relays that take mail now.
func (s *Scheduler) usable(ctx context.Context, ids []int64) (usable []sending.Relay, err error) {
	now := s.store.db.Now().UnixMilli()
	for _, id := range ids {
		r, err := s.store.senders.Relay(ctx, id)
		if err != nil && !errors.Is(err, database.ErrNotFound) {
			return nil, err
		}
		if err == nil && r.Usable(now) {
			usable = append(usable, r)
		}
	}
	return usable, nil
}

// anyHealthy tells whether one of the relays is more than just coming back.
func anyHealthy(relays []sending.Relay) bool {
	for _, r := range relays {
		if r.State == sending.Healthy {
			return true
		}
	}
	return false
}

// Reservation is what live batches have reserved of a lane's day.
type Reservation struct{ Lane, Date int64 }

// Reserved sums up what is released to the workers and not finished.
func (s *Store) Reserved(ctx context.Context) (map[Reservation]int64, error) {
	var rows []live
	err := s.q.Select(ctx, &rows, `SELECT 0 AS campaign_id, lane, date, SUM(size) AS n, 0 AS fresh FROM batches WHERE date > 0 GROUP BY lane, date`)
	sums := make(map[Reservation]int64, len(rows))
	for _, r := range rows {
		sums[Reservation{r.Lane, r.Date}] = r.N
	}
	return sums, err
}
