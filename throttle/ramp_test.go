package throttle_test

import (
	"strings"
	"testing"

	"facteur/throttle"
)

func TestRamp_ConservativeGrows(t *testing.T) {
	r := throttle.Conservative()
	for step, want := range map[int]int64{-1: 50, 0: 50, 1: 100, 4: 1000, 15: 100_000, 16: 140_000, 17: 196_000, 200: 1e12} {
		if got := r.Cap(step); got != want {
			t.Errorf("cap of step %d: %d, want %d", step, got, want)
		}
	}
	if (throttle.Ramp{}).Cap(3) != throttle.Unlimited || !(throttle.Ramp{}).None() {
		t.Error("no ramp caps nothing")
	}
}

func TestRamp_AStepUpIsEarned(t *testing.T) {
	r := throttle.Conservative()
	for name, c := range map[string]struct {
		last *throttle.SendingDay
		date int64
		step int
		verd throttle.Verdict
		word string
	}{
		"never sent":           {nil, 100, 0, throttle.Begins, "first"},
		"a good day":           {&throttle.SendingDay{Date: 99, Step: 3, Answers: throttle.Answers{Attempts: 500, Hard: 5, Reporting: 490}}, 100, 4, throttle.Up, "good"},
		"a gap of days":        {&throttle.SendingDay{Date: 80, Step: 3}, 100, 4, throttle.Up, "good"},
		"30 idle days":         {&throttle.SendingDay{Date: 69, Step: 9}, 100, 0, throttle.Again, "30 days"},
		"29 idle days":         {&throttle.SendingDay{Date: 70, Step: 9}, 100, 10, throttle.Up, "good"},
		"5% bounces":           {&throttle.SendingDay{Date: 99, Step: 3, Answers: throttle.Answers{Attempts: 100, Hard: 5}}, 100, 3, throttle.Held, "5 bounces of 100"},
		"10% bounces":          {&throttle.SendingDay{Date: 99, Step: 3, Answers: throttle.Answers{Attempts: 100, Hard: 10}}, 100, 2, throttle.Back, "10 bounces of 100"},
		"few answers":          {&throttle.SendingDay{Date: 99, Step: 3, Answers: throttle.Answers{Attempts: 10, Hard: 5}}, 100, 4, throttle.Up, "good"},
		"10% put off":          {&throttle.SendingDay{Date: 99, Step: 3, Answers: throttle.Answers{Attempts: 50, Deferred: 5}}, 100, 3, throttle.Held, "put off"},
		"30% put off":          {&throttle.SendingDay{Date: 99, Step: 0, Answers: throttle.Answers{Attempts: 50, Deferred: 25}}, 100, 0, throttle.Back, "put off"},
		"3 complaints":         {&throttle.SendingDay{Date: 99, Step: 3, Answers: throttle.Answers{Attempts: 3000, Reporting: 3000, Complained: 3}}, 100, 3, throttle.Held, "3 complaints of 3000 (0.10%)"},
		"5 complaints":         {&throttle.SendingDay{Date: 99, Step: 3, Answers: throttle.Answers{Attempts: 5000, Reporting: 5000, Complained: 5}}, 100, 2, throttle.Back, "0.10%"},
		"2 complaints of 100":  {&throttle.SendingDay{Date: 99, Step: 3, Answers: throttle.Answers{Attempts: 100, Reporting: 100, Complained: 2}}, 100, 4, throttle.Up, "2 complaints"},
		"complaints, no scale": {&throttle.SendingDay{Date: 99, Step: 3, Answers: throttle.Answers{Attempts: 100, Complained: 9}}, 100, 4, throttle.Up, "good"},
	} {
		t.Run(name, func(t *testing.T) {
			got := r.Next(c.last, c.date)
			if got.Number != c.step || got.Verdict != c.verd || got.Cap != r.Cap(c.step) || !strings.Contains(got.Reason, c.word) {
				t.Errorf("got %+v, want step %d %s with %q", got, c.step, c.verd, c.word)
			}
		})
	}
}

func TestQuota_KeepsAPartForLetters(t *testing.T) {
	for _, c := range []struct {
		q    throttle.Quota
		want int64
	}{
		{throttle.Quota{Cap: 50}, 48},
		{throttle.Quota{Cap: 50, Used: 2, Letters: 2}, 48},
		{throttle.Quota{Cap: 50, Used: 10, Letters: 10}, 40},
		{throttle.Quota{Cap: 100, Used: 40, Reserved: 30}, 25},
		{throttle.Quota{Cap: 100, Used: 100, Reserved: 30}, 0},
		{throttle.Quota{Cap: throttle.Unlimited, Used: 5}, throttle.Unlimited},
	} {
		if got := c.q.Left(); got != c.want {
			t.Errorf("%+v has %d left, want %d", c.q, got, c.want)
		}
	}
}
