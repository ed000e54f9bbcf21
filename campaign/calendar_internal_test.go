package campaign

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestCalendar_NextByHand(t *testing.T) {
	paris := zone(t, "Europe/Paris")
	night := Calendar{QuietFrom: "21:00", QuietTo: "08:00"}
	work := Calendar{QuietFrom: "18:00", QuietTo: "09:00", Days: []string{"mon", "tue", "wed", "thu", "fri"}}
	nine := Calendar{LocalTime: "09:00"}
	monday := Calendar{LocalTime: "09:00", Days: []string{"mon"}}
	for _, c := range []struct {
		name             string
		calendar         Calendar
		now, start, want string
		zone             *time.Location
	}{
		{"by day", night, "2026-11-27T12:00:00Z", "2026-11-27T00:00:00Z", "2026-11-27T12:00:00Z", paris},
		{"in the evening", night, "2026-11-27T20:30:00Z", "2026-11-27T00:00:00Z", "2026-11-28T07:00:00Z", paris},
		{"after midnight", night, "2026-11-27T02:30:00Z", "2026-11-27T00:00:00Z", "2026-11-27T07:00:00Z", paris},
		{"the night that clocks go forward", night, "2026-03-28T22:00:00Z", "2026-03-28T00:00:00Z", "2026-03-29T06:00:00Z", paris},
		{"the night that clocks go back", night, "2026-10-24T22:00:00Z", "2026-10-24T00:00:00Z", "2026-10-25T07:00:00Z", paris},
		{"on Friday evening", work, "2026-11-27T19:00:00Z", "2026-11-27T00:00:00Z", "2026-11-30T08:00:00Z", paris},
		{"at nine to come", nine, "2026-11-27T00:00:00Z", "2026-11-27T00:00:00Z", "2026-11-27T08:00:00Z", paris},
		{"at nine in New York", nine, "2026-11-27T00:00:00Z", "2026-11-27T00:00:00Z", "2026-11-27T14:00:00Z", zone(t, "America/New_York")},
		{"at nine in Auckland", nine, "2026-11-27T00:00:00Z", "2026-11-27T00:00:00Z", "2026-11-27T20:00:00Z", zone(t, "Pacific/Auckland")},
		{"later than nine", nine, "2026-11-27T15:00:00Z", "2026-11-27T00:00:00Z", "2026-11-27T15:00:00Z", paris},
		{"the first nine on a day that is not allowed", monday, "2026-11-27T10:00:00Z", "2026-11-27T10:00:00Z", "2026-11-30T08:00:00Z", paris},
		{"spread to the second day", nine, "2026-11-27T23:00:00Z", "2026-11-27T00:00:00Z", "2026-11-28T08:00:00Z", paris},
		{"a nine that is skipped", Calendar{LocalTime: "02:30"}, "2026-03-28T12:00:00Z", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z", paris},
		{"a nine that comes twice", Calendar{LocalTime: "02:30"}, "2026-10-24T12:00:00Z", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z", paris},
		{"launched after nine", nine, "2026-11-27T15:00:00Z", "2026-11-27T15:00:00Z", "2026-11-28T08:00:00Z", paris},
	} {
		now, _ := time.Parse(time.RFC3339, c.now)
		start, _ := time.Parse(time.RFC3339, c.start)
		if got := c.calendar.rule().next(now, start, c.zone).UTC().Format(time.RFC3339); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// told is when somebody may be mailed, said in another way: minute by minute, by
// what a clock on the wall shows.
func told(c Calendar, now, start time.Time, zone *time.Location) time.Time {
	of := func(text string) int {
		var hour, minute int
		if n, _ := fmt.Sscanf(text, "%d:%d", &hour, &minute); n < 2 {
			return 0
		}
		return 60*hour + minute
	}
	from, to, at := of(c.QuietFrom), of(c.QuietTo), of(c.LocalTime)
	reached, before := c.LocalTime == "", 0
	for t := start; ; t = t.Add(time.Minute) {
		if t.Sub(now) > 40*24*time.Hour {
			panic(fmt.Sprintf("%+v never allows anything", c))
		}
		local := t.In(zone)
		clock := local.Hour()*60 + local.Minute()
		passed := 400*local.Year() + local.YearDay() // how often the clock has passed the local time
		if clock < at {
			passed--
		}
		reached = reached || clock == at || passed > before && t.After(start)
		before = passed
		if !reached || t.Before(now) || clock < at {
			continue
		}
		quiet := c.QuietFrom != "" && (from < to && from <= clock && clock < to || from > to && (clock >= from || clock < to))
		if !quiet && (len(c.Days) == 0 || slices.Contains(c.Days, strings.ToLower(local.Weekday().String()[:3]))) {
			return t
		}
	}
}

// anyCalendar is one that a campaign may have.
func anyCalendar(t *rapid.T) Calendar {
	of := rapid.Custom(func(t *rapid.T) string {
		return fmt.Sprintf("%02d:%02d", rapid.IntRange(0, 23).Draw(t, "hour"), rapid.SampledFrom([]int{0, 1, 15, 30, 59}).Draw(t, "minute"))
	})
	for {
		var c Calendar
		if rapid.Bool().Draw(t, "quiet") {
			c.QuietFrom, c.QuietTo = of.Draw(t, "from"), of.Draw(t, "to")
		}
		if rapid.Bool().Draw(t, "timed") {
			c.LocalTime = of.Draw(t, "at")
		}
		if rapid.Bool().Draw(t, "on some days") {
			c.Days = rapid.SliceOfNDistinct(rapid.SampledFrom(strings.Fields(weekdays)), 1, 5, rapid.ID).Draw(t, "days")
		}
		if c.check() == nil {
			return c
		}
	}
}

// Zones whose clocks are put forward by half an hour, at midnight, over a whole
// day, and not at all.
const strangeZones = "Europe/Paris America/New_York Pacific/Apia Asia/Kathmandu UTC Australia/Lord_Howe Africa/Cairo America/Santiago Asia/Beirut Pacific/Auckland"

func TestCalendar_NextIsTheFirstThatIsAllowed(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c, name := anyCalendar(rt), rapid.SampledFrom(strings.Fields(strangeZones)).Draw(rt, "zone")
		z := zone(t, name)
		// Of a year, and near the moments at which clocks are changed.
		start := time.Date(rapid.SampledFrom([]int{2011, 2026}).Draw(rt, "year"), 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.IntRange(0, 365*24*60).Draw(rt, "minute")) * time.Minute)
		if _, end := start.In(z).ZoneBounds(); !end.IsZero() && rapid.Bool().Draw(rt, "near a change") {
			start = end.UTC().Truncate(time.Minute).Add(time.Duration(rapid.IntRange(-60*26, 180).Draw(rt, "from the change")) * time.Minute)
		}
		now := start.Add(time.Duration(rapid.IntRange(0, 60*72).Draw(rt, "later")) * time.Minute)
		if got, want := c.rule().next(now, start, z), told(c, now, start, z); !got.Equal(want) {
			rt.Fatalf("%+v, started %s, at %s: %s, want %s", c, start.In(z), now.In(z), got.In(z), want.In(z))
		}
	})
}

func TestCalendar_RefusesWhatCannotBe(t *testing.T) {
	for field, c := range map[string]Calendar{
		"quiet_hours": {QuietFrom: "21:00"}, "quiet_hours.to": {QuietFrom: "21:00", QuietTo: "8:00"}, "quiet_hours.from": {QuietFrom: "24:00", QuietTo: "08:00"},
		"allowed_days": {Days: []string{"monday"}}, "timezone": {Timezone: "Mars/Olympus"}, "local_time": {LocalTime: "03:00", QuietFrom: "21:00", QuietTo: "08:00"},
	} {
		var invalid *Invalid
		if err := c.check(); !errors.As(err, &invalid) || invalid.Field != field {
			t.Errorf("%+v: %v, want it on %s", c, err, field)
		}
	}
}
