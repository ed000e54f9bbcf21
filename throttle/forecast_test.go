package throttle_test

import (
	"testing"
	"time"

	"facteur/throttle"
)

var monday = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

func google() throttle.Lane { return throttle.Lane{Domain: "a.example", Provider: "google"} }

// begun are the mails begun on each day.
func begun(f throttle.Forecast) (n []int64) {
	for _, d := range f.Days {
		sum := int64(0)
		for _, l := range d.Lanes {
			sum += l.Begun
		}
		n = append(n, sum)
	}
	return n
}

func equal(t *testing.T, what string, got, want []int64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %v, want %v", what, got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("%s: %v, want %v", what, got, want)
		}
	}
}

func TestForecast_FollowsTheRampDayByDay(t *testing.T) {
	o := throttle.Outlook{Start: monday, Days: 30, Lanes: []throttle.OutlookLane{{Lane: google(), Ramp: throttle.Conservative()}}, Waiting: []throttle.Waiting{{Campaign: 1, N: 1000}}}
	f := o.Play()
	equal(t, "days", begun(f), []int64{48, 95, 238, 475, 144}) // each day's cap less the letters' share
	if f.Ends[1].Before(monday.AddDate(0, 0, 4)) || f.Ends[1].After(monday.AddDate(0, 0, 4).Add(time.Hour)) || f.Total != 1000 {
		t.Errorf("ends %s, %d in all", f.Ends[1], f.Total)
	}
	if l := f.Days[1].Lanes[0]; l.Cap != 100 || l.Verdict != throttle.Up || l.Step != 1 {
		t.Errorf("second day: %+v", l)
	}
}

func TestForecast_HoldsWhereBouncesAreTooMany(t *testing.T) {
	o := throttle.Outlook{Start: monday, Days: 5, Lanes: []throttle.OutlookLane{{Lane: google(), Ramp: throttle.Conservative(), Bounces: 0.06}}, Waiting: []throttle.Waiting{{Campaign: 1, N: 1000}}}
	f := o.Play()
	equal(t, "days", begun(f), []int64{48, 48, 48, 48, 48})
	if f.Left[1] != 1000-5*48 || !f.Ends[1].IsZero() {
		t.Errorf("left %d, ends %s", f.Left[1], f.Ends[1])
	}
}

func TestForecast_KeepsTheLimits(t *testing.T) {
	lane := throttle.OutlookLane{Lane: google(), Limit: throttle.Limit{PerSecond: 1}}
	yahoo := throttle.OutlookLane{Lane: throttle.Lane{Domain: "a.example", Provider: "yahoo"}}
	all := func(throttle.Lane, int64) bool { return true }
	for name, c := range map[string]struct {
		o    throttle.Outlook
		ends time.Duration
	}{
		"a second": {throttle.Outlook{Lanes: []throttle.OutlookLane{lane}, Waiting: []throttle.Waiting{{Campaign: 1, N: 5400}}}, 90 * time.Minute},
		"an hour":  {throttle.Outlook{Lanes: []throttle.OutlookLane{{Lane: google(), Limit: throttle.Limit{PerHour: 100}}}, Waiting: []throttle.Waiting{{Campaign: 1, N: 350}}}, 3 * time.Hour},
		"a day":    {throttle.Outlook{Lanes: []throttle.OutlookLane{{Lane: google(), Limit: throttle.Limit{PerDay: 100}}}, Waiting: []throttle.Waiting{{Campaign: 1, N: 250}}}, 48 * time.Hour},
		"of all lanes": {throttle.Outlook{
			Lanes: []throttle.OutlookLane{lane, yahoo}, Scopes: []throttle.OutlookScope{{Limit: throttle.Limit{PerHour: 1000}, Of: all}},
			Waiting: []throttle.Waiting{{Campaign: 1, N: 2000}, {Campaign: 1, Lane: 1, N: 2000}},
		}, 3 * time.Hour},
		"not before": {throttle.Outlook{Lanes: []throttle.OutlookLane{yahoo}, Waiting: []throttle.Waiting{{Campaign: 1, N: 10, From: monday.Add(5 * time.Hour)}}}, 5 * time.Hour},
		"in the day": {throttle.Outlook{Lanes: []throttle.OutlookLane{lane}, Waiting: []throttle.Waiting{{Campaign: 1, N: 2 * 12 * 3600, Allowed: func(t time.Time) bool { return t.Hour() >= 8 && t.Hour() < 20 }}}}, 44 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			c.o.Start, c.o.Days = monday, 10
			f := c.o.Play()
			if got := f.Ends[1].Sub(monday); got < c.ends || got > c.ends+10*time.Minute {
				t.Errorf("ends after %s, want %s; left %v, days %v", got, c.ends, f.Left, begun(f))
			}
		})
	}
}

func TestForecast_CountsEachTry(t *testing.T) {
	o := throttle.Outlook{Start: monday, Days: 30, Lanes: []throttle.OutlookLane{{Lane: google(), Deferrals: 0.05}}, Waiting: []throttle.Waiting{{Campaign: 1, N: 10_000}}}
	f := o.Play()
	if n := begun(f)[0]; n < 10_500 || n > 10_530 || f.Total < 9_990 || f.Total > 10_010 {
		t.Errorf("%d tries for %d mails", n, f.Total)
	}
}

func TestForecast_APriorityGoesFirst(t *testing.T) {
	lane := throttle.OutlookLane{Lane: google(), Limit: throttle.Limit{PerSecond: 1}}
	o := throttle.Outlook{Start: monday, Days: 3, Lanes: []throttle.OutlookLane{lane}, Waiting: []throttle.Waiting{{Campaign: 1, N: 7200}, {Campaign: 2, N: 7200, Priority: 1}}}
	f := o.Play()
	if first, second := f.Ends[2].Sub(monday), f.Ends[1].Sub(monday); first > 2*time.Hour+time.Minute || second < 4*time.Hour-time.Minute {
		t.Errorf("the high one after %s, the other after %s", first, second)
	}
}
