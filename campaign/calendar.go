package campaign

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Calendar is when people may be mailed, by the clock where they live. The
// zero one is always.
type Calendar struct {
	QuietFrom string   `json:"quiet_from,omitempty"` // "21:00"; no mail from then
	QuietTo   string   `json:"quiet_to,omitempty"`   // until then, which may be the next day
	Days      []string `json:"days,omitempty"`       // mon to sun; none: all
	LocalTime string   `json:"local_time,omitempty"` // "09:00": everybody's mail goes at that time of their own
	Timezone  string   `json:"timezone,omitempty"`   // of people whose own is not known; "": UTC
}

// weekdays are their names as in a calendar, by [time.Weekday].
const weekdays = "sun mon tue wed thu fri sat"

// check refuses what cannot be, naming the field.
func (c *Calendar) check() error {
	if (c.QuietFrom == "") != (c.QuietTo == "") {
		return &Invalid{"quiet_hours", "want both from and to"}
	}
	for field, text := range map[string]string{"quiet_hours.from": c.QuietFrom, "quiet_hours.to": c.QuietTo, "local_time": c.LocalTime} {
		if _, ok := minutes(text); text != "" && !ok {
			return &Invalid{field, fmt.Sprintf("%q is no time of day: want 00:00 to 23:59", text)}
		}
	}
	if c.QuietFrom != "" && c.QuietFrom == c.QuietTo {
		return &Invalid{"quiet_hours", "would never end: from and to are the same"}
	}
	for _, d := range c.Days {
		if !slices.Contains(strings.Fields(weekdays), d) {
			return &Invalid{"allowed_days", fmt.Sprintf("%q is no day: want some of mon, tue, wed, thu, fri, sat, sun", d)}
		}
	}
	if c.Timezone != "" {
		if _, err := time.LoadLocation(c.Timezone); err != nil || c.Timezone == "Local" {
			return &Invalid{"timezone", fmt.Sprintf("%q is unknown: want an IANA name such as Europe/Paris", c.Timezone)}
		}
	}
	if at, ok := minutes(c.LocalTime); ok && c.quiet(at) {
		return &Invalid{"local_time", c.LocalTime + " is within the quiet hours"}
	}
	return nil
}

// minutes of a day that "HH:MM" is.
func minutes(text string) (int, bool) {
	t, err := time.Parse("15:04", text)
	return t.Hour()*60 + t.Minute(), err == nil && len(text) == 5
}

// Always tells whether it forbids nothing.
func (c Calendar) Always() bool { return c.QuietFrom == "" && len(c.Days) == 0 && c.LocalTime == "" }

// quiet tells whether no mail may go at a minute of the day.
func (c Calendar) quiet(at int) bool {
	from, ok := minutes(c.QuietFrom)
	to, _ := minutes(c.QuietTo)
	switch {
	case !ok:
		return false
	case from < to:
		return from <= at && at < to
	}
	return at >= from || at < to
}

// Allows tells whether somebody in a zone may be mailed at a moment.
func (c Calendar) Allows(t time.Time, zone *time.Location) bool {
	t = t.In(zone)
	day := strings.Fields(weekdays)[t.Weekday()]
	return (len(c.Days) == 0 || slices.Contains(c.Days, day)) && !c.quiet(t.Hour()*60+t.Minute())
}

// Next is the first moment, at now or later, at which somebody in a zone may
// be mailed by a campaign that started at the given time. A mail at a local
// time goes at the first such time after the start.
func (c Calendar) Next(now, start time.Time, zone *time.Location) time.Time {
	t := now
	if at, ok := minutes(c.LocalTime); ok {
		first := start.In(zone)
		y, m, d := first.Date()
		first = time.Date(y, m, d, at/60, at%60, 0, 0, zone)
		if first.Before(start) {
			first = time.Date(y, m, d+1, at/60, at%60, 0, 0, zone)
		}
		if first.After(t) {
			t = first
		}
	}
	for range 32 { // at most two steps a day, of eight days
		if c.Allows(t, zone) {
			return t
		}
		t = c.later(t.In(zone))
	}
	return t
}

// later is the next moment at which what forbids t may end.
func (c Calendar) later(t time.Time) time.Time {
	y, m, d := t.Date()
	midnight := time.Date(y, m, d+1, 0, 0, 0, 0, t.Location())
	if to, ok := minutes(c.QuietTo); ok && c.quiet(t.Hour()*60+t.Minute()) {
		end := time.Date(y, m, d, to/60, to%60, 0, 0, t.Location())
		if end.After(t) && end.Before(midnight) {
			return end
		}
		if end.Equal(midnight) {
			return midnight
		}
		// It ends tomorrow; or clocks are put back and this hour comes twice.
		if again := t.Add(15 * time.Minute).Truncate(15 * time.Minute); again.Before(midnight) && !c.quiet(again.In(t.Location()).Hour()*60+again.In(t.Location()).Minute()) {
			return again
		}
	}
	return midnight
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
	Calendar
	start time.Time
	zone  *time.Location
	zones *zones
}

// Hours of a campaign with the calendar that its launch froze.
func (s *Store) Hours(c Campaign, frozen Calendar) Hours {
	start := max(c.StartsAt, c.LaunchedAt)
	h := Hours{Calendar: frozen, start: time.UnixMilli(start), zones: s.zones}
	h.zone = s.zones.of(frozen.Timezone, time.UTC)
	return h
}

// Zone is where somebody lives, by the name that is known of it.
func (h Hours) Zone(name string) *time.Location { return h.zones.of(name, h.zone) }

// Next is the first moment, at now or later, at which somebody in the zone of
// a name may be mailed.
func (h Hours) Next(now time.Time, zone string) time.Time {
	if h.Always() {
		return now
	}
	return h.Calendar.Next(now, h.start, h.Zone(zone))
}

func formatCalendar(c Calendar) string {
	text, _ := json.Marshal(c) // texts
	return string(text)
}
