package campaign

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Calendar is when people may be mailed, by the clock where they live. The
// zero one is always.
type Calendar struct {
	QuietFrom string   `json:"quiet_from,omitempty"` // "21:00"; no mail from then
	QuietTo   string   `json:"quiet_to,omitempty"`   // until then, which may be the next day
	Days      []string `json:"days,omitempty"`       // mon to sun; none: all
	LocalTime string   `json:"local_time,omitempty"` // "09:00": nobody is mailed before that time of their own, on any day
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
	if r := c.rule(); r.at >= 0 && r.quiet(r.at) {
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

// rule reads the calendar's texts, of which [Calendar.check] has seen that they can be read.
func (c Calendar) rule() rule {
	of := func(text string) int {
		if m, ok := minutes(text); ok {
			return m
		}
		return -1
	}
	r := rule{from: of(c.QuietFrom), to: of(c.QuietTo), at: of(c.LocalTime), days: 1<<7 - 1}
	if len(c.Days) > 0 {
		r.days = 0
	}
	for i, day := range strings.Fields(weekdays) {
		if slices.Contains(c.Days, day) {
			r.days |= 1 << i
		}
	}
	return r
}

func formatCalendar(c Calendar) string {
	text, _ := json.Marshal(c) // texts
	return string(text)
}
