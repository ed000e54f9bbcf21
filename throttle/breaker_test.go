package throttle_test

import (
	"testing"

	"facteur/throttle"
)

func TestJudge_ComplaintsAndBounces(t *testing.T) {
	for _, c := range []struct {
		bad, all   int64
		complaints throttle.BreakerState
		bounces    throttle.BreakerState
	}{
		{0, 0, throttle.Fine, throttle.Fine},
		{1, 500, throttle.Warned, throttle.Fine},
		{1, 2001, throttle.Fine, throttle.Fine},
		{2, 200, throttle.Warned, throttle.Fine},
		{3, 3750, throttle.Slowed, throttle.Fine},
		{4, 2000, throttle.Slowed, throttle.Fine},
		{5, 5000, throttle.Tripped, throttle.Fine},
		{5, 5001, throttle.Slowed, throttle.Fine},
		{9, 100, throttle.Tripped, throttle.Warned},
		{10, 3333, throttle.Stopped, throttle.Fine},
		{10, 3334, throttle.Tripped, throttle.Fine},
		{49, 49, throttle.Stopped, throttle.Fine},
		{5, 50, throttle.Tripped, throttle.Tripped},
		{5, 100, throttle.Tripped, throttle.Warned},
	} {
		if got := throttle.JudgeComplaints(c.bad, c.all); got != c.complaints {
			t.Errorf("%d complaints of %d: %s, want %s", c.bad, c.all, got, c.complaints)
		}
		if got := throttle.JudgeBounces(c.bad, c.all); got != c.bounces {
			t.Errorf("%d bounces of %d: %s, want %s", c.bad, c.all, got, c.bounces)
		}
	}
}
