package campaign

import (
	"sync"
	"time"
)

// rule is a [Calendar] as it is asked for each person: minutes of a day, -1 for
// none, and a bit for each [time.Weekday].
type rule struct {
	from, to int // no mail from then, and until then
	at       int // nor on any day before then
	days     uint8
}

// quiet tells whether no mail may go at a minute of the day.
func (r rule) quiet(at int) bool {
	switch {
	case r.from < 0 || r.to < 0:
		return false
	case r.from < r.to:
		return r.from <= at && at < r.to
	}
	return at >= r.from || at < r.to
}

// allows tells whether somebody may be mailed at a moment of their own time.
// What was spread over days, or had to wait for any other reason, goes at the
// local time again and not at the midnight before.
func (r rule) allows(t time.Time) bool {
	minute := t.Hour()*60 + t.Minute()
	return r.days>>t.Weekday()&1 == 1 && minute >= r.at && !r.quiet(minute)
}

// mostSteps of a search: four in a day, of fifteen days at most: a minute that
// is left on one day of the week may be one that a clock is put forward over.
const mostSteps = 100

// next is the first moment, at now or later, that is allowed to somebody in a
// zone, and not before the first such local time after the start.
func (r rule) next(now, start time.Time, zone *time.Location) time.Time {
	t := now.In(zone)
	if r.at >= 0 {
		if first := r.first(start.In(zone)); first.After(t) {
			t = first
		}
	}
	for range mostSteps {
		if r.allows(t) {
			return t
		}
		t = r.later(t)
	}
	return t
}

// later is the next moment at which the answer may be another.
func (r rule) later(t time.Time) time.Time {
	wait := untilClock(t, 0)
	for _, minute := range []int{r.from, r.to, r.at} {
		if minute >= 0 {
			wait = min(wait, untilClock(t, minute))
		}
	}
	next := t.Add(wait)
	if _, end := t.ZoneBounds(); !end.IsZero() && end.Before(next) {
		return end // clocks are put forward or back
	}
	return next
}

// first is the first moment, at start or later, at which the clock reaches the
// local time. Where it is put forward beyond it, that is the moment.
func (r rule) first(start time.Time) time.Time {
	for t := start; ; {
		if untilClock(t, r.at) == 24*time.Hour {
			return t
		}
		next := t.Add(untilClock(t, r.at))
		_, end := t.ZoneBounds()
		if end.IsZero() || next.Before(end) {
			return next
		}
		_, before := t.Zone()
		_, after := end.Zone()
		if forward := time.Duration(after-before) * time.Second; !next.Add(-forward).After(end) {
			return end
		}
		t = end
	}
}

// untilClock is the time until the clock shows a minute of the day, if nobody
// puts it forward or back: more than none, and up to 24 hours.
func untilClock(t time.Time, minute int) time.Duration {
	shows := time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second + time.Duration(t.Nanosecond())
	wait := time.Duration(minute)*time.Minute - shows
	if wait <= 0 {
		wait += 24 * time.Hour
	}
	return wait
}

// zones remembers time zones by name, which are slow to read.
type zones struct {
	mu     sync.Mutex
	byName map[string]*time.Location
}

// mostZones bounds what is remembered: there are about 600 names.
const mostZones = 1000

// of is the zone of a name; otherwise when it is empty or unknown.
func (z *zones) of(name string, otherwise *time.Location) *time.Location {
	if name == "" || name == "Local" {
		return otherwise
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	at, ok := z.byName[name]
	if !ok {
		if z.byName == nil || len(z.byName) >= mostZones {
			z.byName = map[string]*time.Location{}
		}
		at, _ = time.LoadLocation(name) // nil: unknown
		z.byName[name] = at
	}
	if at == nil {
		return otherwise
	}
	return at
}

// Hours are a campaign's calendar with its start, for those who ask about many people.
type Hours struct {
	rule
	always bool
	start  time.Time
	zone   *time.Location
	zones  *zones
}

// Hours of a campaign with the calendar that its launch froze.
func (s *Store) Hours(c Campaign, frozen Calendar) Hours {
	start := max(c.StartsAt, c.LaunchedAt)
	return Hours{rule: frozen.rule(), always: frozen.Always(), start: time.UnixMilli(start), zone: s.zones.of(frozen.Timezone, time.UTC), zones: s.zones}
}

// Always tells whether nothing is forbidden.
func (h Hours) Always() bool { return h.always }

// Zone is where somebody lives, by the name that is known of it.
func (h Hours) Zone(name string) *time.Location { return h.zones.of(name, h.zone) }

// Allows tells whether somebody in a zone may be mailed at a moment after their first.
func (h Hours) Allows(t time.Time, zone *time.Location) bool { return h.allows(t.In(zone)) }

// Next is the first moment, at now or later, at which somebody in the zone of
// a name may be mailed.
func (h Hours) Next(now time.Time, zone string) time.Time {
	if h.always {
		return now
	}
	return h.next(now, h.start, h.Zone(zone))
}
