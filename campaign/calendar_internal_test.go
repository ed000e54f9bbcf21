package campaign

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"
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
		{"launched after nine", nine, "2026-11-27T15:00:00Z", "2026-11-27T15:00:00Z", "2026-11-28T08:00:00Z", paris},
	} {
		now, _ := time.Parse(time.RFC3339, c.now)
		start, _ := time.Parse(time.RFC3339, c.start)
		if got := c.calendar.Next(now, start, c.zone).UTC().Format(time.RFC3339); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// The next moment is allowed, and none before it is.
func TestCalendar_NextIsTheFirst(t *testing.T) {
	for _, name := range []string{"Europe/Paris", "America/New_York", "Pacific/Apia", "Asia/Kathmandu", "UTC", "Australia/Lord_Howe"} {
		z := zone(t, name)
		for seed := range uint64(300) {
			r := rand.New(rand.NewPCG(seed, 7))
			of := func() string {
				return time.Date(2026, 1, 1, r.IntN(24), 15*r.IntN(4), 0, 0, time.UTC).Format("15:04")
			}
			c := Calendar{QuietFrom: of(), QuietTo: of()}
			if c.QuietFrom == c.QuietTo {
				continue
			}
			for _, d := range []string{"mon", "wed", "sat"} {
				if r.IntN(2) == 0 {
					c.Days = append(c.Days, d)
				}
			}
			now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(r.IntN(365*96)) * 15 * time.Minute)
			next := c.Next(now, now, z)
			if !c.Allows(next, z) || next.Before(now) {
				t.Fatalf("%s %+v: after %s comes %s, which is not allowed", name, c, now.In(z), next.In(z))
			}
			for at := now; at.Before(next); at = at.Add(15 * time.Minute) {
				if c.Allows(at, z) {
					t.Fatalf("%s %+v: after %s comes %s, but %s is allowed", name, c, now.In(z), next.In(z), at.In(z))
				}
			}
		}
	}
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
